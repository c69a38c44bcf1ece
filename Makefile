# Volley. `make help` lists the targets; each makes and reuses the virtual environment by itself.
NET   ?= digits
BOARD ?= pynq-z2
VENV  ?= .venv
JOBS  ?= 2
VOLLEY_CACHE ?= $(HOME)/.cache/volley
export VOLLEY_CACHE
# Hundreds of programs that import Volley start in a regression: compiled once, not by each.
unexport PYTHONDONTWRITEBYTECODE

# What may be in a path or a name: a shell word for the recipes, an escaped one for make's own lists.
empty :=
space := $(empty) $(empty)
quote = '$(subst ','\'',$(1))'
$(if $(findstring :,$(VENV))$(findstring %,$(VENV)),$(error VENV=$(VENV): make and PATH take no : or % in it; choose another folder))
PY := $(call quote,$(VENV)/bin/python)
# Verilator's makefile calls `python`; edalize calls `verilator` and `cocotb-config`.
export PATH := $(if $(filter /%,$(firstword $(VENV))),,$(CURDIR)/)$(VENV)/bin:$(PATH)
# Passed on by environment: empty ones are not, so that a default stays a default.
$(foreach v,SEED WAVES DATA_DIR,$(if $($(v)),$(eval export $(v))))

# $(call opt,frames,FRAMES) is `--frames $(FRAMES)`, or nothing where FRAMES is empty; its text goes as it was given.
opt = $(if $($(2)),--$(1) $(call quote,$(value $(2))))
include pyflow/options.mk
SIM = $(PY) -m pyflow sim $(MODEL) $(PLAN) $(SIM_OPTIONS)

# Sets of packages (pyproject.toml): each is installed by the first target that needs it. A stamp's name has a hash of
# what decides the content, so that each set is made once per change of it.
plain = $(VENV)/.volley-$(HASH)-$(1)
stamp = $(subst $(space),\ ,$(plain))
HASH := $(firstword $(shell cat pyproject.toml constraints.txt | cksum))
RUN    := $(call stamp,run)
MODELS := $(call stamp,models)
STAMP  := $(call stamp,dev)
# A network in Python may be a PyTorch model.
NEEDED := $(RUN) $(if $(findstring .py,$(value NET))$(filter-out 0,$(FINETUNE)),$(MODELS)) \
  $(if $(filter %.nir %.net,$(value NET)),$(call stamp,nir)) $(if $(filter %.onnx,$(value NET)),$(call stamp,onnx))

.DEFAULT_GOAL := help
.PHONY: help sim test test-fast test-long lint fuzz formal mutate coverage waves bitstream program device estimate analyse ip bench bench-networks bench-planning bench-prices bench-density bench-busy bench-skipping bench-skips bench-depthwise bench-models bench-resnet bench-spoken bench-lava bench-frontends bench-tiles calibrate docs pictures registers venv clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sim: $(NEEDED) ## main job: convert, compile, simulate, compare every logit  [NET= WEIGHTS= DATA= DATA_DIR= ...]
	$(SIM)

test: $(STAMP) ## the regression that CI runs  [DATA_DIR= K=expression SEED=]
	$(PY) -m pytest -n $(JOBS) --dist loadfile tests $(if $(K),-k "$(K)")

test-fast: $(STAMP) ## the tests of tests/unit that need no simulator and no synthesis  [K=expression]
	$(PY) -m pytest -q -n $(JOBS) --fast tests/unit $(if $(K),-k "$(K)")

test-long: $(STAMP) ## hundreds of random models and long runs  [DATA_DIR= K= SEED=]
	$(PY) -m pytest -n $(JOBS) -m long tests $(if $(K),-k "$(K)")

lint: $(STAMP) ## ruff and mypy; Verilator, slang, Verible, Surelog and the construct check for Vivado on all RTL
	$(PY) -m ruff check .
	$(PY) -m ruff format --check -q .
	$(PY) -m mypy
	$(PY) -m verif.lint.lint

fuzz: $(STAMP) ## mutants of every file that a user hands in: accepted or refused in one line  [MUTANTS=6000 SEED=1]
	$(PY) -m verif.fuzz $(call opt,mutants,MUTANTS) $(call opt,seed,SEED)

formal: $(STAMP) ## proofs of the stream cells and neurons by k-induction  [DUT=]
	$(PY) -m verif.formal.prove $(DUT)

mutate: $(STAMP) ## mutants of each core that its bench notices  [DUT= MUTANTS=100 SEED=1]
	$(PY) -m verif.mutation --jobs $(JOBS) $(call opt,dut,DUT) $(call opt,mutants,MUTANTS) $(call opt,seed,SEED)

