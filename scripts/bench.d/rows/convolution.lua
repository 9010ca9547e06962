--- h, i: convolutional networks of Fashion-MNIST and CIFAR-10; measured baseline, sgd.

local contenders = require "contenders"
local peers = require "peers"
local tasks = require "tasks"

local EVALUATED = 1000 -- images

local SCALAR_BATCH = 10 -- images that the scalar loop takes at a time: its time is that of images

local function step(task)
  local channels = { task.input[1], table.unpack(task.channels) }
  local shape = { side = task.input[2], channels = channels, widths = { 10 }, two_sided = 0 }
  local theta = tasks.convolution_net(task):init { scheme = "glorot_uniform" }:theta()
  local scalar, scalar_native =
    peers.scalar_image(shape, task.set(), theta, SCALAR_BATCH, task.batch)
  local list = {
    contenders.engine("mgd-lua", tasks.convolution(task)), scalar, scalar_native,
    peers.numpy(task.name), peers.torch(task.name),
  }
  if task == tasks.fashion then -- the only one with blocks that glibc returns
    table.insert(list, peers.torch_default_malloc(task.name))
  end
  return list
end

local function forward(task)
  local run = tasks.convolution(task)
  local part = task.set():subset { first = 1, last = EVALUATED }
  local name = task.name .. "_forward"
  local list = {
    contenders.clocked("run:evaluate of 1,000", function()
      run:evaluate(part)
    end, EVALUATED),
    peers.numpy(name, task.batch), peers.torch(name, task.batch),
    contenders.peak(1, tasks.convolution_flop(task)), -- as if it were nothing else
  }
  if task == tasks.fashion then
    table.insert(list, peers.torch_default_malloc(name, task.batch))
  end
  return list
end

-- What each kernel of the plan takes for an image, and all of them, beside the machine's peak.
local function kernels(task)
  return contenders.kernels(tasks.convolution_net(task), tasks.convolution_flop(task))
end

local function two_threads(task)
  local function with(threads)
    local run = tasks.convolution(task, { threads = threads })
    return contenders.engine(contenders.threads(threads), run)
  end
  return { with(2), with(1) }
end

local function replicas(task)
  local run = tasks.convolution(task, {
    batch = 1, replicas = 1024, threads = contenders.CORES,
  })
  return { contenders.engine(contenders.ALL_THREADS, run, 1024) }
end

-- The rows of a task: letter .. 1, 2, … PyTorch is compared as it comes and, stricter, with memory
-- that it keeps; where that makes no difference, once.
local function rows_of(letter, task)
  local targets = { { against = "PyTorch", at_least = 10 } }
  if task == tasks.fashion then
    table.insert(targets, 1, { against = "PyTorch, default malloc", at_least = 10 })
  end
  local share = { against = "FMA peak, 1 thread", at_least = 0.7 }
  local rows = {
    {
      title = ("%s, batch %s: a step, one thread"):format(task.title, task.batch), unit = "ms",
      targets = targets,
      make = step,
    },
    {
      title = task.title .. ": forward pass of an image, one thread", unit = "µs",
      targets = { share, table.unpack(targets) },
      make = forward,
    },
    {
      title = task.title .. ": two threads over one, a step", unit = "ms",
      targets = { { against = "1 thread", at_least = 1.9 } },
      make = two_threads,
    },
    {
      title = task.title .. ", 1,024 replicas, batch 1: a step of a replica", unit = "µs",
      more_rounds = 0.25,
      make = replicas,
    },
  }
  if contenders.CORES == 1 then
    table.remove(rows, 3)
  end
  table.insert(rows, {
    title = task.title .. ": its kernels, an image", unit = "µs", targets = { share },
    make = kernels,
  })
  for i, row in ipairs(rows) do
    local make = row.make
    row.id = letter .. i
    row.make = function()
      return make(task)
    end
  end
  return rows
end

local rows = rows_of("h", tasks.fashion)
local more = rows_of("i", tasks.cifar)
return table.move(more, 1, #more, #rows + 1, rows)
