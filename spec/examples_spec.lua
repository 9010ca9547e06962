-- The quick examples run as their headers say, and show what they should.

local mgd = require "mgd"
local cifar = require "spec.support.cifar_files"
local example = require "spec.support.example"
local files = require "spec.support.idx_files"

local shows = example.shows

describe("example", function()
  setup(example.setup)
  teardown(example.teardown)

  it("01_tensors fits its line", function()
    shows("01_tensors.lua", {
      "tensor 2×3 f64",
      "fit: y = 3%.0%d%d x %-0%.%d+, residual 0%.1%d%d",
      "stored and loaded:%s+f32%s+same values:%s+true",
    })
  end)

  it("02_xor solves XOR, and its ensemble holds the single run", function()
    shows("02_xor.lua", {
      "history of 11 rows",
      "0 xor 0 = 0%.0",
      "0 xor 1 = 0%.9",
      "1 xor 0 = 0%.9",
      "1 xor 1 = 0%.0",
      "[2-5]%d of 64 replicas solved XOR", -- 57 % of 1,000 did; σ of 64 is 4
      "replica 2 is the run above:%s+true",
    })
  end)

  it("03_nist7x7 reaches accuracy 0.8", function()
    shows("03_nist7x7.lua", {
      "44136 samples of 49",
      "P = 220",
      "accuracy 0%.8%d%d after %d+ steps",
      "angle between G and the gradient",
    })
  end)

  it("04_lua_chip learns its sine", function()
    shows("04_lua_chip.lua", {
      "a Lua function of 18 parameters",
      "root%-mean%-square error 0%.0[0-4]%d, after %d+ evaluations",
    })
  end)

  it("06_cnn trains on whatever CIFAR-10 folder it is given", function()
    finally(files.clean)
    shows("06_cnn.lua cifar10 " .. cifar.folder(), {
      "cifar10: 15 samples of 3×32×32",
      "conv2d 3×3 %+ relu %+ maxpool2d 2×2",
      "multiplexed gradient descent: 40 steps of 15 images",
      "history of 11 rows",
      "back%-propagation: 4 steps",
      "test accuracy%s+%d+%.%d %%%s+%d+%.%d %%",
    }, "STEPS=40")
  end)

  it("27_large_network learns features, then layers, on whatever CIFAR-10 it is given", function()
    finally(files.clean)
    shows("27_large_network.lua cifar10 " .. cifar.folder(), {
      "cifar10: 15 samples of 3×32×32",
      "Sanger's rule: conv1 and conv2",
      "node perturbation of conv3 and dense1: 40 steps",
      "test accuracy, θ as it is%s+%d+%.%d %%",
      "test accuracy, mean of θ%s+%d+%.%d %%",
      "evaluations of an image%s+1200", -- 40 steps of 15 images from two sides
    }, "STEPS=40")
  end)

  it("33_verilog has hardware do what the engine does, and counts it", function()
    shows("33_verilog.lua", {
      "circuit sign%-sign: 9 synapses",
      "[4-6]%d of 64 seeds solved XOR",
      "Icarus: PASS: 2000 steps of 9 synapses",
      "a synapse +17 +%d%d ",
      "a synapse with its tap: 18 flip%-flops and %d%d LUT4",
    }, "STEPS=2000")
  end)

  it("34_rtl_chip has Verilog learn XOR", function()
    shows("34_rtl_chip.lua 2", {
      "chip in out/rtl, by Verilator",
      "seed 1: cost 0%.00%d+, all bits as the engine's",
      "seed 2: cost 0%.00%d+, all bits as the engine's",
      "2 of 2 seeds solved XOR",
      "chip in examples/rtl, by Verilator",
      "seed 1: cost 0%.00",
      "2 of 2 seeds solved XOR",
    })
  end)

  it("12_sequences trains on rows of images, beside back-propagation through time", function()
    if not pcall(mgd.data.fashion_mnist) then
      pending "no Fashion-MNIST here: scripts/deps installs it (package dataset-fashion-mnist)"
    end
    shows("12_sequences.lua", {
      "ssm, 28 steps",
      "1024 steps%s+[56]%d%.%d°%s+60%.9°", -- 60.9° expected, within a few for one draw
      "multiplexed gradient descent: 2000 steps of 128 images",
      "test accuracy%s+%d+%.%d %%%s+%d+%.%d %%",
    }, "STEPS=2000")
  end)

  it("13_advisor meets three chips", function()
    shows("13_advisor.lua", {
      "advice after 1%d+ evaluations of a sample %(budget 1320000%): MGD should work",
      "root%-mean%-square error 0%.0[0-4]%d after 20000 steps",
      "warning, bandwidth: the cost follows a change in 6 steps",
      "accuracy 1%.00",
      "MGD will not work as it is",
      "warning, dead",
    })
  end)

  it("14_diagnostics_and_budget looks inside, explains and counts", function()
    shows("14_diagnostics_and_budget.lua", {
      "steps +cost +accuracy +angle",
      "  100000 +0%.%d+",
      "what +chip: ideal, network 49",
      "→  angle %d+°",
      "so far +planned +to accuracy ≥ 0%.8",
      "very fast, 100 ps × steps",
      "first crossing +%d+ of 64 replicas",
      "last crossing +%d+ of 64 replicas",
    })
  end)

  it("09_codes compares all codes and refuses one with a mean", function()
    shows("09_codes.lua", {
      "walsh +0%.000 +0%.000 +16 +0%.0° │ +0%.0°",
      "gaussian [^\n]+ [0-9]%.%d°\n", -- after 4,096 slots; for a linear cost, 2.7°
      "lfsr, balanced [^\n]+ 0%.0°\n",
      "a Lua function [^\n]+ 0%.0°\n",
      "code lfsr: 9 parameters over 15 slots",
      "walsh +[2-6]%d of 64 solved",
      "a Lua function +[1-6]%d of 64 solved",
      "with a mean:\n +mgd%.train: perturbation: parameter 8 has the mean 0%.01, 0%.577 of its",
    })
  end)

  it("08_robustness tabulates an experiment, and names all when asked", function()
    shows("08_robustness.lua leak", {
      "4 replicas of XOR, 1 of NIST7x7; a budget of 400 steps",
      "leak %(Leak of weights during training%): lifetime τ, steps",
      "XOR +∞ +%d+%.%d %%",
      "NIST7x7 +300 +0%.0 %% +0%.0 … +79%.3 %% +∞",
      "written: out/robustness_leak%.csv",
    }, "REPLICAS=4 STEPS=400")
    shows("08_robustness.lua list", { "experiments: cost_noise, .*leak, .*cost_delay" },
      "REPLICAS=4 STEPS=400")
  end)

  it("10_node_perturbation compares it with parameter perturbation", function()
    shows("10_node_perturbation.lua", {
      "P = 220 parameters, M = 8 nodes",
      "angle after +1 steps +8%d%.%d° +3%d%.%d°",
      "angle after +64 steps +[56]%d%.%d° +%d%.%d°",
      "accuracy, step +4000 +8%d%.%d %% +9%d%.%d %%",
    })
  end)

  it("19_plots draws every kind, or says that gnuplot is missing", function()
    if os.execute "command -v gnuplot >/dev/null 2>&1" then
      shows("19_plots.lua", {
        "figure of 6 panels, 11 series",
        "written: out/plots%.csv, %.svg, %.pdf, %.png",
        "η = 0%.25 .*η = 1 .*η = 4",
        "Lines: medians and quartiles",
        "cost",
        "step",
      })
    else
      shows("19_plots.lua", { "gnuplot is not installed .* the numbers are in out/plots%.csv" })
    end
  end)

  it("20_report writes its page", function()
    shows("20_report.lua", {
      "walsh +[2-5]%d of 64 solved",
      "walsh, noise +%d+ of 64 solved",
      "random +[2-5]%d of 64 solved",
      "written: out/report%.html, %d+ kB, and out/report%.csv",
    })
  end)

  it("21_cost_signals shows smaller angles with several signals", function()
    shows("21_cost_signals.lua", {
      "angle after +100 steps +5%d%.%d° +3%d%.%d°",
      "4 regions of 33 parameters",
      "angle after +100 steps +4%d%.%d° +2%d%.%d°",
      "cost after +1000 steps +0%.00[2-5]%d+ +0%.000%d+",
    })
  end)

  it("11_analog learns XOR in both engines, and finds the shares that it expects", function()
    shows("11_analog.lua", {
      "discrete +[2-5]%d of 64",
      "analog +[2-5]%d of 64",
      "0%.25 +0%.02 +0%.24 +0%.2[2-6]",
      "16 +0%.02 +0%.97 +%S+ +0 of 64 +∞", -- drift of the cost
      "16 +0%.1 +0%.97 +%S+ +[2-6]%d of 64 +%d+",
      "τ_line/τ_p",
      "1 +0%.35 +0%.3[3-7] +[2-5]%d of 64",
    })
  end)

  it("16_experiments changes, compares, runs, saves and repeats one", function()
    shows("16_experiments.lua", {
      "experiment ideal\n  chip: ideal, network 2 → dense%(2%)",
      "chip%.cost%.noise%.sigma +– +→ +0%.003\n",
      "chip%.weights%.levels%.bits +– +→ +5\n",
      "noisy and coarse +success 0%.[67]%d+ ",
      "2[0-9] of 32 solved; median time to solution %d+ %(",
      "read back: the same, hash %x+; seed 7 has the same θ: true",
    })
  end)

  it("17_run_store keeps a study, and finds it again", function()
    local folder = files.folder()
    finally(function()
      os.execute("rm -rf " .. folder)
      files.clean()
    end)
    local file = folder .. "/study.db"
    shows("17_run_store.lua " .. file, {
      "12 experiments were run, 0 were there",
      "store .*/study%.db: 12 experiments, 384 runs",
      " 0%.25 +1%d +1%d000 steps",
      "    1 +2%d +4%d00 steps",
      " 20000 +0%.12%d%d +0%.13%d%d",
      "chip%.cost%.noise%.sigma +0 +0%.005",
      "solved +20 +1%d",
      "written: out/study%.csv, out/study%.npz",
    })
    shows("17_run_store.lua " .. file, { "0 experiments were run, 12 were there", "384 runs" })
  end)

  it("18_statistics counts the seeds that never solve XOR, and fits a power law", function()
    shows("18_statistics.lua", {
      "eta = 1: [2-5]%d of 64 solved; median time to solution %S+ %(%d+ … ",
      "share that solves XOR: 0%.%d+ %(0%.%d+ … 0%.%d+ at 95 %%%)",
      "25 %% +%d+ +%(%d+ … %d+%)",
      "mean of the %d+ that solved +%d+",
      "0%.125 +[2-4]%d: 0%.%d%d",
      "16 +%d?%d: 0%.[0-2]%d",
      "up to eta = 1, y = %d+·x^%-[01]%.%d+; exponent", -- −1.08 ± 0.06 in 20 repetitions
    })
  end)

  it("22_sweep trains 640 networks, and none of them twice", function()
    local patterns = { "20 points of training%.eta, training%.tau_theta, seeds 1 … 32",
      "12 +1 +64 +0%.0 %%", "best: eta%-tau/%d+, success 0%.[78]" }
    shows("22_sweep.lua", patterns)
    shows("22_sweep.lua", patterns)
  end)

  it("23_tolerance measures what a task bears", function()
    shows("23_tolerance.lua", { "tolerance of nist7x7 over 2 seeds", "cost%.noise: ",
      "neurons%.neuron_spread: ", "time constants of parity, slow lines, 4 seeds" }, "SEEDS=2")
  end)

  it("24_chip_server trains to the same bits on both sides", function()
    shows("24_chip_server.lua", { "in this process", "16000 +128000 +%S+ +0%.005",
      "behind the chip server", "chip server,0,1%.0, 9 parameters", "16000 +128000 +%S+ +0%.005",
      "the same bits: true" })
  end)

  it("25_mesh_calibration routes light through a chip behind a port", function()
    shows("25_mesh_calibration.lua", { "example,mesh of six,1,1%.0, 12 parameters",
      "MGD should work", "settling +2 steps", "two%-sided, τ_p = 1",
      "worst fibre: 3%.0 %% before, 99%.%d %% after", "a request takes %d",
      "mesh_calibration" })
  end)

  it("26_fashion_over_tcp trains to the same bits behind TCP", function()
    if not pcall(mgd.data.fashion_mnist) then
      pending "no Fashion-MNIST here: scripts/deps installs it (package dataset-fashion-mnist)"
    end
    shows("26_fashion_over_tcp.lua 40", { "in this process: 40 steps of 128 images", "behind TCP",
      "a request takes %d", "test accuracy +%d+%.%d+ %% +%d+%.%d+ %%", "ratio %d",
      "the same bits: true" })
  end)

  it("15_baselines has back-propagation ahead and its corners level", function()
    shows("15_baselines.lua", {
      "back%-propagation, batch 10 +[4-6]%d%.%d +9%d%.%d +9%d%.%d",
      "finite differences +2%d%.%d +2%d%.%d +[5-7]%d%.%d",
      "coordinate descent +2%d%.%d +2%d%.%d +[5-7]%d%.%d",
      "SPSA +2%d%.%d +[23]%d%.%d +[5-7]%d%.%d",
      "MGD, sgd +2%d%.%d +[23]%d%.%d +[5-7]%d%.%d",
      "MGD, pulses",
    }, "EVALUATIONS=1e5")
  end)

  it("32_learning_circuit learns XOR by both digital sets", function()
    shows("32_learning_circuit.lua", {
      "circuit sign%-sign: 9 synapses",
      "τ_θ +16 steps +at least",
      "circuit accumulator",
      "η +16 ",
      "sign%-sign +lfsr +%d of 16",
      "accumulator +lfsr +1[1-6] of 16 +%d+ steps", -- 92 % of 64 did; 11 of 16 is three σ below
      "n = 1 +1?%d of 16",
    }, "SEEDS=16 STEPS=8000")
  end)
end)
