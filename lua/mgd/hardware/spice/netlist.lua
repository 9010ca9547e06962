--- Netlists of SPICE: read, checked, and asked for what can be trained in them.
-- @module mgd.hardware.spice.netlist

local cards = require "mgd.hardware.spice.cards"
local circuit = require "mgd.hardware.spice.circuit"
local elements = require "mgd.hardware.spice.elements"
local naming = require "mgd.base.naming"
local options = require "mgd.base.options"
local outputs = require "mgd.hardware.spice.outputs"
local targets = require "mgd.hardware.spice.targets"
local words = require "mgd.hardware.spice.words"
local writer = require "mgd.hardware.spice.writer"

local M = {}

local shown = cards.shown

-- Besides what read() returns: `moved`, spice name of a model → the parameter of it that was named;
-- `shared`, the same → a device that had it, and has a copy of its own by now.
local Netlist = naming.class "mgd.netlist"

-- ---- reading ------------------------------------------------------------------------------------

-- What `.param a = 1 b = {2*a}` assigns: name → {value =, text =, card =, word =}; adds the names
-- to `order`. A value goes on to the next name.
local function read_params(params, order, card)
  local list = words.split(card.text)
  local last = #card.text
  for i = #list, 3, -1 do
    if list[i].text == "=" and i < #list then
      local name, from = list[i - 1].text, list[i + 1].from
      local text = words.trim((card.text:sub(from, last):gsub("[%s,]+$", "")))
      if not params[name] then
        table.insert(order, 1, name)
      end
      params[name] = { value = words.number(text), text = text, card = card,
        word = { from = from, to = from + #text - 1 } }
      last = list[i - 1].from - 1
    end
  end
end

-- The .param of the top level, and their names in order.
local function params_of(list, root)
  local params, order = {}, {}
  for _, card in ipairs(list) do
    if card.scope == root and card.text:lower():find "^%.param" then
      local names = {}
      read_params(params, names, card)
      for _, name in ipairs(names) do
        order[#order + 1] = name
      end
    end
  end
  return params, order
end

-- What `.options` say: name → number, word, or true of one that stands alone.
local function options_of(list)
  local all = {}
  for _, card in ipairs(list) do
    local split = card.text:lower():find "^%.opt" and words.split(card.text) or {}
    for i = 2, #split do
      local name, equals = split[i].text, split[i + 1] and split[i + 1].text == "="
      if equals and split[i + 2] then
        all[name] = words.number(split[i + 2].text) or split[i + 2].text
      elseif not equals and name ~= "=" and split[i - 1].text ~= "=" then
        all[name] = true
      end
    end
  end
  return all
end

--- Work out again what follows from the cards, where some were added: for this folder.
function Netlist:analyse(where)
  local flat = circuit.new(where, self.lines)
  self.circuit, self.elements, self.nodes = flat, flat.elements, flat.nodes
  self.models = flat.models
  self.params, self.param_names = params_of(self.lines, flat.root)
  self.options = options_of(self.lines)
end

--- Read a netlist with all that it includes.
-- @tparam string where opens messages
-- @tparam string path
-- @tparam[opt] table opts `allow_control`: take what ngspice would execute as it is
-- @treturn table `path`, `title`, `lines` (cards {text =, file =, line =}), `dropped` (analyses and
--   what is printed of them), `elements` (flattened, {name =, spice =, kind =, value =, model =,
--   nodes =, fields =, waveform =}), `models`, `params` (of the top level), `nodes` (a set),
--   `options`
-- @raise with file and line
function M.read(where, path, opts)
  local lines, title, dropped = cards.read(where, path, opts and opts.allow_control or false)
  local self = setmetatable({ path = path, title = title, lines = lines, dropped = dropped,
    moved = {}, shared = {} }, Netlist)
  self:analyse(where)
  if #self.elements == 0 then
    options.fail(where, "%s: there are no elements in it (its first line is its title)", path)
  end
  return self
end

-- ---- questions --------------------------------------------------------------------------------

-- A list of names, or one.
local function given_names(where, given)
  local list = type(given) == "string" and { given } or given
  if type(list) ~= "table" or naming.kind(list) then
    options.fail(where, "expected a list of names, got %s", options.type_name(given))
  end
  for i = 1, options.length(where, nil, list) do
    if type(list[i]) ~= "string" then
      options.fail(where, "element %d: expected a name, got %s", i, options.type_name(list[i]))
    end
  end
  return list
end

--- What can be trained: values of elements ("r1", "x1.r1"), fields of devices ("m3.w"), parameters
-- of models ("nch.vto"), or of the model that a device then has of its own ("m3.vto"), of instances
-- ("x1.gain", which becomes a .param), and .param names ("gain", "{gain}"). `*` and `?` stand for
-- any characters but dots.
-- @tparam string where opens messages
-- @param names a name or pattern, or a list of them
-- @treturn table list, in order, of {name =, kind = "value" | "field" | "model" | "param", target =
--   (as ngspice knows it), value = a number, or nil where ngspice must be asked}
-- @raise on a name that nothing has, on one that is named twice, on an element without a value
function Netlist:parameters(where, names)
  local list, seen = {}, {}
  for _, given in ipairs(given_names(where, names)) do
    for _, target in ipairs(targets.find(self, where, given)) do
      if seen[target.name] then
        options.fail(where, "'%s' is named twice: by '%s' and by '%s'", target.name,
          seen[target.name], given)
      end
      seen[target.name] = given
      list[#list + 1] = target
    end
  end
  return list
end

--- What a key of `spread` or `noise` stands for.
-- @tparam string where opens messages
-- @tparam string pattern
-- @treturn table list as of `parameters`
function Netlist:targets(where, pattern)
  return self:parameters(where, pattern)
end

--- Sources whose DC values are the features.
-- @tparam string where opens messages
-- @param names a name or pattern, or a list of them
-- @treturn table list of {name =, source = (as ngspice knows it), waveform = nil, or "sin" …: a DC
--   value has no effect in a transient then}
-- @raise on what is no independent source, with those that there are
function Netlist:inputs(where, names)
  local list, seen = {}, {}
  for _, given in ipairs(given_names(where, names)) do
    local name = words.trim(given:lower())
    local found = targets.elements(self, name)
    local sources = {}
    for _, element in ipairs(self.elements) do
      sources[#sources + 1] = (element.kind == "v" or element.kind == "i") and element.name or nil
    end
    if #found == 0 then
      options.fail(where, "there is no source '%s'%s", shown(name), cards.hint(name, sources,
        "there are", "there are no sources"))
    end
    for _, element in ipairs(found) do
      if element.kind ~= "v" and element.kind ~= "i" then
        options.fail(where, "'%s' is %s: expected a voltage or current source%s", element.name,
          targets.article(elements.KINDS[element.kind].what), cards.hint("", sources, "there are",
            "there are none"))
      elseif seen[element.name] then
        options.fail(where, "'%s' is named twice", element.name)
      end
      targets.check_plain(where, { name = element.name, target = element.spice })
      seen[element.name] = true
      list[#list + 1] = { name = element.name, source = element.spice,
        waveform = element.waveform }
    end
  end
  return list
end

--- Expressions of node voltages and currents: "y", "y1 - y2", "2 * v(y1, y2)", "i(vmeas)".
-- @tparam string where opens messages
-- @param list a string or a list
-- @treturn table list of {name = as given, rpn = "v:y1 v:y2 -", text = as ngspice prints it}
-- @raise on a node or a source that is not there, with what is
function Netlist:outputs(where, list)
  local found = {}
  for i, given in ipairs(given_names(where, list)) do
    found[i] = outputs.parse(where, self, given)
  end
  return found
end

-- ---- text ---------------------------------------------------------------------------------------

--- The netlist for a worker: expanded and checked, without analyses, a title first.
-- @treturn string
function Netlist:worker_text()
  local lines = { "mgd: " .. shown(self.title) }
  for _, card in ipairs(self.lines) do
    lines[#lines + 1] = card.text
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Sources by their names or by ngspice's, with what they are to be.
local function input_changes(self, where, inputs, step)
  local changes, by_name = {}, {}
  for _, element in ipairs(self.elements) do
    by_name[element.name], by_name[element.spice] = element.name, element.name
  end
  for name, value in pairs(inputs) do
    local source = self:inputs(where, by_name[name] or name)[1]
    local target = targets.find(self, where, source.name)[1]
    changes[#changes + 1] = { target = target, value = value, step = step }
  end
  return changes
end

local function value_changes(self, where, values)
  local names, changes = {}, {}
  for name in pairs(values) do
    names[#names + 1] = name ~= "temperature" and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    targets.find(self, where, name) -- may change cards: gives devices models of their own
  end
  for i, name in ipairs(names) do
    changes[i] = { target = targets.find(self, where, name)[1], value = values[name] }
  end
  return changes
end

-- `.temp` would count more than the option.
local function set_temperature(lines, value)
  for i = #lines, 1, -1 do
    if lines[i]:lower():find "^%.temp" then
      table.remove(lines, i)
    end
  end
  lines[#lines + 1] = (".options temp=%.17g"):format(value)
end

-- Cards that run an analysis and print its outputs.
local function add_analysis(self, where, lines, tran, names)
  if tran then
    lines[#lines + 1] = (".tran %.17g %.17g%s"):format(tran.step, tran.stop, tran.uic and " uic"
      or "")
  else
    lines[#lines + 1] = ".op"
  end
  local texts = {}
  for i, output in ipairs(self:outputs(where, names or {})) do
    texts[i] = output.text
  end
  if #texts > 0 then
    lines[#lines + 1] = ".save all" -- or what .print names alone is kept
    lines[#lines + 1] = (".print %s %s"):format(tran and "tran" or "op", table.concat(texts, " "))
  end
end

--- The netlist with other values, which plain `ngspice -b` runs. `ngspice -b -r FILE` has more than
-- the six digits that it prints.
-- @tparam table opts `values`: name of a parameter → number, `temperature` in °C; `inputs`: name of
--   a source → DC value, to which it steps from its own in a transient without `uic`; `analysis`:
--   "op", or {step =, stop =, uic =} for a transient, in s; `outputs`: what of it is printed, as of
--   `outputs`; `comment`: a line on top
-- @treturn string
function Netlist:text(opts)
  local where = "netlist:text"
  local values, analysis = opts.values or {}, opts.analysis
  local tran = type(analysis) == "table" and analysis.stop and analysis or nil
  local changes = value_changes(self, where, values)
  for _, change in ipairs(input_changes(self, where, opts.inputs or {},
    tran and not tran.uic and tran.step)) do
    changes[#changes + 1] = change
  end
  local lines = writer.lines(self, changes)
  table.insert(lines, 1, "* " .. (opts.comment or "written by mgd"):gsub("%c", " "))
  table.insert(lines, 1, self.title:find "^%w" and self.title or "* " .. self.title)
  if values.temperature then
    set_temperature(lines, values.temperature)
  end
  if analysis then
    add_analysis(self, where, lines, tran, opts.outputs)
  end
  lines[#lines + 1] = ".end\n"
  return table.concat(lines, "\n")
end

return M
