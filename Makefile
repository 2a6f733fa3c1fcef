# Each target sets up what it needs: Python 3.11+ (with venv) and make are enough.
# The distribution's Python where it will do: it is built with profile-guided optimisation, and the hub
# needs about a quarter less time on it than on one that was compiled with the defaults.
PYTHON ?= $(shell for python in /usr/bin/python3 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	{ echo $$python; exit; }; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
# A stamp is written when its step is complete. pip may leave half a package behind when it is
# interrupted, so an installation that did not reach its end starts over in a new virtualenv.
VENV_READY := $(VENV)/.venv-ready
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
UNFINISHED := $(VENV)/.unfinished

# Wheels only: nothing is compiled. Hashes: exactly the files that were locked.
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check
INSTALL_LOCKED := $(INSTALL) --only-binary :all: --require-hashes
# They wait for processes as often as they compute, so there are more of them than cores; a file's
# tests stay together: they share a hub. In their order, with the many short unit tests last:
# xdist's own order ends with the files of few tests, which are the long ones, one core idle.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links -q

.PHONY: help demo run test soak lint format conformance docs bench lock clean

help:
	@echo "make demo         hub, three CPOs and two eMSPs over real HTTP: shows and checks what the hub does"
	@echo "make demo KEEP=1  the same, and leaves everything running"
	@echo "make run          the hub alone, on its own PostgreSQL"
	@echo "make test         all tests, on a real PostgreSQL of their own"
	@echo "make soak         fault and property tests at full length, half an hour"
	@echo "make lint         format, lint, types, import directions"
	@echo "make format       rewrite the files as lint wants them"
	@echo "make conformance  run the tests and write docs/conformance.md"
	@echo "make docs         write docs/routing.md: what becomes of each message, asked of the code"
	@echo "make bench        measure against baselines and gates; BENCH='relay --json FILE' for parts"
	@echo "make lock         renew the lock files from pyproject.toml"
	@echo "make clean        remove the virtualenv and every cache"

# After an interrupted installation the virtualenv is made anew, whatever the times of the stamps.
ifneq ($(wildcard $(UNFINISHED)),)
.PHONY: $(VENV_READY)
endif

$(VENV_READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || \
		{ echo "The venv module is missing: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(RUN_READY): requirements/run.lock pyproject.toml $(VENV_READY)
	@echo "Installing the hub into $(VENV) (about a minute, once)"
	@touch $(UNFINISHED)
	@$(INSTALL_LOCKED) -r requirements/run.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@rm $(UNFINISHED)
	@touch $@

$(DEV_READY): requirements/dev.lock $(RUN_READY)
	@echo "Installing the development tools into $(VENV)"
	@touch $(UNFINISHED)
	@$(INSTALL_LOCKED) -r requirements/dev.lock
	@rm $(UNFINISHED)
	@touch $@

demo: $(RUN_READY)
	@$(BIN)/python -m ocpi_hub.demo $(if $(KEEP),--keep)

run: $(RUN_READY)
	$(BIN)/ocpi-hub serve

test: $(DEV_READY)
	$(BIN)/python -m pytest $(PARALLEL)

soak: $(DEV_READY)
	THOROUGH=1 $(BIN)/python -m pytest --timeout 1800 tests/fault tests/property tests/e2e/test_demo.py

conformance: $(DEV_READY)
	$(BIN)/python -m pytest $(PARALLEL) --conformance=docs/conformance.md

docs: $(DEV_READY)
	$(BIN)/python -m tests.support.routing_page
	$(BIN)/python -m tests.support.authorization_page
	$(BIN)/python -m tests.support.check_page

bench: $(DEV_READY)
	@$(BIN)/python -m tests.bench $(BENCH)

lint: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV_READY)
	$(INSTALL) uv
	$(COMPILE) --group build -o requirements/run.lock
	$(COMPILE) --group build --group dev -c requirements/run.lock -o requirements/dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
