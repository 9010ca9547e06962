-- 01_tensors.lua: arrays of numbers, as the rest of mgd-lua uses them.
--
-- Shows how tensors are made, indexed, viewed, combined, reduced and stored, by fitting a straight
-- line to noisy points. Takes a few milliseconds.
--
--     build/mgd-lua examples/01_tensors.lua

local mgd = require "mgd"

-- Tensors are f64 and row-major unless told otherwise; indices start at 1.
local a = mgd.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
print("a", a)
print("a[2][3] =", a[2][3], "a[{1, -1}] =", a[{ 1, -1 }], "#a =", #a)

-- A row or a range is a view: writing to it writes to a.
a[1][2] = 20
a[{ {}, 3 }] = 0
print("\nafter a[1][2] = 20 and a[{{}, 3}] = 0", a)

-- Arithmetic is elementwise and broadcasts: a (2, 3) with a row (3).
print("\na - a:mean(1)", a - a:mean(1))

-- Fit y = w·x + b to 200 noisy points by least squares: solve (XᵀX)·θ = Xᵀy for two unknowns.
local x = mgd.linspace(-1, 1, 200)
local y = 3 * x - 0.5 + 0.1 * mgd.randn({ 200 }, { seed = 1 })

local X = mgd.ones { 200, 2 }
X[{ {}, 1 }] = x
local A, v = X:transpose():matmul(X), X:transpose():matmul(y)
local det = A[1][1] * A[2][2] - A[1][2] * A[2][1]
local w = (v[1] * A[2][2] - v[2] * A[1][2]) / det
local b = (A[1][1] * v[2] - A[2][1] * v[1]) / det
local residual = y - (w * x + b)
print(("\nfit: y = %.3f x %+.3f, residual %.3f (drawn: 3, -0.5, 0.1)"):format(w, b, residual:std()))

-- NPY files go to NumPy and back.
local path = os.tmpname()
residual:to("f32"):save(path)
local back = mgd.load(path)
os.remove(path)
print("stored and loaded:", back.dtype, "same values:", back:allclose(residual, { atol = 1e-7 }))
