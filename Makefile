# mgd-lua. Settings first; `make help` lists what can be made.

CC          ?= cc
AR          ?= ar
STRIP       ?= strip
PREFIX      ?= /usr/local
DESTDIR     ?=
BUILD       ?= build
OPT         ?= -O2
KERNEL_OPT  ?= -O3
CFLAGS      ?= -g $(OPT)
LDFLAGS     ?=
WARN        := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
               -Werror=implicit-function-declaration
# -ffp-contract=off: the same bits from every compiler; fused multiply-adds are written out.
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -fPIC -fno-plt -fvisibility=hidden -ffp-contract=off -fno-math-errno \
               -fno-trapping-math $(WARN) -MMD -MP
# GSL fits measured curves, with its own small BLAS: others start threads when they are loaded.
LIBS        := -lsleef -lz -lgsl -lgslcblas -lm -lpthread
# What the bindings need besides: the store is a file of SQLite, hashes are libmd's.
MODULE_LIBS := $(shell pkg-config --libs sqlite3 libmd 2>/dev/null)
# The name of Lua 5.4 in pkg-config differs between systems; LuaJIT is optional.
LUA_PC      ?= $(firstword $(foreach name,lua5.4 lua-5.4 lua54 lua,\
                 $(shell pkg-config --exists '$(name) >= 5.4' 2>/dev/null && echo $(name))))