coverage: $(STAMP) ## runs every core's bench and prints which situations it brought about  [DUT= SEED=]
	$(if $(DUT),DUT="$(DUT)") $(PY) -m pytest -q -n $(JOBS) tests/rtl
	$(if $(DUT),DUT="$(DUT)") $(PY) -m verif.coverage

waves: $(if $(DUT),$(STAMP),$(NEEDED)) ## VCD of a core's bench, or of a network  [DUT= | NET= FRAME=  SEED=]
ifdef DUT
	WAVES=1 DUT="$(DUT)" $(PY) -m pytest -q -s -rp tests/rtl $(if $(K),-k "$(K)")
else
	$(SIM) --waves
endif

bitstream: $(NEEDED) $(call stamp,boards) ## placed and routed bitstream  [NET=digits|lenet5|... BOARD=icebreaker|ulx3s-85f CYCLES=]
	$(PY) -m pyflow bitstream $(MODEL) $(PLAN)

program: $(NEEDED) $(call stamp,boards) ## loads that bitstream onto the board  [NET= BOARD= OUT= FLASH=1]
	$(PY) -m pyflow program $(MODEL) $(PLAN) $(PROGRAM_OPTIONS)

device: $(NEEDED) $(call stamp,boards) ## self-test of a design on its board, or in RTL  [NET= OUT= DEVICE=serial:PORT|rtlsim JOB=self-test|demo|stats|infer INPUT= ...]
	files=$$($(PY) -m pyflow folder $(MODEL) $(PLAN)) && \
	$(PY) -m pyflow.runtime $(or $(JOB),self-test) --device $(call quote,$(or $(DEVICE),rtlsim)) --files "$$files" \
	  $(call opt,input,INPUT) $(if $(filter load-weights,$(JOB)),$(call opt,weights,WEIGHTS))

analyse: $(NEEDED) ## what limits a network, or a dataflow graph: critical cycle, smallest buffers  [NET= BOARD= | FILE=graph.xml PERIOD= FRONT=1]
	$(PY) -m pyflow analyse $(if $(FILE),$(call quote,$(value FILE))) $(MODEL) $(PLAN) $(ANALYSE_OPTIONS)

ip: $(NEEDED) ## the network as IP for Vivado's catalogue and FuseSoC  [NET= BOARD= ASYNC=1 NAME= CYCLES=]
	$(PY) -m pyflow ip $(MODEL) $(PLAN) $(IP_OPTIONS)

estimate: $(NEEDED) $(call stamp,synthesis) ## area by open synthesis against the board's budget  [NET= BOARD=]
	$(PY) -m pyflow estimate $(MODEL) $(PLAN)

bench: bench-networks bench-planning bench-prices bench-density bench-busy bench-skipping bench-skips bench-depthwise bench-models bench-resnet bench-tiles ## every table of benchmarks/

bench-prices: $(STAMP) ## the planner's cells beside those of synthesis and placement, core by core
	$(PY) -m benchmarks.prices

bench-planning: $(STAMP) ## CPU-seconds from a network to its plan
	$(PY) -m benchmarks.planning

bench-density: $(STAMP) ## operations per DSP slice, LUTs per lane of every body of the synapse array
	$(PY) -m benchmarks.density

bench-busy: $(STAMP) ## share of an array's lanes that work, over back-to-back frames
	$(PY) -m benchmarks.busy

bench-skipping: $(STAMP) ## linear layers with every word, and with those that are not zero  [DATA_DIR=]
	$(PY) -m benchmarks.skipping $(call opt,data-dir,DATA_DIR)

bench-depthwise: $(STAMP) ## MobileNetV1: depthwise layers beside dense kernels with zeros
	$(PY) -m benchmarks.depthwise

bench-skips: $(STAMP) ## a U-shaped network at full size, planned: cycles, cells, the FIFOs of its skip connections
	$(PY) -m benchmarks.skips

bench-models: $(STAMP) ## residual, separable and concatenating networks: trained, converted, in RTL (some CPU-minutes)
	$(PY) -m benchmarks.models

bench-resnet: $(STAMP) ## ResNet-20 from PyTorch to a plan: CPU-seconds, cycles, FIFOs  [RTL=1]
	$(PY) -m benchmarks.resnet $(if $(filter-out 0,$(RTL)),--rtl)

bench-tiles: $(STAMP) ## dataflow analysis against what is published and token simulation; tiles: placement, guarantees, mappings
	$(PY) -m benchmarks.tiles

