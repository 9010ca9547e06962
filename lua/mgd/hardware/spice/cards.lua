--- The cards of a netlist: includes and sections of libraries expanded, continuation lines joined,
-- comments gone, and nothing among them that ngspice would execute.
--
-- A netlist is data, not a program. A card that begins with a dot must be known as harmless; what
-- runs (`.control`, `*#`), what opens files (some code models) and what draws random numbers is
-- refused with its file and line. What is known of ngspice was read off version 39.
-- @module mgd.hardware.spice.cards

local core = require "mgd.core"
local files = require "mgd.base.files"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local words = require "mgd.hardware.spice.words"

local M = {}

--- What a netlist has at most: files that include each other without end, subcircuits that hold two
-- of the next, and files that are no netlist, end in a message. `files` and `subcircuits` are how
-- deep they are nested, `bytes`, `card` and `name` are in bytes.
M.MOST = { files = 32, lines = 1000000, bytes = 64 * 2 ^ 20, card = 2 ^ 20, name = 200,
  subcircuits = 50, elements = 200000 }
local MOST = M.MOST

local LONGEST_HINT, MOST_HINTS = 64, 5000 -- bytes of names that are compared, and how many
local FEW = 16 -- names that are listed beside the nearest

local function set(names)
  local all = {}
  for name in names:gmatch "%S+" do
    all[name] = true
  end
  return all
end

local KEPT = set [[.model .subckt .macro .ends .eom .param .params .parameter .parameters .global
  .option .options .opt .nodeset .ic .temp .func .csparam .if .elseif .else .endif]]

-- Analyses and what is printed of them: who evaluates says what is wanted.
local DROPPED = set [[.op .tran .dc .ac .noise .tf .pz .sens .sens2 .disto .sp .pss .hb .four
  .fourier .print .plot .save .measure .meas .probe .width .end .prot .unprot]]

-- Code models that open files, or run programs, and CIDER's devices, which read and write some.
local OPENING = set [[filesource d_source d_state d_process d_cosim table2d table3d numd nbjt
  numos]]

-- Options that name files, run something or change how the netlist itself is read.
local CHANGING = set [[rawfile sourcepath spicepath ngdebug addcontrol controlswait osdi_enabled
  measoutfile nosubckt noparse substart subend subinvoke modelcard modelline ngbehavior
  no_auto_gnd numparams renumber]]

local RANDOM = { "agauss", "gauss", "aunif", "unif", "limit", "rnd", "sgauss", "sunif" }

-- ---- messages -----------------------------------------------------------------------------------

--- A piece of a netlist as messages show it: short, and without characters that cannot be seen.
-- @tparam string text
-- @treturn string
function M.shown(text)
  text = text:gsub("%c", "?")
  return #text > 60 and text:sub(1, 57):gsub("[\128-\255]*$", "") .. "..." or text
end

--- The names in a table, sorted.
function M.keys(map)
  local list = {}
  for name in pairs(map) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

