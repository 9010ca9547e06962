--- Files as a whole: one that is written replaces what is there at once, or not at all. Texts are
-- UTF-8, and read without the mark that some editors put in front.
-- @module mgd.base.files

local core = require "mgd.core"
local options = require "mgd.base.options"

local M = {}

local MARK = "^\239\187\191" -- U+FEFF, in UTF-8

-- What a file begins with that is text of another encoding.
local ENCODINGS = {
  { "^\255\254%z%z", "UTF-32" }, { "^%z%z\254\255", "UTF-32" },
  { "^\255\254", "UTF-16" }, { "^\254\255", "UTF-16" },
  { "^[\1-\127]%z[\1-\127]%z", "UTF-16" }, { "^%z[\1-\127]%z[\1-\127]", "UTF-16" },
}

--- Check that something is the name of a file: the system would end it at a zero byte.
-- @tparam string where opens messages
-- @param path anything
-- @raise where it is none
function M.check_path(where, path)
  if type(path) ~= "string" then
    options.fail(where, "the path must be a string, got %s", options.type_name(path))
  elseif path == "" then
    options.fail(where, "the path is empty")
  elseif path:find("\0", 1, true) then
    options.fail(where, "the path holds a zero byte")
  end
end

--- Whether there is a file that can be read.
function M.exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

--- The bytes of a file.
-- @tparam string where opens messages
-- @tparam string path
-- @raise with the system's words
function M.bytes(where, path)
  M.check_path(where, path)
  local file, message = io.open(path, "rb")
  if not file then
    options.fail(where, "%s", message)
  end
  local bytes, why = file:read "*a"
  file:close()
  return bytes or options.fail(where, "%s: %s", path, why)
end

--- The text of a file.
-- @tparam string where opens messages
-- @tparam string path
-- @treturn string without a byte order mark
-- @raise with the system's words, and where it is text of another encoding, or no text
function M.read(where, path)
  local bytes = M.bytes(where, path)
  for _, encoding in ipairs(ENCODINGS) do
    if bytes:find(encoding[1]) then
      options.fail(where, "%s: this is %s text: save it as UTF-8 (\"CSV UTF-8\", where a table is "
        .. "exported)", path, encoding[2])
    end
  end
  local zero = bytes:find("\0", 1, true)
  if zero then
    local _, breaks = bytes:sub(1, zero):gsub("\n", "")
    options.fail(where, "%s:%d: this is no text: it has a zero byte (the file may be damaged, or "
      .. "of another kind)", path, breaks + 1)
  end
  return (bytes:gsub(MARK, ""))
end

-- The program's own streams, by the names that systems have for them.
local STREAMS = {
  ["/dev/stdout"] = "stdout", ["/dev/fd/1"] = "stdout", ["/proc/self/fd/1"] = "stdout",
  ["/dev/stderr"] = "stderr", ["/dev/fd/2"] = "stderr", ["/proc/self/fd/2"] = "stderr",
}

local NO_FILE = ": it is not a regular file$" -- how the core refuses devices and pipes

-- Writes into a stream, a device or a pipe, where there is nothing to replace.
local function write_into(path, text)
  local file, message
  if STREAMS[path] then
    file = io[STREAMS[path]]
  else
    file, message = io.open(path, "ab")
  end
  if not file then
    return nil, message
  end
  local ok, why = file:write(text)
  if ok then
    ok, why = file:flush()
  end
  if not STREAMS[path] then
    file:close()
  end
  return ok, ("cannot write %s: %s"):format(path, why)
end

--- Write a file. A link stays, and so do the permissions of a file that is replaced. Devices, pipes
-- and the program's own streams are written into.
-- @tparam string where opens messages
-- @tparam string path
-- @tparam string text
-- @tparam[opt] table opts `durable`: on the disk, before this returns, for what took long to make
-- @raise with the system's words; nothing has changed then
function M.write(where, path, text, opts)
  M.check_path(where, path)
  local ok, message
  if not STREAMS[path] then
    ok, message = core.files.write(path, text, opts and opts.durable)
  end
  if STREAMS[path] or not ok and message:find(NO_FILE) then
    ok, message = write_into(path, text)
  end
  if not ok then
    options.fail(where, "%s", message)
  end
