# Everything a developer or an operator runs; `make` alone lists it.
# Needs make and Python 3.11 or newer; what else is missing is set up in .venv on first use.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=

# Tools run as modules of the environment's own interpreter, by a relative path: it works in any
# folder, and wherever the folder is moved to.
python := .venv/bin/python
pip := $(python) -m pip --quiet --disable-pip-version-check --no-input

# The environment is as old as what it was made from: a changed lock, another folder, another
# interpreter asked for by PYTHON=… make another stamp, and only a missing stamp installs.
asked_version := $(if $(filter command environment,$(firstword $(origin PYTHON))),$(shell { $(PYTHON) --version; } 2>/dev/null || echo none))
key := $(shell { cat pyproject.toml requirements*.lock 2>/dev/null; pwd; echo '$(asked_version)'; } | cksum | tr ' ' '-')
serve_stamp := .venv/serve-$(key).stamp
develop_stamp := .venv/develop-$(key).stamp
# Tests read from a FHIR server that has an environment of its own.
fhir_server := .cache/fhir-server
fhir_server_stamp := $(fhir_server)/installed-$(shell { cat requirements-fhir-server.lock 2>/dev/null; pwd; echo '$(asked_version)'; } | cksum | tr ' ' '-').stamp

# Tests of one group, those in the browser, share a process: it starts one browser.
in_parallel := --numprocesses auto --maxprocesses 4 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup serve test check fix docs snapshots bench coverage lock clean lint format types layers pages

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo 'ARGS="…" is handed on to serve, test, coverage and bench.'

setup: $(develop_stamp) ## prepare .venv (PYTHON=python3.12 chooses the interpreter)
	@echo ".venv is ready"

serve: $(serve_stamp) ## serve on 127.0.0.1, PORT=8000
	@.venv/bin/cds-service serve --port $(PORT) $(ARGS)

test: $(develop_stamp) $(fhir_server_stamp) ## run every test (ARGS="-k taper" narrows)
	$(find_browser)
	@$(python) -m pytest $(in_parallel) $(ARGS)

check: $(develop_stamp) ## lint, format, types, layers, pages: reports everything, changes nothing
	@$(MAKE) --no-print-directory --keep-going lint format types layers pages

fix: $(develop_stamp) ## repair what can be repaired: format, lint
	@$(python) -m ruff check --fix .; status=$$?; $(python) -m ruff format . && exit $$status

docs: $(develop_stamp) ## write the pages about the rules, docs/rules
	@$(python) -m cds_service.cli docs

snapshots: $(develop_stamp) ## record the words of all cards, the coverage of the rules and the requirements afresh
	@$(python) -m tests.snapshots
	@$(python) -m tests.coverage_table
	@$(python) -m tests.contract.conformance

bench: $(develop_stamp) ## run the benchmarks
	@$(python) -m benchmarks $(ARGS)

coverage: $(develop_stamp) $(fhir_server_stamp) ## run every test and print the lines and branches none of them took
	$(find_browser)
	@$(python) -m pytest $(in_parallel) --cov --cov-report=term-missing $(ARGS)

lint: $(develop_stamp)
	@$(python) -m ruff check .

format: $(develop_stamp)
	@$(python) -m ruff format --check .

types: $(develop_stamp)
	@$(python) -m mypy

layers: $(develop_stamp)
	@$(python) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo --cache-dir .cache/import-linter

pages: $(develop_stamp)
	@$(python) -m cds_service.cli docs --check

# Versions published within the last days are passed over: a bad release is usually found by then.
COOL_DOWN ?= 7 days
UPGRADE ?=
resolver := .cache/resolver/bin/python
compile := $(resolver) -m uv --no-config pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --custom-compile-command "make lock" --exclude-newer "$(COOL_DOWN)" $(UPGRADE)

lock: ## resolve the dependencies of pyproject.toml again (UPGRADE=--upgrade moves all to the newest)
	@test -x $(resolver) || $(PYTHON) -m venv .cache/resolver
	@$(resolver) -m pip --quiet --disable-pip-version-check install 'uv>=0.13,<0.14'
	@$(compile) pyproject.toml --output-file requirements.lock
	@$(compile) --group pyproject.toml:build --constraints requirements.lock --output-file requirements-build.lock
	@$(compile) pyproject.toml --group dev --group build --constraints requirements.lock \
		--constraints requirements-build.lock --output-file requirements-dev.lock
	@$(compile) --group pyproject.toml:fhir-server --output-file requirements-fhir-server.lock

clean: ## remove .venv and every cache
	rm -rf .venv .cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -----------------------------------------------------------------------------

version := import sys; print("%d.%d" % sys.version_info[:2])
new_enough := import sys; sys.exit(sys.version_info < (3, 11))
usable := import sys, pip; sys.exit(sys.version_info < (3, 11))

# Keeps an environment that works, unless another interpreter is asked for.
define make_environment
@wanted=$$($(PYTHON) -c '$(version)' 2>/dev/null || echo none); \
present=$$($(python) -c '$(usable)' 2>/dev/null && $(python) -c '$(version)' || echo none); \
if [ "$$present" = none ] || { [ -n '$(asked_version)' ] && [ "$$present" != "$$wanted" ]; }; then \
	if [ "$$wanted" = none ]; then \
		echo 'There is no Python at "$(PYTHON)". Install Python 3.11 or newer, or name one: make PYTHON=python3.12 …' >&2; \
		exit 1; \
	fi; \
	if ! $(PYTHON) -c '$(new_enough)'; then \
		echo "$(PYTHON) is Python $$wanted, and 3.11 or newer is needed. Install one and name it: make PYTHON=python3.12 …" >&2; \
		exit 1; \
	fi; \
	if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		package="python$$wanted-venv"; \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "Python $$wanted cannot make environments: its venv module is a package of its own. On Debian and Ubuntu: sudo apt-get install $$package" >&2; \
			exit 1; \
		fi; \
		echo "installing $$package"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$$package"; } >/dev/null || exit 1; \
	fi; \
	echo "making .venv with Python $$wanted"; \
	$(PYTHON) -m venv --clear .venv; \
fi
endef

# The browser is a package of the system, and installed only where that needs no leave.
define find_browser
@if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'installing chromium, for the tests in the browser'; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } >/dev/null 2>&1 \
			|| echo 'chromium could not be installed: the tests in the browser are skipped' >&2; \
	else \
		echo 'there is no Chromium: the tests in the browser are skipped. On Debian: sudo apt-get install chromium' >&2; \
	fi; \
fi
endef

# The project itself is built by what the locks hold: nothing more is fetched.
install_project = $(pip) install --no-index --no-deps --no-build-isolation --editable .

$(serve_stamp):
	$(make_environment)
	@echo 'installing the locked dependencies'
	@$(pip) install --require-hashes -r requirements.lock
	@$(pip) install --require-hashes -r requirements-build.lock
	@$(install_project)
	@rm -f .venv/*.stamp && touch $@

$(develop_stamp):
	$(make_environment)
	@echo 'installing the locked dependencies, those for development among them'
	@$(pip) install --require-hashes -r requirements-dev.lock
	@$(install_project)
	@rm -f .venv/*.stamp && touch $@ $(serve_stamp)

$(fhir_server_stamp): | $(develop_stamp)
	@echo 'installing the FHIR server that tests read from'
	@$(python) -m venv --clear $(fhir_server)
	@$(fhir_server)/bin/python -m pip --quiet --disable-pip-version-check --no-input install --require-hashes -r requirements-fhir-server.lock
	@touch $@