--- What to say behind a name that is not there: as `naming.hint`, for any names and any number, and
-- of a few with all that there are.
function M.hint(word, list, all, none)
  local short = {}
  for _, name in ipairs(list) do
    if #name <= LONGEST_HINT and #short < MOST_HINTS then
      short[#short + 1] = name
    end
  end
  local hint = naming.hint(word:sub(1, LONGEST_HINT), short, #short <= 40 and all or nil, none)
  if all and #list == #short and #short <= FEW and hint:find "%?%)$" then
    return ("%s %s: %s)"):format(hint:sub(1, -2), all, table.concat(short, ", "))
  end
  return hint
end

--- Raise an error at the user's line: "WHERE: FILE:LINE: …".
-- @tparam string where
-- @tparam table at with `file` and `line`
-- @tparam string format as for string.format
-- @param ... its arguments
function M.fail(where, at, format, ...)
  options.fail(where, "%s:%d: %s", at.file, at.line, format:format(...))
end

local fail, shown = M.fail, M.shown

-- ---- files --------------------------------------------------------------------------------------

local function folder_of(path)
  return path:match "^(.*)/[^/]*$" or "."
end

-- The path of a file that is named in another, whose folder is known.
local function path_of(name, folder)
  if name:sub(1, 2) == "~/" then
    return (os.getenv "HOME" or "~") .. name:sub(2)
  elseif name:sub(1, 1) == "/" or folder == "." then
    return name
  end
  return folder .. "/" .. name
end

-- A file as lines. `at` is the card that names it, nil for the netlist itself.
local function source_of(reader, path, at)
  local where = at and ("%s: %s:%d"):format(reader.where, at.file, at.line) or reader.where
  if reader.sources[path] then
    return reader.sources[path]
  end
  files.check_path(where, path)
  local size, message = core.files.size(path)
  if not size then
    options.fail(where, "%s", message)
  end
  reader.bytes = reader.bytes + size
  if reader.bytes > MOST.bytes then
    options.fail(where, "%s: the netlist with what it includes is larger than %d MiB", path,
      MOST.bytes / 2 ^ 20)
  end
  local lines = {}
  for line in (files.read(where, path) .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = line:gsub("\r$", "")
  end
  if lines[#lines] == "" then
    lines[#lines] = nil
  end
  reader.sources[path] = { path = path, folder = folder_of(path), lines = lines }
  return reader.sources[path]
end

-- ---- lines --------------------------------------------------------------------------------------

-- A line without its comment; nil where nothing else is on it.
local function without_comment(text)
  text = words.trim((text:gsub("%c", " ")))
  if text:find "^[*$;]" then
    return nil
  end
  local at = #text + 1
  for _, pattern in ipairs { "();", "()//", "[ ,\t]()%$" } do
    at = math.min(at, text:match(pattern) or at)
  end
  text = words.trim(text:sub(1, at - 1))
  return text ~= "" and text or nil
end

-- The file that `.include` or `.lib` names, and what stands behind it.
local function named_file(text)
  local rest = text:match "^%S+%s*(.*)$"
  local quote = rest:match "^[\"']"
  if quote then
    return rest:match("^.([^" .. quote .. "]*)" .. quote .. "%s*(.*)$")
  end
  return rest:match "^(%S*)%s*(.*)$"
end

local walk

-- Calls walk() on lines of another file, unless they are just being read.
local function enter(reader, at, source, key, first, last)
  if reader.open[key] then
    fail(reader.where, at, "%s includes itself", source.path)
  elseif reader.depth >= MOST.files then
    fail(reader.where, at, "files are included within each other deeper than %d", MOST.files)
  end
  reader.open[key], reader.depth = true, reader.depth + 1
  walk(reader, source, first, last)
  reader.open[key], reader.depth = nil, reader.depth - 1
end

local function file_of(reader, at, text, folder)
  local name, behind = named_file(text)
  if not name or name == "" then
    fail(reader.where, at, "%s: the name of a file is missing", shown(text))
  elseif name:find "^|" or name:find "^%a[%w+.-]+:$" or name:find "://" then
    fail(reader.where, at, "%s: expected a file, not a program or an address", shown(text))
  end
  return source_of(reader, path_of(name, folder), at), behind
end

local function include(reader, at, text, folder)
  local source = file_of(reader, at, text, folder)
  enter(reader, at, source, source.path, 1, #source.lines)
end

-- The sections of a file, `.lib NAME` to `.endl`: name → {first =, last =}, and the names.
local function sections_of(source)
  if source.sections then
    return source.sections, source.names
  end
  local sections, names, open = {}, {}, nil
  for i, line in ipairs(source.lines) do
    local word, behind = line:match "^%s*(%.%a+)%s*(.*)$"
    word = word and word:lower()
    if word == ".endl" and open then
      open.last, open = i - 1, nil
    elseif word == ".lib" then
      local name = (without_comment(behind) or ""):lower():gsub("[\"']", "")
      if name:find "^%S+$" and not sections[name] then
        open, names[#names + 1] = { first = i + 1 }, name
        sections[name] = open
      end
    end
  end
  source.sections, source.names = sections, names
  return sections, names
end

local function library(reader, at, text, folder)
  local source, name = file_of(reader, at, text, folder)
  name = name:gsub("[\"']", ""):match "^(%S*)"
  if name == "" then
    fail(reader.where, at, "%s: expected a file and the name of a section of it; a whole file is "
      .. "read by .include", shown(text))
  end
  local sections, names = sections_of(source)
  local section = sections[name:lower()]
  if not section then
    fail(reader.where, at, "%s has no section '%s'%s", source.path, shown(name),
      M.hint(name, names, "it has", "it has none"))
  elseif not section.last then
    fail(reader.where, at, "%s:%d: section '%s' has no .endl", source.path, section.first - 1,
      shown(name))
  end
  enter(reader, at, source, source.path .. "\0" .. name:lower(), section.first, section.last)
end

-- A line that begins with a dot and that is done with at once: returns true.
local function directive(reader, at, text, folder)
  local word = text:match "^%.%a*":lower()
  if word == ".include" or word == ".inc" then
    include(reader, at, text, folder)
  elseif word == ".lib" then
    library(reader, at, text, folder)
  elseif word == ".title" then
    reader.title = text:match "^%S+%s*(.*)$"
  elseif word == ".endl" then
    fail(reader.where, at, ".endl without .lib")
  else
    return false
  end
  return true
end

local function refuse(reader, at, text, why)
  fail(reader.where, at, "'%s': %s. A netlist is data here, not a program: take it out, or give "
    .. "allow_control = true where you trust it", shown(text), why)
end

local COMMANDS = set ".codemodel codemodel .osdi osdi .shell shell .system system"

-- What a program among the lines looks like, before comments are taken off: ngspice executes some.
local function check_program(reader, at, text)
  local word = (text:match "^[%s%c]*(%S+)" or ""):lower()
  if reader.allow_control then
    return
  elseif word:find "^%.control" or word:find "^%.endc" then
    refuse(reader, at, text, "ngspice executes what stands between .control and .endc")
  elseif word:find "^%*#" then
    refuse(reader, at, text, "ngspice executes what stands behind '*#'")
  elseif word:find "^%*ng_script" then
    refuse(reader, at, text, "ngspice executes such a file")
  elseif word:find "^!" or word:find "^%.?pre_" or COMMANDS[word] then
    refuse(reader, at, text, "this is a command, no element")
  end
end

-- Whether a line belongs to what stands between .control and .endc.
local function is_control(reader, line)
  local word = line:match "^%s*(%.%a+)"
  word = word and word:lower()
  local inside = reader.control or word == ".control"
  reader.control = inside and word ~= ".endc"
  return inside or word == ".endc"
end

-- Adds a line to a card.
local function go_on(reader, at, card, text)
  if not card then
    fail(reader.where, at, "'%s': there is nothing before it to go on with", shown(text))
  end
  card.parts[#card.parts + 1] = text:gsub("^%+", "")
  card.size = card.size + #text
  if card.size > MOST.card then
    fail(reader.where, at, "a card has more than %d KiB", MOST.card / 1024)
  end
end

-- Reads lines `first` to `last` of a file into cards.
function walk(reader, source, first, last)
  local card, carry -- what a line that begins with + adds to; whether the last one ended in \\
  for i = first, last do
    local line, at = source.lines[i], { file = source.path, line = i }
    reader.count = reader.count + 1
    if reader.count > MOST.lines then
      fail(reader.where, at, "the netlist with what it includes has more than %d lines", MOST.lines)
    elseif #line > MOST.card then
      fail(reader.where, at, "a line has more than %d KiB", MOST.card / 1024)
    elseif line:find "^@" then
      fail(reader.where, at, "ngspice ends a file at a line that begins with '@'")
    end
    check_program(reader, at, line)
    local control = is_control(reader, line)
    local text = control and line or without_comment(line)
    local open = text and not control and text:match "^(.*)\\\\$"
    if control then
      reader.cards[#reader.cards + 1] = { parts = { line }, file = at.file, line = i,
        control = true }
    elseif text and (carry or text:find "^%+") then
      go_on(reader, at, card, open or text)
    elseif text and text:find "^%." and directive(reader, at, text, source.folder) then
      card = nil
    elseif text then
      card = { parts = {}, size = 0, file = at.file, line = i }
      reader.cards[#reader.cards + 1] = card
      go_on(reader, at, card, open or text)
    end
    carry = open
  end
end

-- ---- cards --------------------------------------------------------------------------------------

local function check_options(reader, card, text)
  for name in text:gmatch "[%w_]+" do
    if CHANGING[name] then
      fail(reader.where, card, "option '%s' changes how ngspice reads or writes files: take it out",
        name)
    end
  end
end

-- Whether a function is called. `limit` draws with two arguments; with three it is another.
local function is_called(text, name)
  local at = 1
  while at do
    local from, to = text:find("%f[%w_]" .. name .. "%s*%(", at)
    local arguments = from and text:match("^%b()", to) or ""
    local _, commas = arguments:sub(2):gsub("%b()", ""):gsub(",", "")
    if from and (name ~= "limit" or commas < 2) then
      return true
    end
    at = to and to + 1
  end
  return false
end

-- Random numbers: each process would draw its own, and each evaluation others.
local function check_random(reader, card, text)
  local rest = text:gsub("^%.model%s+%S+%s+[%w_]+", "") -- a code model may have such a name
  for _, name in ipairs(rest:find("(", 1, true) and RANDOM or {}) do
    if not reader.functions[name] and is_called(rest, name) then
      fail(reader.where, card, "'%s' draws random numbers, others in each process: give 'spread' "
        .. "for devices that differ, 'noise' for what changes with each evaluation", name)
    end
  end
  if not text:find "^[vi]" then
    return
  end
  for word in text:gmatch "%a+" do
    if word == "trnoise" or word == "trrandom" then
      fail(reader.where, card, "'%s' draws random numbers, others in each process: give 'noise' "
        .. "instead", word)
    elseif word == "external" then
      fail(reader.where, card, "an EXTERNAL source asks the program that calls ngspice for its "
        .. "value: name the source in 'inputs' instead")
    end
  end
end

local function check_files(reader, card, text)
  local kind = text:match "^%.model%s+%S+%s+([^%s(]+)"
  if kind and not kind:find "^[%w_:]+$" then -- such as {name}, which a .param gives
    refuse(reader, card, card.text, "the kind of the model is no plain word")
  end
  for word in (kind and text or ""):gmatch "[%w_]+" do
    if OPENING[word] then
      refuse(reader, card, card.text, ("a model '%s' opens files or runs programs"):format(word))
    end
  end
  if text:find "file%s*=" and (kind or text:find "^[aiv]") then
    refuse(reader, card, card.text, "it names a file to open")
  end
end

-- Whether a card stays.
local function check(reader, card)
  local text = card.text:lower()
  local word = text:match "^[^%s(={]+" or ""
  if not text:find "^[%a.]" then
    fail(reader.where, card, "'%s': a card begins with a letter or a dot", shown(card.text))
  elseif word:find "^%." and not KEPT[word] then
    if not DROPPED[word] then
      fail(reader.where, card, "ngspice knows no '%s'%s", shown(word),
        M.hint(word, M.keys(KEPT)))
    end
    return false
  end
  check_random(reader, card, text)
  if not reader.allow_control then
    check_files(reader, card, text)
    if word:find "^%.opt" then
      check_options(reader, card, text)
    end
  end
  return true
end

-- The names of the netlist's own functions: one may be called as a random one is elsewhere.
local function functions_of(cards)
  local all = {}
  for _, card in ipairs(cards) do
    local name = card.text:lower():match "^%.func%s+([%w_]+)"
    all[name or ""] = true
  end
  return all
end

--- Read a netlist.
-- @tparam string where opens messages
-- @tparam string path
-- @tparam boolean allow_control whether what would be executed is taken as it is
-- @treturn table list of cards {text =, file =, line =}, `control` in those between .control and
--   .endc
-- @treturn string the title
-- @treturn table list of cards that were dropped: analyses and what is printed of them
-- @raise with file and line, on what cannot be read and on what is refused
function M.read(where, path, allow_control)
  local reader = { where = where, allow_control = allow_control, cards = {}, sources = {},
    bytes = 0, count = 0, depth = 0, open = {} }
  local source = source_of(reader, path)
  local title = source.lines[1] or ""
  local at = { file = path, line = 1 }
  check_program(reader, at, title)
  local word = title:lower():match "^%.%a+"
  if KEPT[word] or word == ".include" or word == ".inc" or word == ".lib" then
    fail(where, at, "'%s': the first line of a netlist is its title: put one in front",
      shown(title))
  end
  enter(reader, at, source, path, 2, #source.lines)
  for _, card in ipairs(reader.cards) do
    card.text, card.parts, card.size = table.concat(card.parts, " "), nil, nil
  end
  reader.functions = functions_of(reader.cards)
  local kept, dropped = {}, {}
  for _, card in ipairs(reader.cards) do
    local list = (card.control or check(reader, card)) and kept or dropped
    list[#list + 1] = card
  end
  title = words.trim((reader.title or title):gsub("%c", " "):gsub("^[%s*]+", ""))
  return kept, title, dropped
end

return M
