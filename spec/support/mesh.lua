-- A mesh of Mach-Zehnder interferometers in plain Lua, from its definition: complex matrices,
-- couplers and phases one by one. A complex number is {re, im}.

local mesh = {}

local function complex(re, im)
  return { re, im or 0 }
end

local function add(a, b)
  return { a[1] + b[1], a[2] + b[2] }
end

local function multiply(a, b)
  return { a[1] * b[1] - a[2] * b[2], a[1] * b[2] + a[2] * b[1] }
end

local function turn(angle)
  return complex(math.cos(angle), math.sin(angle))
end

local function product(a, b)
  local out = {}
  for i = 1, #a do
    out[i] = {}
    for j = 1, #b[1] do
      local sum = complex(0)
      for k = 1, #b do
        sum = add(sum, multiply(a[i][k], b[k][j]))
      end
      out[i][j] = sum
    end
  end
  return out
end

local function identity(n)
  local out = {}
  for i = 1, n do
    out[i] = {}
    for j = 1, n do
      out[i][j] = complex(i == j and 1 or 0)
    end
  end
  return out
end

-- C·diag(e^iθ, 1)·C·diag(e^iφ, 1)
function mesh.mzi(theta, phi)
  local root = 1 / math.sqrt(2)
  local coupler = { { complex(root), complex(0, root) }, { complex(0, root), complex(root) } }
  local function upper(angle)
    return { { turn(angle), complex(0) }, { complex(0), complex(1) } }
  end
  return product(product(coupler, upper(theta)), product(coupler, upper(phi)))
end

-- The unitary (N × N) of the phases at theta[theta.at + 1] …, over which theta.at moves.
function mesh.unitary(modes, theta)
  local whole = identity(modes)
  for column = 1, modes do
    for i = 1, modes - 1 do
      if i % 2 == column % 2 then
        local pair = mesh.mzi(theta[theta.at + 1], theta[theta.at + 2])
        theta.at = theta.at + 2
        local step = identity(modes)
        for a = 1, 2 do
          for b = 1, 2 do
            step[i + a - 1][i + b - 1] = pair[a][b]
          end
        end
        whole = product(step, whole)
      end
    end
  end
  return whole
end

-- What the detectors give for the amplitudes x.
function mesh.detect(layer, x, theta)
  local light, values = {}, {}
  for i = 1, layer.modes do
    light[i] = { complex(x[i] or 0) }
  end
  light = product(mesh.unitary(layer.modes, theta), light)
  for k = 1, layer.outputs do
    local field = light[k][1]
    if layer.detect == "field" then
      values[k] = multiply(turn(theta[theta.at + k]), field)[1]
    else
      values[k] = field[1] ^ 2 + field[2] ^ 2
    end
  end
  theta.at = theta.at + (layer.detect == "field" and layer.outputs or 0)
  return values
end

return mesh
