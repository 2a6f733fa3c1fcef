# Each target sets up what it needs: Python 3.11+ (with venv) and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready

.PHONY: help demo run test lint format conformance lock clean

help:
	@echo "make demo         hub, two CPOs and two eMSPs over real HTTP: shows and checks what the hub does"
	@echo "make demo KEEP=1  the same, and leaves everything running"
	@echo "make run          the hub alone, on its own PostgreSQL"
	@echo "make test         all tests, on a real PostgreSQL of their own"
	@echo "make lint         format, lint, types, import directions"
	@echo "make conformance  run the tests and write docs/conformance.md"
	@echo "make lock         renew the lock files from pyproject.toml"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "The venv module is missing: on Debian, apt-get install python3-venv" >&2; exit 1; }

$(RUN_READY): $(BIN)/python requirements/run.lock pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . 2>/dev/null || \
		$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(DEV_READY): $(RUN_READY) requirements/dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

demo: $(RUN_READY)
	$(BIN)/python -m ocpi_hub.demo $(if $(KEEP),--keep)

run: $(RUN_READY)
	$(BIN)/ocpi-hub serve

test: $(DEV_READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup

conformance: $(DEV_READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --conformance docs/conformance.md

lint: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url -q -o requirements/run.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url -q -o requirements/dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
