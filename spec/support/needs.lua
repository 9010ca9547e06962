-- Specs of what is not on this machine are pending, and name the package that brings it.

local needs = {}

-- The Debian package that scripts/deps has for a program or a module of Python.
local function package_of(subject)
  local file = assert(io.open "scripts/deps")
  local text = file:read "*a"
  file:close()
  return text:match("\n%w+%s+" .. subject:gsub("%p", "%%%0") .. "%s+(%S+)")
end

local function absent(name, subject)
  local package = package_of(subject)
  require("busted").pending(package and ("no %s here: scripts/deps --all installs it (package %s)")
    :format(name, package) or "no " .. name .. " here")
end

local function succeeds(command)
  local status = os.execute(command .. " >/dev/null 2>&1")
  return status == true or status == 0
end

--- Goes on where a program is in the path.
function needs.program(name)
  if not succeeds(("command -v '%s'"):format(name)) then
    absent(name, "program:" .. name)
  end
end

--- Goes on where python3 finds a module, and returns its command: packages serve the system's own.
function needs.python(module)
  for _, python in ipairs { "python3", "/usr/bin/python3" } do
    if succeeds(("%s -c 'import %s'"):format(python, module)) then
      return python
    end
  end
  absent("module " .. module .. " of python3", "python:" .. module)
end

return needs
