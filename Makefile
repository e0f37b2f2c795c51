# Every target sets up what it needs; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Another Kubernetes to run on, for example: make test K8S_VERSION=1.34.4
export K8S_VERSION
# Tests wait more than they compute; those of `make chaos` keep a core busy each.
WORKERS ?= 4
CHAOS_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup tools test chaos model mutants demo bench lint format crds charts manifests permissions released \
  sbom audit pages docs conformance profile lock clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## the virtual environment in .venv, from hash-pinned locks

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

tools: $(READY) ## Helm, Prometheus and checkers, for the tests of charts and manifests
	PYTHONPATH=tests $(BIN)/python -m toolbox

test: $(READY) ## all tests, on a real control plane and a real PostgreSQL
	$(BIN)/neon-sandbox prepare
	PYTHONPATH=tests $(BIN)/python -m toolbox
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n $(WORKERS) tests/unit
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not long" --ignore tests/unit tests

chaos: $(READY) ## the tests that take minutes: a thousand tenants, a whole minute of Neon's limit
	$(BIN)/neon-sandbox prepare
	$(BIN)/pytest -q -n $(CHAOS_WORKERS) -m long --ignore tests/unit tests

model: $(READY) ## the protocol explored, and each broken variant of it: MODEL="--long --trace"
	PYTHONPATH=tests $(BIN)/python -m model $(MODEL)

mutants: $(READY) ## whether the unit tests notice every small change of the code that decides: MUTANTS="core.intent neon.errors"
	PYTHONPATH=tests $(BIN)/python -m mutation $(MUTANTS)

demo: $(READY) ## the whole story in a minute, on this machine
	$(BIN)/neon-sandbox prepare
	$(BIN)/neon-sandbox demo

bench: $(READY) ## what work costs, and waits beside much else; compare ratios, not seconds: BENCH="--help"
	$(BIN)/neon-sandbox prepare
	$(BIN)/python -m neon_sandbox.bench $(BENCH)

profile: $(READY) ## where the operator's time goes, by py-spy: a part of docs/performance.md
	$(BIN)/neon-sandbox prepare
	$(BIN)/python -m neon_sandbox.bench --profile generators/measured/profile.txt

lint: $(READY) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## formats and sorts
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: $(READY) ## regenerates crds/ and the chart's copy from operator/neon_tenants/api
	$(BIN)/python -m neon_tenants.api.crd crds helm/neon-tenant-operator/files/crds

charts: $(READY) ## regenerates the charts' schemas of values and the tables of their READMEs
	PYTHONPATH=. $(BIN)/python -m generators.chart_files

manifests: tools ## regenerates manifests/ from the chart
	PYTHONPATH=tests:. $(BIN)/python -m generators.plain_manifests manifests

permissions: tools ## regenerates the table of permissions in docs/security.md from the chart
	PYTHONPATH=tests:. $(BIN)/python -m generators.permissions_table docs/security.md

released: crds ## records the CRDs as those of this version, for the upgrade promise (docs/upgrade.md)
	@folder=tests/compatibility/released/$$($(BIN)/python -c 'import neon_tenants; print(neon_tenants.__version__)'); \
	mkdir -p $$folder && cp crds/*.yaml $$folder && echo "Recorded in $$folder"

sbom: $(READY) ## the software bill of materials, as dist/sbom.cdx.json
	@mkdir -p dist
	@PYTHON=$(BIN)/python image/sbom.sh dist/sbom.cdx.json && echo "Written to dist/sbom.cdx.json"

audit: $(READY) ## whether anybody knows of a hole in what is locked; it needs the internet
	PYTHONPATH=tests $(BIN)/python -m toolbox.audit requirements/run.txt requirements/build.txt requirements/dev.txt

pages: $(READY) ## regenerates the pages of docs/ that are made from code, tests and measurements
	PYTHONPATH=. $(BIN)/python -m generators.pages

docs: $(READY) ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

conformance: $(READY) ## the emulator's behaviour, asserted on a real account: NEON_API_KEY_FILE=...
	NEON_API_KEY_FILE=$(NEON_API_KEY_FILE) $(BIN)/python -m neon_sandbox.conformance

lock: $(READY) ## updates the lock files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --extra sandbox --group dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header tests/toolbox/checkov/requirements.in \
	  -o tests/toolbox/checkov/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header tests/toolbox/pip-audit/requirements.in \
	  -o tests/toolbox/pip-audit/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --group build -c requirements/dev.txt -o requirements/build.txt

clean: ## removes the virtual environment and caches of tools (not the cached control plane)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
