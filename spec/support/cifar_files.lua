-- Small CIFAR-10 files for specs; `clean` of spec.support.idx_files removes them.

local files = require "spec.support.idx_files"

local cifar = {}

cifar.names = {
  "data_batch_1.bin",
  "data_batch_2.bin",
  "data_batch_3.bin",
  "data_batch_4.bin",
  "data_batch_5.bin",
  "test_batch.bin",
}

-- Pixel of image n (0, 1, …), channel c, row i, column j, all from 0; different in all four.
function cifar.pixel(n, c, i, j)
  return (31 * n + 67 * c + 5 * i + j) % 256
end

-- record(label, n): the label, then image n.
function cifar.record(label, n)
  local values = { string.char(label) }
  for c = 0, 2 do
    for i = 0, 31 do
      for j = 0, 31 do
        values[#values + 1] = string.char(cifar.pixel(n, c, i, j))
      end
    end
  end
  return table.concat(values)
end

-- `count` records: images first, first + 1, …, image n having the label n % 10.
function cifar.records(count, first)
  local out = {}
  for n = first, first + count - 1 do
    out[#out + 1] = cifar.record(n % 10, n)
  end
  return table.concat(out)
end

-- A folder in the layout of CIFAR-10. data_batch_k.bin holds k records, images 0 … 14 in all;
-- test_batch.bin images 20 and 21. `change[name]` replaces the bytes of a file; false leaves the
-- file out.
function cifar.folder(change, path)
  local folder, first = files.folder(path), 0
  for k, name in ipairs(cifar.names) do
    local new = change and change[name]
    if new ~= false then
      local bytes = k == 6 and cifar.records(2, 20) or cifar.records(k, first)
      files.write(new or bytes, folder .. "/" .. name)
    end
    first = first + k
  end
  return folder
end

return cifar
