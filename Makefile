# Everything a person or a machine does with this project. Only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
LANDING ?= landing
WAREHOUSE ?= warehouse
export DAGSTER_HOME := $(CURDIR)
export TRUST_LANDING := $(abspath $(LANDING))
export TRUST_WAREHOUSE := $(abspath $(WAREHOUSE))

.PHONY: run ui test check lock docs validity bench-models clean

run: $(STAMP) ## one night; simulates a small company first where there is no landing zone
	@test -d "$(TRUST_LANDING)" || { \
		echo "No landing zone at $(LANDING): simulating a company of 1,000 customers (simulated data, in simulated/)."; \
		$(BIN)/trust simulate simulated --customers 1000 --days 730 --seed 1 --overwrite && \
		cp -R simulated/landing "$(TRUST_LANDING)"; }
	@$(BIN)/trust run

ui: $(STAMP) ## Dagster's pages on 127.0.0.1:3000
	$(BIN)/dg dev --host 127.0.0.1 --port 3000

test: check ## everything: check, then every test
	$(BIN)/pytest -n 2 --dist loadfile

check: $(STAMP) ## style, types, layering, SQL, definitions: under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint -q sql
	$(BIN)/python -m data_contracts.documentation | diff -q - docs/reference/contracts.md
	$(BIN)/dg check defs

docs: $(STAMP) ## regenerate the reference pages
	$(BIN)/python -m data_contracts.documentation > docs/reference/contracts.md

validity: $(STAMP) ## regenerate the validity pages: simulates five companies, some ten minutes
	$(BIN)/python -m pipelines.validity_study --customers 20000 --days 1095 --seed 1 --out docs

bench-models: $(STAMP) ## speed and memory of the models at full size, in the terminal
	$(BIN)/python benchmarks/models.py

lock: $(STAMP) ## resolve the dependencies anew: hashes, no addresses
	$(BIN)/uv pip compile pyproject.toml --extra ui --extra dev --universal --generate-hashes \
		--no-emit-index-url --python-version 3.11 --upgrade --quiet --custom-compile-command "make lock" -o requirements.lock

clean: ## remove what was made, but no data
	rm -rf $(VENV) .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

# The environment is made anew only when the lock or the project's own metadata changes.
$(STAMP): requirements.lock pyproject.toml
	@echo "Making the environment in $(VENV) (once, a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)
