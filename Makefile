# make demo: install and prove the exits on the sandbox. make test: install and run every test.
PYTHON ?= python3
VENV   := .venv
JOBS   ?= 4# tests wait more than they compute
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs fmt clean

help:           ## What can be made
	@grep -E '^[a-z]+: .*## |^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.runtime  ## Install, start the sandbox, prove the exits, say where the report is
	@$(BIN)/qtops --sandbox proof exit --rounds 3

test: $(VENV)/.dev  ## Install what tests need and run all of them
	$(BIN)/python -m pytest -n $(JOBS)

check: $(VENV)/.dev  ## Lint, types, layers, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/qtops plumbing docs --check

bench: $(VENV)/.dev  ## Benchmarks, each with a baseline measured in the same run
	$(BIN)/python -m benchmarks

docs: $(VENV)/.runtime  ## Regenerate the pages that come from the code
	$(BIN)/qtops plumbing docs

fmt: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:          ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "qtops needs Python 3.11 or newer; make PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module: apt-get install python3-venv"; exit 1; }

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(BIN)/python
	@echo "installing qtops into $(VENV)"
	@$(PIP) install --require-hashes -r requirements/runtime.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime | $(BIN)/python
	@echo "installing what tests and checks need"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@
