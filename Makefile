# One name for each act, in both languages. Needs Python >= 3.11 and, but for `make lab`, Node >= 20.
#
#   make lab HEADLESS=1                    no browser; the address is printed
#   make lab LAB_ARGS="--port=9000"        further options of `jupyter lab`
#   make test PYTEST_ARGS="-x -k target"   further options of pytest

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
LAB_ARGS ?=
PYTEST_ARGS ?=
HEADLESS ?=

# The tests are many small tensors beside a browser: a second thread costs more than it brings. They stay offline.
PYTEST := OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} SALISCOPE_OFFLINE=1 $(BIN)/python -m pytest $(PYTEST_ARGS)
LAB_OPTIONS = $(if $(HEADLESS),--no-browser) $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

# A stamp is older than what it was made from when that has changed since.
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/.peers
MODULES := node_modules/.package-lock.json

.PHONY: help lab dev test test-slow pytest vitest format bundle build bench clean \
  check check-ruff check-pyright check-imports check-js
.DEFAULT_GOAL := help

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

lab: $(INSTALLED) bundle  ## JupyterLab on the quickstart, its cells already run
	$(BIN)/python tools/lab.py $(LAB_OPTIONS)

dev: $(INSTALLED) $(MODULES)  ## JupyterLab on notebooks/; widgets reload when js/ changes
	node build.mjs --watch & watcher=$$!; trap 'kill $$watcher' EXIT; \
	ANYWIDGET_HMR=1 $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $(LAB_OPTIONS)

test:  ## linters, types, vitest, then pytest with notebooks and browser
	@# All of them, also when one fails: a red run says everything that is wrong.
	@$(MAKE) --no-print-directory --keep-going --jobs=1 check vitest pytest

test-slow: $(INSTALLED) bundle  ## the tests marked slow
	$(PYTEST) -m slow

pytest: $(INSTALLED) bundle
	$(PYTEST)

vitest: $(MODULES)
	npm test

check: check-ruff check-pyright check-imports check-js  ## ruff, pyright, import-linter, biome, tsc

check-ruff: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check-pyright: $(INSTALLED)
	$(BIN)/pyright --pythonpath $(BIN)/python

check-imports: $(INSTALLED)
	$(BIN)/lint-imports

check-js: $(MODULES)
	npm run check

format: $(INSTALLED) $(MODULES)  ## what the formatters can mend by themselves
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	node_modules/.bin/biome check --write

bundle: $(INSTALLED)
	@$(BIN)/python hatch_build.py

build: $(INSTALLED)  ## wheel and sdist in dist/
	$(BIN)/python -m build

bench: $(PEERS) bundle  ## side by side with the peers; then every budget of the browser
	$(BIN)/python -m benchmarks --large
	$(BIN)/python -m benchmarks.reduction --large
	$(BIN)/python -m benchmarks.browser

clean:  ## remove what was built; .venv and node_modules stay
	rm -rf dist src/saliscope/static test-results .cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Saliscope needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt hatch_build.py | $(BIN)/python
	@echo "Installing Saliscope and its tools into $(VENV): some minutes the first time."
	$(PIP_INSTALL) --editable ".[dev,models]"
	@# JupyterLab runs a CommonJS script from in there; "type": "module" of our package.json is not for it.
	@echo '{ "type": "commonjs" }' > $(VENV)/package.json
	@# No question about news over the first picture, and no request to the outside.
	$(BIN)/jupyter labextension disable --level=sys_prefix "@jupyterlab/apputils-extension:announcements"
	@touch $@

$(PEERS): $(INSTALLED)
	$(PIP_INSTALL) --editable ".[peers]"
	@touch $@

$(MODULES): package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@
