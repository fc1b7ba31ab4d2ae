# `make run` and `make test` are the two commands of README.md: each makes its own environment from the repository's
# own files and needs only Python 3.11 or newer, a C compiler and make.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
MINIMUM_PYTHON := (3, 11)

# A stamp says that the environment was made after the last change of its recipe.
TEST_STAMP := $(VENV)/.stamp-test
DEV_STAMP := $(VENV)/.stamp-dev
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DELETE_ON_ERROR:
.PHONY: run test lint format types ci clean help

help:
	@echo 'make run    look for divergences on the default target, bounded in time   (ARGS="..." goes to twinheap run)'
	@echo 'make test   run the test suite                                            (ARGS="..." goes to pytest)'
	@echo 'make lint   ruff check and ruff format --check       make format   let ruff mend both'
	@echo 'make types  mypy --strict on the installed wheel     make ci       everything that CI runs'
	@echo 'make clean  remove the environment, caches and build products'

run: $(TEST_STAMP)
	$(BIN)/twinheap run $(ARGS)

test: $(TEST_STAMP)
	$(BIN)/python -P -m pytest -n auto --dist loadfile $(ARGS)

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types:
	PYTHON=$(PYTHON) .ci/types

ci:
	PYTHON=$(PYTHON) .ci/run

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < $(MINIMUM_PYTHON))' \
		|| { echo 'TwinHeap needs Python 3.11 or newer: make PYTHON=/path/to/python3.11'; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(TEST_STAMP): pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test]'
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[dev]'
	@touch $@ $(TEST_STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
