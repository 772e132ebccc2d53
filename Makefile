# make demo   train on event data, export to Loihi, draw a picture
# make test   the tests, on all cores (one file: make test ARGS='tests/test_losses.py' WORKERS=0)
# make test-interop   exported files in the tools that read them (lava, snnTorch, Norse, spikingjelly,
#             nengo-loihi, xylosim), files of six tools read here, and transforms beside tonic's, in
#             environments of their own: 3 GB; Python 3.11
# make lint   style
# make docs   the documentation as a site, out/docs/site/index.html; its notebooks are run for it
# make bench  the benchmarks (a few minutes; leave the machine alone meanwhile)
# make bench-peers   a training step against snnTorch, Norse, spikingjelly, lava-dl, Spyx and plain
#             TensorFlow (hours; each peer in an environment of its own: 3.5 GB; Python 3.11)
# make golden what every GPU kernel must give, recorded to out/golden; needs no GPU
# make test-gpu    every kernel on the card that is here, compared with these records
# make bench-gpu   the same, then large launches timed next to a copy of as many bytes
# make wheel  sdist and wheels in dist/: one per Python that is here, with the ops of every supported
#             TensorFlow (each is downloaded: 4 GB in all), checked; some Pythons or TensorFlows alone:
#             ARGS='--python 3.11 --tensorflow 2.21.0'
# make test-wheel     these wheels in environments without a compiler (2 GB each, removed again)
# make release        what is in dist/, version, changelog, metadata, README: can it be given away?
# make test-versions  the tests of layers, losses, metrics and package with the oldest and the newest
#             versions of docs/install.md, in environments of their own (4 GB)
# make check-aarch64  compiles and links the ops for aarch64; needs g++-aarch64-linux-gnu
# make soak   half an hour of training, streams, pipelines and exports while much goes wrong (MINUTES=n)
# make test-sanitize    the tests of native code under AddressSanitizer, UBSan and ThreadSanitizer (hours;
#             ARGS=--resume goes on where it was stopped)
# make wasm   the chip's simulator for browsers and Node.js, examples/wasm/network.wasm; needs clang 17 or
#             newer with a C++ library for WebAssembly (docs/serving.md)
# make fuzz   damaged event files, .net and .nir for ten minutes (SECONDS=n SEED=n); fuzz-guided: by
#             coverage, with the package atheris in an environment of its own (KIND=events|net|nir)
# make clean  removes the virtual environment and everything built

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INTEROP := .interop
BENCH := .bench
DOCS := .docs
PACKAGING := .packaging
REQUIREMENTS := tests/interop/requirements
OUT ?= out
SOURCES := pyproject.toml setup.py keras_slayer/supported.py keras_slayer/ops/build.py \
	keras_slayer/ops/record.py \
	$(shell find keras_slayer/ops/csrc keras_slayer/export/csrc keras_slayer/events/csrc -type f)
# How many processes run the tests: one per core, four at most. Each takes up to 3 GB.
WORKERS ?= auto

.PHONY: demo test test-interop lint docs bench bench-peers golden test-gpu bench-gpu clean \
	wheel test-wheel release test-versions check-aarch64 soak test-sanitize fuzz fuzz-guided \
	wasm
export TF_CPP_MIN_LOG_LEVEL ?= 3

