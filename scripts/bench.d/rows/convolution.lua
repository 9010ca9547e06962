--- h, i: convolutional networks of Fashion-MNIST and CIFAR-10; measured baseline, sgd.

local contenders = require "contenders"
local mgd = require "mgd"
local peers = require "peers"
local tasks = require "tasks"

if not mgd.nn.conv2d then
  return {}
end

local EVALUATED = 1000 -- images

local function step(task)
  local list = {
    contenders.engine("mgd-lua", tasks.convolution(task)),
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
  return {
    contenders.clocked("run:evaluate of 1,000", function()
      run:evaluate(part)
    end, EVALUATED),
    peers.numpy(name, task.batch), peers.torch(name, task.batch),
    contenders.peak(1, tasks.convolution_flop(task)), -- as if it were nothing else
  }
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

-- The rows of a task: letter .. 1, 2, …
local function rows_of(letter, task)
  local rows = {
    {
      title = ("%s, batch %s: a step, one thread"):format(task.title, task.batch), unit = "ms",
      targets = { { against = "PyTorch", at_least = 10 } },
      make = step,
    },
    {
      title = task.title .. ": forward pass of an image, one thread", unit = "µs",
      targets = { { against = "PyTorch", at_least = 10 } },
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
return table.move(rows_of("i", tasks.cifar), 1, 4, #rows + 1, rows)
