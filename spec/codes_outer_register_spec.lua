-- The code outer whose sources are phases of a shift register: against plain Lua, exact means and
-- products over a period, the same pattern in all replicas, registers that are too short.

local codes = require "spec.support.codes"
local mgd = require "mgd"
local registers = require "mgd.circuits.registers"
local support = require "spec.support.train"

local fails, options, nn = support.fails, support.options, mgd.nn
local REGISTER = "a register of bits = %d %s: expected %d, the fewest that keep all apart"

local function pattern(net, bits, slots, more)
  local code = {code = "outer", source = "register", bits = bits}
  return codes.pattern(code, net.num_parameters, slots, options({net = net}, more))
end

-- Source numbers, from 0 on, of row and column of each parameter of dense layers with biases, whose
-- column is constant: rows first, then columns, layer after layer.
local function sources_of(widths)
  local sources, at = {}, 0
  for l = 2, #widths do
    local rows, columns = widths[l], widths[l - 1]
    for i = 0, rows - 1 do
      for j = 0, columns - 1 do
        sources[#sources + 1] = {at + i, at + rows + j}
      end
    end
    for i = 0, rows - 1 do
      sources[#sources + 1] = {at + i}
    end
    at = at + rows + columns
  end
  return sources, at
end

describe("outer by a register", function()
  it("has source k the k-th phase of the register, with 1 for −1", function()
    for _, case in ipairs {{{2, 2, 1}, 5}, {{3, 4, 2}, 7}, {{49, 4, 4}, 14}} do
      local sources, count = sources_of(case[1])
      local slots = case[2] < 10 and 2 * (2 ^ case[2] - 1) or 200
      local bit = registers.sequence(case[2], slots + count)
      local s = pattern(nn.mlp(case[1]), case[2], slots):totable()
      for n = 1, slots do
        for i, source in ipairs(sources) do
          local product = 1 - 2 * bit[n + source[1]]
          if source[2] then
            product = product * (1 - 2 * bit[n + source[2]])
          end
          assert.equal(product, s[n][i])
        end
      end
    end
  end)

  -- Exact: a period of 2^m − 1 has one −1 more than +1, of each phase and each product of two.
  it("has sums of −1 over a period, of parameters and of pairs", function()
    for _, case in ipairs {{{2, 2, 1}, 5}, {{49, 4, 4}, 14}} do
      local net, period = nn.mlp(case[1]), 2 ^ case[2] - 1
      local s = pattern(net, case[2], period)
      assert.equal(-1, s:sum(1):min())
      assert.equal(-1, s:sum(1):max())
      local products = codes.products(s) + 1 - (period + 1) * mgd.eye(net.num_parameters)
      assert.equal(0, products:abs():max())
      local again = pattern(net, case[2], 40, {first = period})
      assert.same(s[{{1, math.min(40, period)}}]:totable(),
        again[{{1, math.min(40, period)}}]:totable())
    end
  end)

  it("takes the fewest bits with 64·P slots that keep all apart", function()
    for _, case in ipairs {{{2, 2, 1}, 10}, {{49, 4, 4}, 14}, {{10, 20, 5}, 16}} do
      local net = nn.mlp(case[1])
      assert.same(pattern(net, case[2], 60):totable(), pattern(net, nil, 60):totable())
    end
  end)

  it("shows all replicas and seeds the same", function()
    local net = nn.mlp{5, 4, 3}
    local s = pattern(net, 12, 50):totable()
    assert.same(s, pattern(net, 12, 50, {replica = 7, seed = 3}):totable())
  end)

  -- With a spread of amplitudes, replicas have patterns of their own again, of the same signs.
  for name, spread in pairs {["even amplitudes"] = 0, ["a spread of amplitudes"] = 0.3} do
    it("trains to the same bits side by side and alone: " .. name, function()
      local function theta(more)
        local run = mgd.train(options({net = nn.mlp{5, 9, 2}, init = {}, eta = 0.02, tau_theta = 8,
          data = {x = mgd.randn({30, 5}, {seed = 1}), y = mgd.rand{30, 2}},
          perturbation = {code = "outer", source = "register", amplitude_spread = spread}}, more))
        run.core:advance(61)
        return run:theta():totable()
      end
      local together = theta{replicas = 19, threads = 2}
      for r = 1, 19, 6 do
        assert.same(together[r], theta{replica = r})
      end
    end)
  end

  it("trains to the same bits by every instruction set", function()
    support.same_on_every_isa(2, [[
      local mgd = require "mgd"
      for _, size in ipairs {{21, 1}, {2, 33}} do
        local run = mgd.train{net = mgd.nn.mlp{5, 7, 3}, init = {}, replicas = size[1],
          data = {x = mgd.randn{50, 5}, y = mgd.rand{50, 3}}, batch = size[2], tau_theta = 4,
          perturbation = {code = "outer", source = "register"}}
        run:run{steps = 60}
        print(require("mgd.core").data.hash(run:theta()))
      end
    ]])
  end)
end)

describe("a register for outer is refused", function()
  it("where it shows two parameters the same, which are named", function()
    for _, case in ipairs {{{2, 2, 1}, 4, 1, 7, 5}, {{49, 4, 4}, 8, 71, 145, 14},
      {{49, 4, 4}, 15, 61, 125, 14}} do
      local widths, bits, one, other, fewest = table.unpack(case)
      local sources, count = sources_of(widths)
      local bit, net = registers.sequence(bits, 2000 + count), nn.mlp(widths)
      for n = 1, 2000 do -- they are
        local function value(i)
          return (bit[n + sources[i][1]] + (sources[i][2] and bit[n + sources[i][2]] or 0)) % 2
        end
        assert.equal(value(one), value(other))
      end
      local cause = ("shows parameters %d and %d, products of rows and columns, the same signs")
        :format(one, other)
      fails(REGISTER:format(bits, cause, fewest), mgd.codes.pattern,
        {code = "outer", source = "register", bits = bits},
        {parameters = net.num_parameters, slots = 2, net = net})
    end
  end)

  it("where it has too few phases", function()
    fails(REGISTER:format(3, "shows 7 phases to 9 parameters", 5), mgd.train,
      {net = nn.mlp{2, 2, 1}, data = mgd.data.xor(),
        perturbation = {code = "outer", source = "register", bits = 3}})
  end)

  it("where sources are drawn, and by other codes", function()
    local net, data = nn.mlp{2, 2, 1}, mgd.data.xor()
    fails("bits = 9 are those of a register: expected source = \"register\" with the code outer",
      mgd.train, {net = net, data = data, perturbation = {code = "outer", bits = 9}})
    fails("'source'", mgd.train,
      {net = net, data = data, perturbation = {code = "lfsr", source = "register"}})
  end)
end)
