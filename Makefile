# `make check` is what has to pass before a change lands. CONTRIBUTING.md tells the rest.

BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
SHELL_SCRIPTS := $(shell grep -lm1 '^\#!.*sh$$' scripts/* .ci/* 2>/dev/null)

.PHONY: check lint format test docs lock

check: lint test

lint: | $(BIN)/snapshelf
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	for script in $(SHELL_SCRIPTS); do bash -n "$$script" || exit 1; done

format: | $(BIN)/snapshelf
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test:
	./scripts/test

# What in docs/ is made by the code: tables, and drawings of the schedules.
docs: | $(BIN)/snapshelf
	$(BIN)/python -W ignore -m docs.drawings
	$(BIN)/python -W ignore -m docs.tables

# Keeps the versions that are locked already; `make lock UPGRADE=--upgrade` takes the newest.
lock: | $(BIN)/snapshelf
	$(LOCK) $(UPGRADE) pyproject.toml --all-extras -o requirements.lock
	$(LOCK) $(UPGRADE) infra/lambda_runtime.in -o infra/lambda_runtime.lock
	$(LOCK) $(UPGRADE) --no-deps infra/function_libraries.in -o infra/function_libraries.lock
	$(LOCK) $(UPGRADE) -c requirements.lock infra/docker/inference.in -o infra/docker/inference.lock
	$(LOCK) $(UPGRADE) -c requirements.lock infra/docker/training.in -o infra/docker/training.lock
	$(LOCK) $(UPGRADE) scripts/bootstrap.in -o scripts/bootstrap.lock

$(BIN)/snapshelf:
	./scripts/install
