# Everything a person or a machine does with this project. Only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
READERS := .venv-readers
PAGES := .venv-docs
PEERS := .venv-peers
SPARK := .venv-spark
SLOW ?= tests
LANDING ?= landing
WAREHOUSE ?= warehouse
export DAGSTER_HOME := $(CURDIR)
export TRUST_LANDING := $(abspath $(LANDING))
export TRUST_WAREHOUSE := $(abspath $(WAREHOUSE))

.PHONY: run ui test test-slow check lock sbom audit docs lock-docs superset screenshots validity bench bench-models readers-env spark-env lock-peers lock-readers lock-spark clean

run: $(STAMP) ## one night; simulates a small company first where there is no landing zone
	@test -d "$(TRUST_LANDING)" || { \
		echo "No landing zone at $(LANDING): simulating a company of 1,000 customers (simulated data, in simulated/)."; \
		$(BIN)/trust simulate simulated --customers 1000 --days 730 --seed 1 --overwrite && \
		cp -R simulated/landing "$(TRUST_LANDING)"; }
	@$(BIN)/trust run

ui: $(STAMP) ## Dagster's pages on 127.0.0.1:3000
	@umask 077; $(BIN)/dg dev --host 127.0.0.1 --port 3000

test: check ## check, then every test but the slow ones: some minutes
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-slow: $(STAMP) $(READERS)/.locked $(SPARK)/.locked ## kills, full disks, fuzzers, other readers, whole nights: some half an hour
	$(BIN)/pytest -n 2 --dist loadfile -m slow $(SLOW)

check: $(STAMP) ## style, types, layering, SQL, definitions: under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint -q sql
	$(BIN)/python -m data_contracts.documentation | diff -q - docs/reference/contracts.md
	$(BIN)/python -m pipelines.code_reference | diff -q - docs/reference/models.md
	$(BIN)/dg check defs

docs: $(STAMP) $(PAGES)/.locked ## regenerate the reference, and build the pages: open site/index.html
	$(BIN)/python -m data_contracts.documentation > docs/reference/contracts.md
	$(BIN)/python -m pipelines.code_reference > docs/reference/models.md
	$(PAGES)/bin/zensical build --strict --clean

$(PAGES)/.locked: requirements-docs.lock
	@test -x $(PAGES)/bin/python || $(PYTHON) -m venv $(PAGES)
	@$(PAGES)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

lock-docs: $(STAMP) ## resolve what builds the pages anew: hashes, no addresses
	$(BIN)/uv pip compile requirements-docs.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --upgrade --quiet --custom-compile-command "make lock-docs" -o requirements-docs.lock

superset: $(STAMP) ## the ready dashboard for Superset; DATABASE=/path/of/bi.duckdb as Superset sees it
	@$(BIN)/python -m pipelines.bi.superset_bundle "$(or $(DATABASE),$(TRUST_WAREHOUSE)/bi.duckdb)" superset-dashboard.zip

screenshots: $(STAMP) ## take the pictures of the docs anew, of a simulated company; needs chromium: some minutes
	$(BIN)/python tests/reliability/screenshots.py docs/images

validity: $(STAMP) ## regenerate the validity pages: simulates five companies, some ten minutes
	$(BIN)/python -m pipelines.validity.validity_study --customers 20000 --days 1095 --seed 1 --out docs

bench: $(STAMP) $(PEERS)/.locked ## the night beside its yardsticks, on simulated data; SIZE=1M, 10M or 100M
	$(BIN)/python benchmarks/bench.py --purchases $(or $(SIZE),1M) --append docs/performance.md

$(PEERS)/.locked: requirements-peers.lock
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

lock-peers: $(STAMP) ## resolve the yardsticks of the benchmark anew: hashes, no addresses
	$(BIN)/uv pip compile requirements-peers.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --upgrade --quiet --custom-compile-command "make lock-peers" -o requirements-peers.lock

bench-models: $(STAMP) ## speed and memory of the models at full size, in the terminal
	$(BIN)/python benchmarks/models.py

lock: $(STAMP) ## resolve the dependencies anew: hashes, no addresses
	$(BIN)/uv pip compile pyproject.toml --extra ui --extra dev --universal --generate-hashes \
		--no-emit-index-url --python-version 3.11 --upgrade --quiet --custom-compile-command "make lock" -o requirements.lock

readers-env: $(READERS)/.locked ## DuckDB 1.x and SQLAlchemy, as BI tools read: for the slow tests of readers

$(READERS)/.locked: requirements-readers.lock
	@test -x $(READERS)/bin/python || $(PYTHON) -m venv $(READERS)
	@$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

lock-readers: $(STAMP) ## resolve what other readers use anew: hashes, no addresses
	$(BIN)/uv pip compile requirements-readers.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --upgrade --quiet --custom-compile-command "make lock-readers" -o requirements-readers.lock

spark-env: $(SPARK)/.locked ## the environment with Spark laid over it: for trust run --engine spark and its tests; needs Java 17

# What is in $(VENV) is not installed twice: the second environment sees the first.
$(SPARK)/.locked: requirements-spark.lock $(STAMP)
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	@$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
		> "$$($(SPARK)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/environment.pth"
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

lock-spark: $(STAMP) ## resolve Spark anew, to the versions of requirements.lock: hashes, no addresses
	$(BIN)/uv pip compile requirements-spark.in -c requirements.lock --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --upgrade --quiet --custom-compile-command "make lock-spark" -o requirements-spark.lock

sbom: $(STAMP) ## what the lock installs, as a CycloneDX bill of materials: sbom.json
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json

audit: $(STAMP) ## are holes known in the locked dependencies? says so where nobody could be asked
	$(BIN)/python deploy/audit.py requirements.lock

clean: ## remove what was made, but no data
	rm -rf $(VENV) $(READERS) $(PAGES) $(PEERS) $(SPARK) site .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

# The environment is made anew only when the lock or the project's own metadata changes.
$(STAMP): requirements.lock pyproject.toml
	@echo "Making the environment in $(VENV) (once, a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)