end

--- Whether there is a folder, which may be empty.
-- @tparam string path
-- @treturn boolean
function M.is_folder(path)
  local _, why = core.files.size(path)
  return why ~= nil and why:find ": it is a folder$" ~= nil
end

local function remove_folder(folder)
  for _, name in ipairs(core.files.list(folder)) do
    os.remove(folder .. "/" .. name)
  end
  os.remove(folder)
end

-- Moves all files of a folder into another.
local function move_files(from, into)
  for _, name in ipairs(core.files.list(from)) do
    local ok, message = os.rename(from .. "/" .. name, into .. "/" .. name)
    if not ok then
      return nil, message
    end
  end
  return os.remove(from)
end

-- Fails where these files cannot take their places.
local function check_places(where, path, texts, overwrite)
  if not M.is_folder(path) then
    if core.files.size(path) then
      options.fail(where, "%s: it is a file, not a folder", path)
    end
    return
  elseif #core.files.list(path) > 0 and not overwrite then
    options.fail(where, "%s: the folder holds files: expected another, or overwrite = true", path)
  end
  for name in pairs(texts) do
    if M.is_folder(path .. "/" .. name) then
      options.fail(where, "%s/%s: it is a folder, not a file", path, name)
    end
  end
end

-- A new folder beside a path, or within it where that is a folder, with those around it.
local function make_beside(where, path)
  local around, made, message = path:match "^(.*[^/])/+[^/]+$", true, nil
  if around then
    made, message = core.files.make_path(around)
  end
  local folder = nil
  if made then
    folder, message = core.files.make_beside(M.is_folder(path) and path .. "/" or path)
  end
  return folder or options.fail(where, "%s", message)
end

--- Write a folder of files at once or not at all: they are written beside it, and take its place.
-- @tparam string where opens messages
-- @tparam string path of the folder, which is made with those around it
-- @tparam table texts name → text
-- @tparam[opt] table opts `overwrite`: where there is a folder with files, replace those that are
--   written, and take away those of the list `stale`; what else is there stays
-- @raise where it is there and holds anything, unless it may be overwritten, and with the system's
--   words; nothing has changed then
function M.write_folder(where, path, texts, opts)
  M.check_path(where, path)
  path = path:gsub("(.)/+$", "%1")
  check_places(where, path, texts, opts and opts.overwrite)
  local there, temporary = M.is_folder(path), make_beside(where, path)
  local ok, message = pcall(function()
    for name, text in pairs(texts) do
      M.write(where, temporary .. "/" .. name, text)
    end
  end)
  if not ok then
    remove_folder(temporary)
    error(message, 0)
  elseif there then
    ok, message = move_files(temporary, path)
  else
    ok, message = os.rename(temporary, path)
  end
  if not ok then
    remove_folder(temporary)
    options.fail(where, "%s: %s", path, message)
  end
  for _, name in ipairs(opts and opts.stale or {}) do
    if not texts[name] then
      os.remove(path .. "/" .. name)
    end
  end
end

--- Call a function with the path of a folder that nobody else can enter, and remove that folder
-- with all files in it, whatever happens.
-- @tparam function body of the path
-- @tparam[opt] string place the folder to make it in, instead of that of temporary files
-- @return what the function returns, one value
-- @raise what the function raises, and where no folder can be made
function M.in_folder(body, place)
  local folder = assert(core.files.make_folder(place))
  local ok, result = pcall(body, folder)
  remove_folder(folder)
  if not ok then
    error(result, 0)
  end
  return result
end

--- Remove what writers that were killed have left beside a file.
-- @tparam string path
function M.sweep_up(path)
  local folder, name = path:match "^(.*/)([^/]*)$"
  folder, name = folder or "", name or path
  for _, other in ipairs(core.files.list(folder == "" and "." or folder)) do
    if other:sub(1, #name) == name and other:find("^%.[%d-]+%.tmp$", #name + 1) then
      os.remove(folder .. other)
    end
  end
end

return M
