# Everything starts from an empty clone: each target makes first what it needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
COMPILED := $(VENV)/.compiled
# What was compiled once is compiled again when it has changed.
BUILT := $(wildcard $(COMPILED))
KAFKA := $(VENV)/.kafka
JAVA := $(if $(JAVA_HOME),$(JAVA_HOME)/bin/java,java)

# $(call missing,what is needed,what to do)
missing = { echo "make: $(1): $(2)" >&2; exit 1; }

.PHONY: help
help: ## List the targets
	@sed -nE 's/^([a-z.]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: demo
demo: $(KAFKA) $(BUILT) ## Run the whole pipeline on two shops, or on a log of your own: make demo DATA=FILE
	$(BIN)/pipeline demo $(if $(DATA),--data $(DATA))

.PHONY: test
test: $(KAFKA) $(BUILT) ## Run the tests, on a real Kafka
	$(BIN)/pytest -q -n $(WORKERS)

.PHONY: lint
lint: $(INSTALLED) ## Check style, types, the direction of imports, schemas
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile
	$(BIN)/pipeline schema --check

.PHONY: bench
bench: $(KAFKA) $(COMPILED) ## Measure speed
	$(BIN)/python -m bench

.PHONY: models
models: $(INSTALLED) $(BUILT) ## Run every score's model over the public logs in DATA (../shared/data), beside its anchors
	$(BIN)/python -m bench.models $(if $(DATA),--data $(DATA))

.PHONY: chaos
chaos: $(KAFKA) $(BUILT) ## Kill processes over and over and check that nothing is lost or doubled
	$(BIN)/pytest -q -m chaos

.PHONY: schemas
schemas: $(INSTALLED) ## Write the schemas from the types
	$(BIN)/pipeline schema

.PHONY: dashboard
dashboard: $(INSTALLED) ## Write Grafana's dashboard
	$(BIN)/python deploy/grafana/dashboard.py

.PHONY: clean
clean: ## Remove what was built here; Kafka's jars stay in the user's cache folder
	rm -rf $(VENV) .pipeline dist *__mypyc*.so .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find pipeline -name '*.so' -delete

.PHONY: compiled
compiled: $(COMPILED) ## Compile what folds events, in place; it takes a C compiler and a minute

$(COMPILED): $(INSTALLED) $(shell find pipeline -name '*.py')
	@command -v cc >/dev/null || $(call missing,a C compiler is needed,install one (on Debian: apt install gcc libc6-dev))
	HATCH_BUILD_HOOK_ENABLE_MYPYC=true $(BIN)/python -m hatchling build -t wheel -d $(VENV)/.wheel
	@touch $@

.PHONY: interpreted
interpreted: ## Run the sources again: remove what was compiled
	find pipeline -name '*.so' -delete
	rm -f *__mypyc*.so $(COMPILED)

.venv: $(INSTALLED) ## Create the virtual environment from the locked requirements

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	  || $(call missing,Python 3.11 to 3.13 is needed and $(PYTHON) is not one,install it and run make PYTHON=python3.11)
	@if command -v uv >/dev/null; then \
	  test -x $(BIN)/python || uv venv -q --python "$$(command -v $(PYTHON))" $(VENV); \
	  export VIRTUAL_ENV=$(VENV); \
	  uv pip sync -q --require-hashes requirements.lock; \
	  uv pip install -q --no-deps --no-build-isolation -e .; \
	else \
	  test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	    || $(call missing,$(PYTHON) cannot make a virtual environment,install its venv module (on Debian: apt install python3-venv)); \
	  $(BIN)/python -m pip install -q --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

$(KAFKA): $(INSTALLED) pipeline/kafka/pom.xml pipeline/kafka/jars.sha256
	@version=$$($(JAVA) -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' || true); \
	test "$${version:-0}" -ge 17 \
	  || $(call missing,Java 17 or later is needed and $(JAVA) is $${version:-not there},install it (on Debian: apt install openjdk-17-jre-headless))
	@command -v mvn >/dev/null \
	  || $(call missing,Maven is needed to fetch Kafka and mvn is not there,install it (on Debian: apt install maven))
	$(BIN)/pipeline broker --fetch
	@touch $@
