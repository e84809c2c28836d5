# Two commands for everybody: `make demo` and `make test`. The rest is for maintainers.
# Everything is installed into .venv from hashed requirements; nothing outside it is changed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help demo test check docs collector format clean
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo        the CRM example, observed, in this terminal
demo: $(VENV)/demo.stamp
	@$(BIN)/python -m demo

## make test        everything that can run on this machine
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest

## make check       format, lint and types
check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright

## make docs        write the reference pages from the tables
docs: $(VENV)/dev.stamp
	$(BIN)/otelier settings --markdown > docs/settings.md
	$(BIN)/otelier signals --markdown > docs/signals.md

## make collector   build the OpenTelemetry Collector, once, into the user's cache (needs Go)
collector:
	@collector/build

## make format      apply the formatter and the safe fixes
format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## make clean       remove .venv and what was built
clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "otelier needs Python 3.11 or newer; set it with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/%.stamp: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/$*.txt (once)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar on --require-hashes -r requirements/$*.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@
