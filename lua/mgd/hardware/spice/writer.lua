--- Netlists as text: for the worker, and with values written in, for plain `ngspice -b`.
--
-- A value within a subcircuit differs from instance to instance: where a subcircuit has several
-- instances, each that is changed gets a copy of it, `cell__x1`, which its card names.
-- @module mgd.hardware.spice.writer

local words = require "mgd.hardware.spice.words"

local M = {}

local function number_text(value)
  local text = ("%.15g"):format(value)
  return tonumber(text) == value and text or ("%.17g"):format(value)
end

-- ---- edits --------------------------------------------------------------------------------------

-- Where a card gets something new, behind what: `from` is one more than `to`.
local function insertion(at, text)
  return { from = at + 1, to = at, text = text }
end

local function edit_value(element, value)
  local word = element.value
  if word then
    return { from = word.from, to = word.to, text = value }
  end
  local list = words.split(element.card.text)
  return insertion(list[#element.nodes + 1].to, (element.kind == "v" or element.kind == "i")
    and " DC " .. value or " " .. value)
end

-- A source that steps to a value; its own waveform goes.
local function edit_step(element, value, step)
  local word, list = element.value, words.split(element.card.text)
  local rest = word and word.text or "0"
  return { from = list[#element.nodes + 1].to + 1, to = #element.card.text,
    text = (" DC %s PWL(0 %s %s %s)"):format(rest, rest, number_text(step), value) }
end

local function edit_field(element, field, value)
  local word = element.assigned[field]
  if word then
    return { from = word.from, to = word.to, text = value }
  end
  return insertion(#element.card.text, (" %s=%s"):format(field, value))
end

local function edit_model(model, field, value)
  local word = model.assigned[field]
  if word then
    return { from = word.from, to = word.to, text = value }
  end
  local text, kind = model.card.text, words.split(model.card.text)[3]
  local open = text:match("^%s*%(()", kind.to + 1)
  return insertion(open and open - 1 or kind.to, (" %s=%s "):format(field, value))
end

-- The card that a change is of, in which instance, and what becomes of it.
local function edit_of(change)
  local target, text = change.target, number_text(change.value)
  if target.param then
    local word = target.param.word
    return target.param.card, nil, { from = word.from, to = word.to, text = text }
  elseif target.model then
    local model = target.model.model
    return model.card, target.model.instance, edit_model(model, target.field, text)
  end
  local element = target.element.element
  local edit = target.field and edit_field(element, target.field, text)
    or change.step and edit_step(element, text, change.step) or edit_value(element, text)
  return element.card, target.element.instance, edit
end

local function applied(text, edits)
  table.sort(edits, function(a, b)
    return a.from > b.from
  end)
  for _, edit in ipairs(edits) do
    text = text:sub(1, edit.from - 1) .. edit.text .. text:sub(edit.to + 1)
  end
  return text
end

-- ---- rendering ----------------------------------------------------------------------------------

local function copy_name(instance)
  return ("%s__%s"):format(instance.scope.name, (instance.name:gsub("%.", "_")))
end

-- Cards of each scope, in order, and the instances of each.
local function new_page(netlist)
  local page = { out = {}, cards = {}, instances = {}, edits = {}, edited = {},
    root = netlist.circuit.instances[1] }
  for _, card in ipairs(netlist.lines) do
    page.cards[card.scope] = page.cards[card.scope] or {}
    table.insert(page.cards[card.scope], card)
  end
  for _, instance in ipairs(netlist.circuit.instances) do
    local scope = instance.scope
    page.instances[scope] = page.instances[scope] or {}
    table.insert(page.instances[scope], instance)
  end
  return page
end

local function add_edit(page, card, instance, edit)
  instance = instance or page.root
  page.edits[instance] = page.edits[instance] or {}
  page.edits[instance][card] = page.edits[instance][card] or {}
  table.insert(page.edits[instance][card], edit)
  while instance do
    page.edited[instance], instance = true, instance.parent
  end
end

local function is_copied(page, instance)
  return page.edited[instance] and #page.instances[instance.scope] > 1
end

-- Instances that have copies of their subcircuits name those.
local function rename_instances(page, netlist)
  for _, instance in ipairs(netlist.circuit.instances) do
    if instance.element and is_copied(page, instance) then
      local card, word = instance.element.card, nil
      for _, one in ipairs(words.split(card.text)) do
        word = one.text == instance.element.model and one or word
      end
      add_edit(page, card, instance.parent, { from = word.from, to = word.to,
        text = copy_name(instance) })
    end
  end
end

local function card_text(page, instance, card)
  local edits = instance and page.edits[instance] and page.edits[instance][card]
  return edits and applied(card.text, edits) or card.text
end

-- Writes what is between .subckt and .ends of a scope, as it is in `instance`, nil where that is
-- not one.
local function render(page, scope, instance)
  local inner
  for _, card in ipairs(page.cards[scope] or {}) do
    page.out[#page.out + 1] = card_text(page, instance, card)
    if card.opens then
      local all = page.instances[card.opens] or {}
      render(page, card.opens, #all == 1 and all[1] or nil)
      inner = card.opens
    elseif inner then -- that was .ends
      for _, one in ipairs(page.instances[inner] or {}) do
        if is_copied(page, one) and one.outer == instance then
          local first = words.split(inner.card.text)[2]
          page.out[#page.out + 1] = inner.card.text:sub(1, first.from - 1) .. copy_name(one)
            .. inner.card.text:sub(first.to + 1)
          render(page, inner, one)
          page.out[#page.out + 1] = ".ends"
        end
      end
      inner = nil
    end
  end
end

--- The netlist with other values.
-- @tparam table netlist
-- @tparam table changes list of {target =, value =}, with `step` for a source that steps there in
--   such a time
-- @treturn table lines, without the title
function M.lines(netlist, changes)
  local page = new_page(netlist)
  for _, change in ipairs(changes) do
    add_edit(page, edit_of(change))
  end
  rename_instances(page, netlist)
  render(page, netlist.circuit.root, page.root)
  return page.out
end

return M
