--- Where modules come from: the library's own never from the present folder, the user's as in lua.

local needs = require "spec.support.needs"
local program = require "mgd.base.program"
local temporary = require "spec.support.idx_files"
local support = require "spec.support.train"
local texts = require "spec.support.texts"

local root = program.out({ "pwd" }):gsub("\n", "")
local NAMES = { "mgd.lua", "mgd/init.lua", "mgd/core.lua", "mgd/core.so", "mgd/searcher.lua",
  "mgd/options.lua", "mgd/json.lua", "mgd/nn.lua", "mgd/experiment/paths.lua", "core.lua" }

local folder

before_each(function()
  folder = temporary.folder()
  assert(os.execute(("mkdir '%s/mgd' '%s/mgd/experiment'"):format(folder, folder)))
  for _, name in ipairs(NAMES) do
    texts.write(folder .. "/" .. name, "print 'RAN' error('from the folder', 0)")
  end
  texts.write(folder .. "/mine.lua", "return {name = ...}")
  texts.write(folder .. "/mgd/extra.lua", "return {name = ...}")
end)
after_each(function()
  os.execute(("rm -rf '%s'"):format(folder))
end)

-- All that a program prints, in the hostile folder.
local function run(words, opts)
  local line = { "cd \"$0\" && \"$@\" 2>&1" }
  local all = { "sh", "-c", line[1], folder }
  for _, word in ipairs(words) do
    all[#all + 1] = word
  end
  return program.run(all, opts).out
end

local absolute = support.mgd_lua:sub(1, 1) == "/" and support.mgd_lua
  or root .. "/" .. support.mgd_lua

local function ours(script, opts)
  return run({ absolute, "-e", script }, opts)
end

describe("mgd-lua in a folder of others", function()
  it("takes the library's modules from the library, whichever comes first", function()
    for _, name in ipairs { "mgd", "mgd.core", "mgd.json", "mgd.options",
      "mgd.experiment.paths" } do
      assert.equal("table\n", ours(("print(type(require %q)) require 'mgd'"):format(name)))
    end
    assert.equal("0.1\n", run({ absolute, "-l", "mgd", "-e", "print(mgd.version:sub(1, 3))" }))
  end)

  it("does so in a session", function()
    local out = run({ absolute, "-i" }, { input = "type(mgd.zeros)\n" })
    assert.is_truthy(out:find("function", 1, true), out)
    assert.is_falsy(out:find("RAN", 1, true), out)
  end)

  it("does so whatever LUA_PATH and LUA_CPATH name", function()
    local env = { LUA_PATH = "./?.lua;./?/init.lua;;", LUA_CPATH = "./?.so;;",
      LUA_PATH_5_4 = false, LUA_CPATH_5_4 = false }
    assert.equal("table\n", ours("print(type(require 'mgd'))", { env = env }))
  end)

  it("finds the user's modules as lua does", function()
    assert.equal("mine\n", ours "print(require('mine').name)")
    assert.equal("mgd.extra\n", ours "print(require('mgd.extra').name)")
    assert.is_truthy(ours("require 'absent'"):find("no file './absent.lua'", 1, true))
    assert.is_truthy(ours("require 'mgd.absent'"):find("no file './mgd/absent.lua'", 1, true))
  end)

  it("says what is wrong with the runtime rather than take another", function()
    local out = ours "package.cpath = './?.so;/absent/?.so' require 'mgd'"
    assert.is_truthy(out:find("module 'mgd.core' not found, in absolute places of package.cpath:\n"
      .. "\tno file '/absent/mgd/core.so'", 1, true), out)
    out = ours(("package.cpath = '%s/?.so' require 'mgd'"):format(folder))
    assert.is_truthy(out:find(("error loading module 'mgd.core' from file '%s/mgd/core.so'")
      :format(folder), 1, true), out)
  end)
end)

local build = absolute:gsub("[^/]*$", "")
local stock = { ["lua5.4"] = build, luajit = build .. "luajit/" }
if os.getenv "MGD_SANITIZE" then -- they lack the sanitizers' runtime
  stock = {}
end

-- Goes on where there are the interpreter and a module for it.
local function need(lua, modules)
  needs.program(lua)
  local file = io.open(modules .. "mgd/core.so", "rb")
  if not file then
    return pending("no module for " .. lua .. ": scripts/deps --all brings what it is built with")
  end
  file:close()
end

describe("require \"mgd\" in a stock interpreter", function()
  for lua, modules in pairs(stock) do
    it("takes what follows from the library: " .. lua, function()
      need(lua, modules)
      os.remove(folder .. "/mgd.lua") -- the first of all is found as the interpreter finds it
      local env = { LUA_PATH = ("./?.lua;%s/lua/?/init.lua"):format(root),
        LUA_CPATH = ("./?.so;%s?.so"):format(modules), LUA_PATH_5_4 = false, LUA_CPATH_5_4 = false }
      local out = run({ lua, "-e", "local mgd = require 'mgd' print(mgd.zeros{2}.size, "
        .. "type(mgd.json), require('mine').name, (package.searchers or package.loaders)[6])" },
        { env = env })
      assert.is_truthy(out:find "^2\ttable\tmine\tnil\n$", out)
    end)

    it("reports errors at the user's line whichever module came first: " .. lua, function()
      need(lua, modules)
      local env = { LUA_PATH = ("%s/lua/?.lua"):format(root), LUA_CPATH = modules .. "?.so",
        LUA_PATH_5_4 = false, LUA_CPATH_5_4 = false }
      local out = run({ lua, "-e", "local stats = require 'mgd.stats'\n"
        .. "print(pcall(function() return stats.mean { 1, nil, 3 } end))" }, { env = env })
      assert.is_truthy(out:find("(command line):2: mgd.stats.mean: ", 1, true), out)
    end)
  end
end)

describe("names of modules from before there were rooms", function()
  local searcher, doors = texts.read "lua/mgd/searcher.lua", {}
  for name in texts.read "src/lua/l_door.c":gmatch "\nDOOR%(([%w_]+)%)" do
    doors[#doors + 1] = name
  end

  it("are the same in the searcher and among the doors, rooms of one front aside", function()
    local names = { "codes", "data", "plot", "stats" }
    for name in searcher:match "\nlocal MOVED = (%b{})":gmatch "([%w_]+) = " do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same(names, doors)
  end)

  it("lead to the same modules, parts of them too", function()
    for _, name in ipairs(doors) do
      assert.is_truthy(require("mgd." .. name) ~= true, name)
    end
    assert.equal(require "mgd.runs.train", require "mgd.train")
    assert.equal(require "mgd.text.numbers", require "mgd.figures")
    assert.equal(require "mgd.studies.experiment.paths", require "mgd.experiment.paths")
  end)

  for lua, modules in pairs(stock) do
    it("are found before mgd is: " .. lua, function()
      need(lua, modules)
      local env = { LUA_PATH = ("%s/lua/?.lua"):format(root), LUA_CPATH = modules .. "?.so",
        LUA_PATH_5_4 = false, LUA_CPATH_5_4 = false }
      for _, name in ipairs(doors) do
        local out = run({ lua, "-e", ("local a = require 'mgd.%s' local mgd = require 'mgd' "
          .. "print(a == require 'mgd.%s', type(mgd.zeros))"):format(name, name) }, { env = env })
        assert.equal("true\tfunction\n", out, name)
      end
      assert.equal("table\n", run({ lua, "-e", "print(type(require 'mgd'))" }, { env = env }))
    end)
  end
end)
