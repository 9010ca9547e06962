--- The source `outer`: which taps of a register make the sign of which synapse.
-- @module mgd.circuits.verilog.products

local M = {}

--- The taps of each synapse, as src/mgd/code_outer.c numbers them.
-- @tparam network net
-- @tparam integer synapses its parameters
-- @treturn table list of {row} or {row, column}, from 0, with `note` where a layer's array begins
-- @treturn integer how many taps there are
function M.of(net, synapses)
  local list, taps, row = {}, 0, 0
  local function take_rest(last) -- in no array: a tap each
    while #list < last do
      list[#list + 1] = { taps, note = "in no array" }
      taps = taps + 1
    end
  end
  for _, matrix in ipairs(net.core:matrices()) do
    take_rest(matrix.first - 1)
    if matrix.place == "first" then
      row, taps = taps, taps + matrix.rows
    end
    local biases = matrix.place == "biases"
    local note = biases and ("%d %s"):format(matrix.rows, matrix.rows == 1 and "bias" or "biases")
      or ("%d x %d weights"):format(matrix.rows, matrix.columns)
    for i = 0, matrix.rows * matrix.columns - 1 do
      list[#list + 1] = { row + math.floor(i / matrix.columns),
        not biases and taps + i % matrix.columns or nil, note = i == 0 and note or nil }
    end
    taps = taps + (biases and 0 or matrix.columns)
  end
  take_rest(synapses)
  return list, taps
end

--- Their assignments in Verilog.
function M.text(list)
  local lines, note = {}, nil
  for i, product in ipairs(list) do
    if product.note and product.note ~= note then
      lines[#lines + 1] = "    // " .. product.note
      note = product.note
    end
    lines[#lines + 1] = ("    assign sign[%d] = stage[%d]%s;"):format(i - 1, product[1],
      product[2] and (" ^ stage[%d]"):format(product[2]) or "")
  end
  return table.concat(lines, "\n")
end

return M