bench-lava: $(STAMP) ## Lava-DL's MNIST network, integers as they are, beside its tutorial  [DATA_DIR=]
	$(PY) -m benchmarks.lava $(call opt,data-dir,DATA_DIR)

bench-frontends: $(STAMP) ## MNIST by networks of spiking frameworks: float, W = 8, W = 4 tuned, RTL  DATA_DIR= [NETS=]
	$(PY) -m benchmarks.frontends $(call opt,data-dir,DATA_DIR) $(if $(NETS),--nets $(NETS))

bench-spoken: $(STAMP) ## examples/spoken_digits: every row trained, in integers (20 CPU-minutes); recordings through the RTL  DATA= [ROWS= SEEDS=]
	$(PY) examples/spoken_digits/bench.py $(call quote,$(DATA)) $(if $(ROWS),--rows $(ROWS)) $(call opt,seeds,SEEDS)
	$(PY) examples/spoken_digits/sim.py $(call quote,$(DATA))

calibrate: $(STAMP) ## measures the bodies by synthesis for the planner (when one of them changes)
	$(PY) -m benchmarks.calibrate

bench-networks: $(STAMP) ## accuracy, cycles, latency, simulation speed of the shipped networks  [DATA_DIR=]
	$(PY) -m benchmarks.networks $(call opt,data-dir,DATA_DIR)

docs: $(STAMP) ## the page of options, pages, file lists and FuseSoC descriptions of the cores; what the register map generates
	$(PY) -m pyflow.options
	$(PY) -m verif.registers
	$(PY) -m verif.pages
	$(PY) -m verif.lint.vivado.page

pictures: $(STAMP) ## the pictures of the README: LeNet-5's pipeline from its plan, a recording of make sim
	$(PY) -m verif.pictures

registers: $(STAMP) ## the register map as HTML, in build/registers
	$(PY) -m verif.registers --html build/registers

venv: $(if $(SET),$(RUN) $(call stamp,$(SET)),$(STAMP)) ## the virtual environment alone  [SET=run|models|onnx|nir|synthesis|boards VENV= PIP_ARGS=]

# Of the first sets the packages alone: Volley itself runs from the checkout.
listed = $(PY) -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*(p["optional-dependencies"][sys.argv[1]] if sys.argv[1:] else p["dependencies"]), sep="\n")' $(1) \
  | sed 's/^volley-snn.*//' > $(call quote,$(VENV))/packages.txt
install = $(PY) -m pip install $(PIP_ARGS) -c constraints.txt

$(RUN): | pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv $(call quote,$(VENV))
	$(listed)
	$(install) -r $(call quote,$(VENV))/packages.txt
	touch $(call quote,$@)

# torch first and alone: whatever else depends on it then keeps this build of it.
$(MODELS): | $(RUN)
	$(PY) -m pip install $(PIP_ARGS) "$$(grep '^torch==' constraints.txt)"
	$(call listed,models)
	$(install) -r $(call quote,$(VENV))/packages.txt
	touch $(call quote,$@)

$(call stamp,nir): | $(MODELS)
	$(call listed,nir)
	$(install) -r $(call quote,$(VENV))/packages.txt
	touch $(call quote,$@)

$(call stamp,onnx): | $(MODELS)
	$(call listed,onnx)
	$(install) -r $(call quote,$(VENV))/packages.txt
	touch $(call quote,$@)

$(call stamp,synthesis): | $(RUN)
	$(call listed,synthesis)
	$(install) -r $(call quote,$(VENV))/packages.txt
	touch $(call quote,$@)

$(call stamp,boards): | $(call stamp,synthesis)
	$(call listed,boards)
	$(install) -r $(call quote,$(VENV))/packages.txt
	touch $(call quote,$@)

$(STAMP): | pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv $(call quote,$(VENV))
	$(PY) -m pip install $(PIP_ARGS) "$$(grep '^torch==' constraints.txt)"
	$(install) hatchling setuptools-scm
	$(install) --no-build-isolation --editable '.[dev]'
	rm -f $(call quote,$(VENV))/.volley-*
	touch $(foreach set,run models onnx nir synthesis boards dev,$(call quote,$(call plain,$(set))))

CACHED = echo many area cases four-states mutation net netlist packed placed runtime schedule sim trained yosys-* last-failed-* volley-*

clean: ## build outputs and cached simulators and syntheses (not the virtual environment)
	rm -rf build dist $(foreach d,$(CACHED),$(call quote,$(VOLLEY_CACHE))/$(d))
