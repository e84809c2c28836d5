# Two commands for everybody: `make demo` and `make test`. The rest is for maintainers.
# Everything is installed into .venv from hashed requirements; nothing outside it is changed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input
SHELL  := /bin/bash
.SHELLFLAGS := -o pipefail -c

# "12 of 58  fastapi==0.165.0": one line that is written over on a terminal, silence elsewhere.
COUNT = if [ -t 1 ]; then awk -v all=$$(grep -c == requirements/$*.txt) \
	'/^Collecting|already satisfied/ { n++; sub(/^.*(Collecting|satisfied:) /, ""); \
	printf "\r  %3d of %d  %-50.50s", n, all, $$1; fflush() } \
	/^Installing/ { printf "\r  %-62s", "unpacking"; fflush() } END { print "" }'; \
	else cat > /dev/null; fi

.PHONY: help demo test test-matrix test-upstream bench bench-short bench-delivery check docs collector format clean
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo        the CRM example, observed, in this terminal
demo: $(VENV)/demo.stamp
	@$(BIN)/python -m demo

## make test        everything that can run on this machine
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest

## make test-matrix  one app on old and new releases (MATRIX=--short, --all, --write)
test-matrix: $(VENV)/dev.stamp
	$(BIN)/python -m tests.matrix $(MATRIX)

## make test-upstream  contrib's own suites against our stand-ins (UPSTREAM=--write, or a suite)
test-upstream: $(VENV)/dev.stamp
	$(BIN)/python -m tests.upstream $(UPSTREAM)

## make bench       what observing a request costs, beside the peers (BENCH="--only otelier,ddtrace")
bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks overhead $(BENCH)

## make bench-short  the same in little, and a failure where a promise is not kept
bench-short: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks overhead --short $(BENCH)

## make bench-delivery  what arrives when the receiver fails, beside the peers (BENCH=--short)
bench-delivery: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks delivery $(BENCH)

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

# The lists are whole, so nothing is resolved: a release of today cannot change what is installed.
# pip is asked to talk, so that a count can be shown; its errors come through as they are.
$(VENV)/%.stamp: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/$*.txt, once"
	@$(PIP) install --require-hashes --no-deps -r requirements/$*.txt | $(COUNT)
	@$(PIP) install --quiet --no-deps --editable .
	@touch $@