LUAJIT_PC   ?= $(shell pkg-config --exists luajit 2>/dev/null && echo luajit)
READLINE    ?= $(shell pkg-config --exists readline 2>/dev/null && echo yes)
DEMO        ?= examples/05_fashion_mnist.lua
# What `make test` and `make sanitize` run: `make test SPEC=spec/tensor_spec.lua BUSTED=--shuffle`
SPEC        ?= spec
BUSTED      ?=
# The interpreter of the specs where it is not mgd-lua: `make test LUA=luajit`
LUA         ?=
# Processors to use: specs run that many files at a time.
JOBS        ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# How long `make fuzz` feeds each reader.
SECONDS     ?= 20
SANITIZE    := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# What libFuzzer is told by; clang's sanitized builds have it, too, so that fuzzers can be made of them.
COVERAGE    := -fsanitize=fuzzer-no-link
# WARN_ERROR=-Werror makes warnings of sanitized builds errors (gcc's sanitizers cause false ones).
WARN_ERROR  ?=
# V=1 shows the commands in full.
V           ?=
LUA_SCRIPTS := lua spec examples docs $(wildcard scripts/*.lua)

# ---- what there is to build ----------------------------------------------------------------------

LUA_CFLAGS  := $(if $(LUA_PC),$(shell pkg-config --cflags $(LUA_PC)))
LUA_LIBS    := $(if $(LUA_PC),$(shell pkg-config --libs $(LUA_PC)))
LUAJIT_CFLAGS := $(if $(LUAJIT_PC),$(shell pkg-config --cflags $(LUAJIT_PC)))
VERSION     := $(shell sed -n 's/^.define MGD_VERSION "\(.*\)"/\1/p' src/mgd.h)

# Lane kernels (files named kernels*.c) are compiled once for each instruction set and precision;
# the best set is picked at run time.
X86         := $(filter x86_64% amd64%,$(shell $(CC) -dumpmachine))
ISAS        := $(if $(X86),avx512 avx2) portable
BASE_CFLAGS += $(if $(filter avx2,$(ISAS)),-DMGD_HAVE_X86_KERNELS=1)
FLAGS_avx512   := -DMGD_KERNEL_AVX512=1 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma \
                  -mprefer-vector-width=512
FLAGS_avx2     := -DMGD_KERNEL_AVX2=1 -mavx2 -mfma
# Portable kernels too fuse their multiply-adds: on x86-64 in hardware, with vectors of 16 bytes.
FLAGS_portable := -DMGD_KERNEL_PORTABLE=1 $(if $(X86),-mfma)

LIB_SRC     := $(sort $(wildcard $(patsubst %,src/%/*.c,base tensor net hw wire chip circuit mgd serve data)))
KERNEL_SRC  := $(foreach source,$(LIB_SRC),$(if $(filter kernels%,$(notdir $(source))),$(source)))
PLAIN_SRC   := $(filter-out $(KERNEL_SRC),$(LIB_SRC))
LUA_SRC     := $(sort $(wildcard src/lua/*.c))
MAIN_SRC    := $(sort $(wildcard src/main/*.c))
SPICE_SRC   := $(sort $(wildcard src/spice/*.c))
C_FILES     := $(wildcard src/*.h src/*/*.h spec/*/*.c) $(LIB_SRC) $(LUA_SRC) $(MAIN_SRC) $(SPICE_SRC)

OBJ         := $(BUILD)/obj
PLAIN_OBJ   := $(PLAIN_SRC:src/%.c=$(OBJ)/%.o)
SPICE_OBJ   := $(SPICE_SRC:src/%.c=$(OBJ)/%.o)
KERNEL_OBJ  := $(foreach isa,$(ISAS),$(foreach bits,32 64,\
                 $(KERNEL_SRC:src/%.c=$(OBJ)/%.$(isa).f$(bits).o)))
LUA_OBJ     := $(LUA_SRC:src/%.c=$(OBJ)/%.o)
LUAJIT_OBJ  := $(LUA_SRC:src/%.c=$(OBJ)/luajit/%.o)
MAIN_OBJ    := $(MAIN_SRC:src/%.c=$(OBJ)/%.o)
ALL_OBJ     := $(PLAIN_OBJ) $(SPICE_OBJ) $(KERNEL_OBJ) $(LUA_OBJ) $(LUAJIT_OBJ) $(MAIN_OBJ)

# A first build inside of `make demo` or `make test` uses all processors, unless -j says otherwise.
SUBMAKE      = $(MAKE) --no-print-directory \
               $(if $(findstring j,$(filter-out --%,$(firstword $(MAKEFLAGS)))),,-j$(JOBS))
RUN_SPECS    = BUILD='$(BUILD)' LUA='$(LUA)' JOBS='$(JOBS)' V='$(V)' \
               scripts/specs $(SPEC) -- $(BUSTED)

# $(call run,WORD,command): shows "WORD target", or the command.
run          = $(if $(V),,@printf '  %-3s %s\n' $(1) $@;)$(2)

.DELETE_ON_ERROR:
.PHONY: all luajit demo paper test bench docs sanitize threads fuzz lint format install uninstall \
        clean help FORCE

# ---- building ------------------------------------------------------------------------------------

## all: build the library, the Lua modules and the interpreter (the default)
all: $(BUILD)/libmgd.a $(BUILD)/mgd.so $(BUILD)/mgd/spice-worker $(BUILD)/mgd-lua \
     $(if $(LUAJIT_PC),luajit)

## luajit: build the module for LuaJIT (part of `all` where LuaJIT is installed)
luajit: $(BUILD)/luajit/mgd.so $(BUILD)/luajit/mgd/spice-worker

$(BUILD)/libmgd.a: $(PLAIN_OBJ) $(KERNEL_OBJ)
	@rm -f $@
	$(call run,AR,$(AR) rcs $@ $^)

# The Lua API is resolved when the module is loaded: from the interpreter that loads it.
$(BUILD)/mgd/core.so: $(LUA_OBJ) $(BUILD)/libmgd.a
$(BUILD)/luajit/mgd/core.so: $(LUAJIT_OBJ) $(BUILD)/libmgd.a
$(BUILD)/mgd/core.so $(BUILD)/luajit/mgd/core.so:
	@mkdir -p $(@D)
	$(call run,LD,$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(MODULE_LIBS))

# Another name of the module, under which interpreters find the doors of src/lua/l_door.c.
$(BUILD)/mgd.so $(BUILD)/luajit/mgd.so: %.so: %/core.so
	$(call run,LN,ln -sf mgd/core.so $@)

# A netlist as a chip, in a process of its own: it stands beside the module, which starts it.
$(BUILD)/mgd/spice-worker: $(SPICE_OBJ) $(BUILD)/libmgd.a
	@mkdir -p $(@D)
	$(call run,LD,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -ldl)

$(BUILD)/luajit/mgd/spice-worker: $(BUILD)/mgd/spice-worker
	@mkdir -p $(@D)
	$(call run,LN,ln -sf ../../mgd/spice-worker $@)

# -rdynamic: modules find the Lua API even where liblua is static.
$(BUILD)/mgd-lua: $(MAIN_OBJ)
	$(call run,LD,$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $^ $(LUA_LIBS) \
	    $(if $(READLINE),$(shell pkg-config --libs readline)) -lm -lpthread)

# The C API as a program of a user's sees it, called wrongly: spec/c_api_spec.lua runs it.
MISUSE      := $(BUILD)/spec/misuse
$(MISUSE): spec/support/misuse.c src/mgd.h $(BUILD)/libmgd.a
	@mkdir -p $(@D)
	$(call run,LD,$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -Isrc -o $@ $< \
	    $(BUILD)/libmgd.a $(LIBS))

# Rewritten when a setting changes, so that everything is compiled again.
SETTINGS    := $(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(KERNEL_OPT) $(LDFLAGS) $(LUA_CFLAGS) \
               $(READLINE) $(VERSION)
$(BUILD)/settings: FORCE
	$(if $(LUA_PC),,$(error no Lua 5.4 found by pkg-config: run scripts/deps))
	@mkdir -p $(@D)
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@

$(ALL_OBJ): $(BUILD)/settings

$(PLAIN_OBJ) $(SPICE_OBJ): $(OBJ)/%.o: src/%.c
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<)

$(LUA_OBJ): $(OBJ)/%.o: src/%.c
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(BASE_CFLAGS) $(LUA_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<)

$(LUAJIT_OBJ): $(OBJ)/luajit/%.o: src/%.c
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(BASE_CFLAGS) $(LUAJIT_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<)

$(MAIN_OBJ): $(OBJ)/%.o: src/%.c
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(BASE_CFLAGS) $(LUA_CFLAGS) $(if $(READLINE),-DMGD_HAVE_READLINE=1) \
	    -DMGD_LUA_VERSION='"$(VERSION)"' $(CPPFLAGS) $(CFLAGS) -c -o $@ $<)

# $(1) instruction set, $(2) bits of a real
define kernel_rule
$(KERNEL_SRC:src/%.c=$(OBJ)/%.$(1).f$(2).o): $(OBJ)/%.$(1).f$(2).o: src/%.c
	@mkdir -p $$(@D)
	$$(call run,CC,$$(CC) $$(BASE_CFLAGS) $$(CPPFLAGS) $$(CFLAGS) $$(KERNEL_OPT) \
	    -DMGD_ISA_SUFFIX=$(1) -DMGD_REAL_BITS=$(2) $$(FLAGS_$(1)) -c -o $$@ $$<)
endef
ifneq ($(KERNEL_SRC),)
$(foreach isa,$(ISAS),$(foreach bits,32 64,$(eval $(call kernel_rule,$(isa),$(bits)))))
endif

-include $(ALL_OBJ:.o=.d)

# ---- using ---------------------------------------------------------------------------------------
# These install what is missing, then build in a second make, which sees what was installed.

## demo: train a network on Fashion-MNIST by multiplexed gradient descent; results in out/
demo:
	@scripts/deps
	@$(SUBMAKE) all
	$(BUILD)/mgd-lua $(DEMO)

## paper: reproduce the published experiments, quickly; figures and tables in build/paper
paper:
	@scripts/deps
	@$(SUBMAKE) all
	@for script in $(sort $(wildcard examples/paper/0*.lua)); do \
	    echo "== $$script"; $(BUILD)/mgd-lua $$script || exit 1; done

## test: run the specs; SPEC=spec/x_spec.lua runs one of them
test:
	@scripts/deps
	@$(SUBMAKE) all $(MISUSE)
	@$(RUN_SPECS)

## bench: compare speed with a scalar C loop, and with the peers that scripts/deps --bench installs
bench:
	@scripts/deps
	@$(SUBMAKE) all $(BUILD)/bench/native.so
	scripts/bench

# The scalar loop twice: as one compiles it plainly, and with all that the compiler knows of this
# machine; what the machine can do at most needs its widest vectors.
BENCH       := $(BUILD)/bench
BENCH_OBJ   := $(patsubst %,$(BENCH)/%.o,native child pong spice peak scalar_o2 scalar_native \
               image_o2 image_native)
NATIVE      := $(if $(X86),-march=native,-mcpu=native)
$(patsubst %,$(BENCH)/%.o,native child pong spice): FLAGS := -O2 -D_GNU_SOURCE
$(BENCH)/peak.o: FLAGS := -O3 $(NATIVE) -ffp-contract=fast
$(BENCH)/scalar_o2.o: FLAGS := -O2 -DSCALAR_NAME=scalar_o2 -DSCALAR_START
$(BENCH)/scalar_native.o: FLAGS := -O3 $(NATIVE) -DSCALAR_NAME=scalar_native
$(BENCH)/image_o2.o: FLAGS := -O2 -DIMAGE_NAME=image_o2
$(BENCH)/image_native.o: FLAGS := -O3 $(NATIVE) -DIMAGE_NAME=image_native
$(BENCH)/native.o: scripts/bench.d/native.c
$(BENCH)/child.o: scripts/bench.d/child.c
$(BENCH)/pong.o: scripts/bench.d/pong.c
$(BENCH)/spice.o: scripts/bench.d/spice.c
$(BENCH)/peak.o: scripts/bench.d/peak.c
$(BENCH)/scalar_o2.o $(BENCH)/scalar_native.o: scripts/bench.d/scalar.c
$(BENCH)/image_o2.o $(BENCH)/image_native.o: scripts/bench.d/scalar_image.c
$(BENCH_OBJ): $(wildcard scripts/bench.d/*.h) src/mgd.h $(BUILD)/settings
	@mkdir -p $(@D)
	$(call run,CC,$(CC) -std=gnu11 -g -fPIC $(WARN) $(LUA_CFLAGS) $(FLAGS) -c -o $@ \
	    $(filter %.c,$^))

# The library is resolved when the module is loaded: it is the one in mgd/core.so.
$(BENCH)/native.so: $(BENCH_OBJ)
	$(call run,LD,$(CC) -shared -o $@ $^ -lm -lpthread -ldl)

# The sanitizers' own interpreter, so nothing is preloaded. MGD_SANITIZE: what this run asks of the
# specs is memory, so statistical ones may shrink (MGD_SPEC_QUICK) and those that load the module
# into a stock interpreter, which lacks the sanitizers' runtime, are skipped. Examples and documents
# train for long, and call nothing of kernels that other specs do not: in a run of all specs theirs
# are those of the plain build, three times as fast, with all that calls them watched.
WHOLE       := $(filter spec,$(SPEC))
SANITIZED    = -g1 -O1 $(SANITIZE) $(if $(findstring clang,$(CC)),$(COVERAGE) )$(WARN_ERROR)
## sanitize: run the specs under AddressSanitizer (with leaks) and UndefinedBehaviorSanitizer
sanitize: export ASAN_OPTIONS := detect_leaks=1:abort_on_error=0
sanitize: export LSAN_OPTIONS := suppressions=$(CURDIR)/spec/support/leaks.txt:print_suppressions=0
sanitize: export UBSAN_OPTIONS := print_stacktrace=1
sanitize: export MGD_SANITIZE := 1
sanitize: export MGD_SPEC_QUICK := 1
sanitize: override BUILD := $(BUILD)/sanitize
sanitize:
	@scripts/deps
	$(if $(WHOLE),@$(MAKE) --no-print-directory threads BUILD=$(BUILD))
	$(if $(WHOLE),@$(SUBMAKE) kernels BUILD=$(BUILD:/sanitize=))
	@$(SUBMAKE) all $(BUILD)/spec/misuse $(if $(WHOLE),$(BUILD)/long/mgd-lua) BUILD=$(BUILD) LUAJIT_PC= \
	    KERNEL_OPT=-O1 CFLAGS='$(SANITIZED)'
	@$(if $(WHOLE),MGD_LUA_LONG='$(abspath $(BUILD))/long/mgd-lua') $(RUN_SPECS)

.PHONY: kernels
kernels: $(KERNEL_OBJ)

$(BUILD)/long/mgd-lua: $(BUILD)/mgd-lua $(BUILD)/long/mgd/core.so
	$(call run,LN,ln -f $< $@)

$(BUILD)/long/mgd/core.so: $(LUA_OBJ) $(PLAIN_OBJ) $(KERNEL_OBJ:$(BUILD)/%=$(BUILD:/sanitize=)/%)
	@mkdir -p $(@D)
	$(call run,LD,$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(MODULE_LIBS))
	@ln -sf mgd/core.so $(@D).so
	@ln -sf ../../mgd/spice-worker $(@D)/spice-worker

# ThreadSanitizer must know every lock: this is C alone, with the kernels of any processor. It needs
# addresses that are not too random.
## threads: run engines side by side under ThreadSanitizer (part of `sanitize`)
threads:
	@$(SUBMAKE) $(BUILD)/threads/engines BUILD=$(BUILD)/threads ISAS=portable \
	    CFLAGS='-g -O1 -fsanitize=thread $(WARN_ERROR)'
	@$$(setarch -R true 2>/dev/null && echo setarch -R) $(BUILD)/threads/engines

$(BUILD)/engines: spec/threads/engines.c $(BUILD)/libmgd.a
	$(call run,LD,$(CC) -std=c11 $(CFLAGS) -D_GNU_SOURCE -Isrc $(WARN) -o $@ $^ $(LIBS))

# Readers need no kernels, so little is built.
READERS     := npy idx cifar checkpoint recording
WIRES       := block frame address wire
SPEAKERS    := server instrument
FUZZ        ?= $(BUILD)/fuzz
FUZZ_OBJ    := $(filter $(addprefix $(OBJ)/,base/% tensor/% data/% chip/record% wire/%),$(PLAIN_OBJ))
## fuzz: run clang's libFuzzer over all that reads files and wires, SECONDS (20) for each
fuzz: override CC := clang
fuzz:
	@scripts/deps --fuzz
	@$(SUBMAKE) fuzzers BUILD=$(FUZZ) CC=clang ISAS=portable KERNEL_OPT=-O1 \
	    CFLAGS='$(SANITIZED)'
	@JOBS=$(JOBS) scripts/fuzz $(FUZZ) $(SECONDS) $(READERS) $(WIRES) $(SPEAKERS)

.PHONY: fuzzers
fuzzers: $(READERS:%=$(BUILD)/%) $(WIRES:%=$(BUILD)/%) $(SPEAKERS:%=$(BUILD)/%)
$(READERS:%=$(BUILD)/%): spec/fuzz/readers.c
$(WIRES:%=$(BUILD)/%): spec/fuzz/wires.c
$(READERS:%=$(BUILD)/%) $(WIRES:%=$(BUILD)/%): $(BUILD)/%: $(FUZZ_OBJ)
	$(call run,LD,$(CC) -std=c11 -g -O1 -D_GNU_SOURCE -Isrc $(WARN) $(SANITIZE) -fsanitize=fuzzer \
	    -DREADER='"$*"' -o $@ $^ $(LIBS))
$(SPEAKERS:%=$(BUILD)/%): $(BUILD)/%: spec/fuzz/%.c $(BUILD)/libmgd.a
	$(call run,LD,$(CC) -std=c11 -g -O1 -D_GNU_SOURCE -Isrc $(WARN) $(SANITIZE) -fsanitize=fuzzer \
	    -o $@ $^ $(LIBS))

## docs: write docs/options.md, docs/physics and docs/figures, from schemas and runs (minutes)
docs: all
	$(BUILD)/mgd-lua scripts/options-reference.lua > docs/options.md
	$(BUILD)/mgd-lua scripts/physics-reference.lua
	$(BUILD)/mgd-lua docs/physics/figures.lua
	$(BUILD)/mgd-lua docs/physics/convergence.lua >/dev/null
	$(BUILD)/mgd-lua docs/physics/wires.lua
	$(BUILD)/mgd-lua docs/angles.lua > /dev/null

## lint: check the format, the sources, who includes and requires whom, and that calls run one way
lint:
	@scripts/deps --lint
	@$(SUBMAKE) all
	clang-format --dry-run -Werror $(C_FILES)
	scripts/check-includes
	scripts/check-requires
	scripts/check-circles $(BUILD)/obj
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --suppressions-list=scripts/cppcheck.txt --library=scripts/cppcheck.cfg \
	    -j$(JOBS) -DMGD_REAL_BITS=32 -DMGD_ISA_SUFFIX=portable -DMGD_KERNEL_PORTABLE=1 \
	    -DMGD_LUA_VERSION='""' -DMGD_HAVE_READLINE=1 $(LIB_SRC) $(LUA_SRC) $(MAIN_SRC) $(SPICE_SRC)
	luacheck --quiet $(LUA_SCRIPTS)
	@$(SUBMAKE) reference

## reference: write build/reference/index.html, the Lua modules by LDoc; it fails on tags gone wrong
.PHONY: reference
reference:
	@scripts/deps --lint
	$(call run,LDOC,ldoc --quiet --fatalwarnings --config docs/config.ld \
	    --dir $(abspath $(BUILD))/reference . > /dev/null)

## format: rewrite the C sources in the format that `make lint` checks
format:
	clang-format -i $(C_FILES)

# ---- installing ----------------------------------------------------------------------------------

BIN_DIR     := $(DESTDIR)$(PREFIX)/bin
LIB_DIR     := $(DESTDIR)$(PREFIX)/lib
INCLUDE_DIR := $(DESTDIR)$(PREFIX)/include
C_MODULES   := $(LIB_DIR)/lua/5.4/mgd
LUA_MODULES := $(DESTDIR)$(PREFIX)/share/lua/5.4
PYTHON_DIR  := $(DESTDIR)$(PREFIX)/share/mgd-lua/python
VERILOG_DIR := $(DESTDIR)$(PREFIX)/share/mgd-lua/verilog
DOC_DIR     := $(DESTDIR)$(PREFIX)/share/doc/mgd-lua

# What README.md and the documents link to, so that links work where these are installed.
DOCUMENTS   := README.md LICENSE CITATION.cff CHANGELOG.md CONTRIBUTING.md docs examples src/mgd.h \
               data/presets.csv

# $(call install_tree,what find is asked for,folder): copies files with their folders.
install_tree = find $(1) | while read -r file; do install -d "$(abspath $(2))/$$(dirname "$$file")" && \
	    install -m 644 "$$file" "$(abspath $(2))/$$file" || exit 1; done

# Modules of an older version go first: where one has moved, its file would be found in the old place.
## install: install under PREFIX (/usr/local), staged in DESTDIR where that is given
install: all
	install -d $(BIN_DIR) $(LIB_DIR) $(INCLUDE_DIR) $(C_MODULES) $(PYTHON_DIR) $(VERILOG_DIR) \
	    $(DOC_DIR)
	install -m 755 $(BUILD)/mgd-lua $(BIN_DIR)/mgd-lua
	install -m 644 $(BUILD)/libmgd.a $(LIB_DIR)/libmgd.a
	install -m 644 $(BUILD)/mgd/core.so $(C_MODULES)/core.so
	install -m 755 $(BUILD)/mgd/spice-worker $(C_MODULES)/spice-worker
	ln -sf mgd/core.so $(C_MODULES).so
	$(STRIP) -S $(BIN_DIR)/mgd-lua $(LIB_DIR)/libmgd.a $(C_MODULES)/core.so $(C_MODULES)/spice-worker
	install -m 644 src/mgd.h $(INCLUDE_DIR)/mgd.h
	install -m 644 src/python/mgd_chip.py $(PYTHON_DIR)/mgd_chip.py
	install -m 644 src/verilog/worker.cpp src/verilog/worker.v $(VERILOG_DIR)
	rm -rf $(LUA_MODULES)/mgd
	cd lua && $(call install_tree,mgd -name '*.lua',$(LUA_MODULES))
	$(call install_tree,$(DOCUMENTS) -type f,$(DOC_DIR))

## uninstall: remove what `make install` put under the same PREFIX and DESTDIR
uninstall:
	rm -rf $(C_MODULES) $(LUA_MODULES)/mgd $(PYTHON_DIR) $(VERILOG_DIR) $(DOC_DIR)
	rm -f $(BIN_DIR)/mgd-lua $(C_MODULES).so $(LIB_DIR)/libmgd.a $(INCLUDE_DIR)/mgd.h

## clean: remove the build
clean:
	rm -rf $(BUILD)

## help: list what can be made
help:
	@sed -n 's/^## \([a-z]*\): /  make \1|/p' Makefile | \
	    awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo 'Settings and their defaults stand on top of the Makefile: make CC=clang PREFIX=~/.local'
