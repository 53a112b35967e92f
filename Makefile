# `make demo` and `make test` do everything on a machine with Python 3.11 or later and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

# Hundreds of processes start in the tests; without compiled modules each would compile them again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint types wheel-test bench browser clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/.demo  ## train, watch it overfit, stop, advise, and try the advice
	$(BIN)/overfit-monitor demo

test: lint unit wheel-test  ## everything CI runs

unit: $(VENV)/.dev browser  ## all tests, real frameworks and a real browser included
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev  ## style, types and the arrows of the architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy --num-workers 2

types:  ## check the types of the pages' modules with TypeScript (needs npm)
	@npx --yes -p typescript@5.9.3 tsc -p overfit_monitor/view/jsconfig.json | grep -v '/vendor/\|^ ' | grep . && exit 1 || echo "types fit"

wheel-test: $(VENV)/.dev  ## build the wheel and run against it what depends on it, from another folder
	$(BIN)/python tests/wheel.py

bench: $(VENV)/.dev  ## print the tables that the documentation quotes
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

browser:  ## install Chromium where that is allowed
	@sh tests/install_browser.sh

clean:  ## remove everything that make made
	rm -rf $(VENV) .venv-* build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/pip pyproject.toml constraints.txt
	@echo "installing overfit-monitor with PyTorch and TensorBoard into $(VENV) (once)"
	$(PIP) install --constraint constraints.txt --editable '.[demo]'
	@touch $@

# Most of these modules are never imported; the others are compiled when they first are.
$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	@echo "installing overfit-monitor with everything its tests need into $(VENV) (once)"
	$(PIP) install --no-compile --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.demo
