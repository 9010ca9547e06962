--- make install: what is there afterwards is whole, and links and exports what it should.

local mgd = require "mgd"
local read = require("spec.support.texts").read

local mgd_lua = os.getenv "MGD_LUA" or "build/mgd-lua"
local sanitized = os.getenv "MGD_SANITIZE"

local folder

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  local ok = pipe:close()
  return text, ok
end

describe("an installation", function()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    -- `-o all`: what stands in the build is installed as it is.
    local text, ok = run(("make -o all install BUILD='%s' DESTDIR='%s' PREFIX=/usr"):format(
      mgd_lua:match "^(.*)/", folder))
    assert(ok, text)
  end)

  teardown(function()
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  it("has an interpreter that finds the installed library", function()
    assert.equal(mgd.version .. "\n", (run(("cd / && '%s/usr/bin/mgd-lua' -e "
      .. "'print(require([[mgd]]).version)'"):format(folder))))
  end)

  it("has mgd_chip.py where the installed library finds it", function()
    local place = run(("cd / && '%s/usr/bin/mgd-lua' -e "
      .. "'require([[mgd]]) print(require([[mgd.hardware.python]]).folder())'"):format(folder))
    assert.equal(folder .. "/usr/share/lua/5.4/mgd/../../../mgd-lua/python\n", place)
    assert.equal(read "src/python/mgd_chip.py",
      read(folder .. "/usr/share/mgd-lua/python/mgd_chip.py"))
  end)

  it("has what Verilator is given where the installed library finds it", function()
    for _, name in ipairs { "worker.cpp", "worker.v" } do
      assert.equal(read("src/verilog/" .. name),
        read(folder .. "/usr/share/lua/5.4/mgd/../../../mgd-lua/verilog/" .. name))
    end
  end)

  it("has documents whose links lead to files", function()
    local list, count = run(("find '%s/usr/share/doc' -name '*.md'"):format(folder)), 0
    for path in list:gmatch "[^\n]+" do
      for target in read(path):gmatch "%]%(([^)#%s]+)[^)]*%)" do
        if not target:find "^%a+:" then
          count = count + 1
          local file = io.open(path:match "^.*/" .. target)
          assert(file, path .. ": no such file: " .. target)
          file:close()
        end
      end
    end
    assert.is_true(count > 30)
  end)

  it("has an archive without debugging information that defines names of mgd_ only", function()
    local archive = folder .. "/usr/lib/libmgd.a"
    local names = run(("nm -g --defined-only '%s'"):format(archive))
    local count = 0
    for kind, name in names:gmatch "\n%x+ (%a) (%S+)" do
      count = count + 1
      if not (sanitized and name:find "^__") then
        assert.is_truthy(name:find "^mgd_", kind .. " " .. name)
      end
    end
    assert.is_true(count > 100)
    assert.is_nil(run(("nm -a '%s'"):format(archive)):find("debug_info", 1, true))
  end)

  if not sanitized then -- whose archive needs the sanitizers' runtime
    it("links a program as the README says", function()
      local program = folder .. "/prog"
      local file = assert(io.open(program .. ".c", "w"))
      file:write [[
#include <mgd.h>
#include <stdio.h>
int main(void) {
    mgd_context ctx = {0};
    mgd_layer layers[] = {{.kind = MGD_LAYER_DENSE, .outputs = 1}};
    mgd_net *net = NULL;
    mgd_chip *chip = NULL;
    if (mgd_net_new(&ctx, MGD_F64, 1, (size_t[]){2}, 1, layers, &net) != MGD_OK ||
        mgd_chip_ideal(&ctx, net, &chip) != MGD_OK)
        return 1;
    mgd_chip_free(chip);
    mgd_net_free(net);
    puts(mgd_version());
    return 0;
}
]]
      file:close()
      local libraries = assert(read "README.md":match "\n    cc prog%.c ([^\n]*)\n")
      local text, ok = run(("cc -I'%s/usr/include' '%s.c' -o '%s' -L'%s/usr/lib' %s"):format(folder,
        program, program, folder, libraries))
      assert(ok, text)
      assert.equal(mgd.version .. "\n", (run("'" .. program .. "'")))
    end)
  end
end)

describe("CITATION.cff", function()
  it("names the version of the library", function()
    assert.equal(mgd.version, read "CITATION.cff":match "\nversion: (%S+)\n")
  end)
end)