demo: $(VENV)/.installed
	$(BIN)/python examples/nmnist.py --neuron loihi --output $(OUT)/demo $(ARGS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

test-interop: $(VENV)/.installed $(INTEROP)/peers/.installed $(INTEROP)/nengo/.installed \
		$(INTEROP)/tonic/.installed $(INTEROP)/xylo/.installed
	KERAS_SLAYER_INTEROP=$(INTEROP) $(BIN)/python -m pytest tests/interop $(ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# Not with --quiet: MkDocs then counts no warnings, and a broken link would pass.
docs: $(DOCS)/.installed $(OUT)/docs/notebooks/.run
	KERAS_SLAYER_NOTEBOOKS=$(OUT)/docs/notebooks NO_MKDOCS_2_WARNING=1 PYTHONPATH=docs/site \
		$(DOCS)/bin/mkdocs build --strict --site-dir $(abspath $(OUT))/docs/site
	@echo "$(OUT)/docs/site/index.html: open it in a browser; search works there, too"

bench: $(VENV)/.installed
	for name in import_time neurons synapses training_step data_path; do \
		$(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; done
	if test -e $(INTEROP)/peers/.installed; then \
		$(BIN)/python benchmarks/simulator.py --peers $(INTEROP) $(ARGS); \
	else echo "No simulator benchmark: the lava environment is not there (make test-interop)."; fi

bench-peers: $(VENV)/.installed $(BENCH)/lava/.installed $(BENCH)/spikingjelly/.installed \
		$(BENCH)/jax/.installed
	for w in w1 w2 w3 w4; do $(BIN)/python benchmarks/against_peers.py $$w $(ARGS) || exit 1; done
	for a in steps batch density; do $(BIN)/python benchmarks/growth.py $$a || exit 1; done
	$(BIN)/python benchmarks/report.py

golden: $(VENV)/.installed
	$(BIN)/python tests/gpu/golden.py $(OUT)/golden

test-gpu: golden
	$(BIN)/python benchmarks/gpu/run.py $(OUT)/golden --check-only

bench-gpu: golden
	$(BIN)/python benchmarks/gpu/run.py $(OUT)/golden --output $(OUT)/gpu.json

wheel: $(PACKAGING)/.installed
	$(PACKAGING)/tools/bin/python packaging/build_wheels.py --cache $(PACKAGING)/cache $(ARGS)

test-wheel: $(PACKAGING)/.installed
	$(PACKAGING)/tools/bin/python packaging/try_wheels.py $(ARGS)

release: $(PACKAGING)/.installed
	$(PACKAGING)/tools/bin/python packaging/check_release.py $(ARGS)

test-versions: $(PACKAGING)/.installed
	$(PACKAGING)/tools/bin/python packaging/run_versions.py --folder $(PACKAGING) $(ARGS)

check-aarch64: $(PACKAGING)/.installed
	$(PACKAGING)/tools/bin/python packaging/cross_compile.py --cache $(PACKAGING)/cache $(ARGS)

$(PACKAGING)/.installed: packaging/requirements.txt
	$(PYTHON) -m venv --clear $(PACKAGING)/tools
	$(PACKAGING)/tools/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

soak: $(VENV)/.installed
	$(BIN)/python -m soak --minutes $(or $(MINUTES),30) --output $(OUT)/soak $(ARGS)

test-sanitize: $(VENV)/.installed
	for one in address thread; do \
		$(BIN)/python tests/sanitize/watched.py $$one --output $(OUT)/sanitize $(ARGS) || exit 1; done

wasm:
	$(MAKE) -C examples/wasm INCLUDE=$(abspath keras_slayer/export/csrc)

fuzz: $(VENV)/.installed
	$(BIN)/python tests/fuzz/fuzzing.py --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0) \
		--output $(OUT)/fuzz $(ARGS)

fuzz-guided: $(VENV)/.installed
	test -x .fuzz/bin/python || $(BIN)/python -m venv --system-site-packages .fuzz
	.fuzz/bin/python -m pip install --quiet --disable-pip-version-check 'atheris>=3'
	PYTHONPATH=$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))") \
		.fuzz/bin/python tests/fuzz/fuzz_guided.py $(or $(KIND),events) $(OUT)/fuzz/guided \
		-max_total_time=$(or $(SECONDS),600) $(ARGS)

# TensorFlow first, so that the install finds it and compiles the ops for it.
$(VENV)/.installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check tensorflow
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# An environment of its own: the site needs neither TensorFlow nor this package.
$(DOCS)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --group docs
	touch $@

$(OUT)/docs/notebooks/.run: $(VENV)/.installed $(wildcard docs/notebooks/*) \
		$(shell find keras_slayer -name '*.py')
	$(BIN)/python docs/notebooks/run.py --output $(OUT)/docs/notebooks
	touch $@

# From scratch each time, so that a broken-off install or an old package is not left behind.
$(INTEROP)/peers/.installed: $(REQUIREMENTS)-peers.txt $(REQUIREMENTS)-lava.txt $(REQUIREMENTS)-nir.txt
	$(PYTHON) -m venv --clear $(INTEROP)/peers
	$(INTEROP)/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)-peers.txt
	$(INTEROP)/peers/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --ignore-requires-python -r $(REQUIREMENTS)-lava.txt -r $(REQUIREMENTS)-nir.txt
	touch $@

$(INTEROP)/nengo/.installed: $(REQUIREMENTS)-nengo.txt
	$(PYTHON) -m venv --clear $(INTEROP)/nengo
	$(INTEROP)/nengo/bin/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)-nengo.txt
	touch $@

$(INTEROP)/tonic/.installed: $(REQUIREMENTS)-tonic.txt
	$(PYTHON) -m venv --clear $(INTEROP)/tonic
	$(INTEROP)/tonic/bin/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)-tonic.txt
	touch $@

$(INTEROP)/xylo/.installed: $(REQUIREMENTS)-xylo.txt
	$(PYTHON) -m venv --clear $(INTEROP)/xylo
	$(INTEROP)/xylo/bin/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)-xylo.txt
	touch $@

$(BENCH)/lava/.installed: benchmarks/requirements-lava.txt $(REQUIREMENTS)-lava.txt
	$(PYTHON) -m venv --clear $(BENCH)/lava
	$(BENCH)/lava/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-lava.txt
	$(BENCH)/lava/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --ignore-requires-python -r $(REQUIREMENTS)-lava.txt
	touch $@

$(BENCH)/spikingjelly/.installed: benchmarks/requirements-spikingjelly.txt
	$(PYTHON) -m venv --clear $(BENCH)/spikingjelly
	$(BENCH)/spikingjelly/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-spikingjelly.txt
	touch $@

$(BENCH)/jax/.installed: benchmarks/requirements-jax.txt
	$(PYTHON) -m venv --clear $(BENCH)/jax
	$(BENCH)/jax/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-jax.txt
	touch $@

clean:
	rm -rf $(VENV) $(INTEROP) $(BENCH) $(DOCS) $(PACKAGING) .fuzz build dist *.egg-info keras_slayer/ops/_native-* keras_slayer/export/_simulator*.so keras_slayer/events/_decoders*.so
