# make run and make test need nothing but Python 3.11 or newer, make and a package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The `greenroom` command; what it is made with is locked as well.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
export PYTHONUNBUFFERED := 1

.PHONY: run test quality security-report faults load check format lock clean

run: $(VENV)/.runtime
	$(BIN)/greenroom serve

test: $(VENV)/.development
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

quality: $(VENV)/.development
	$(BIN)/python -m tests.quality.report $(ARGS)

security-report: $(VENV)/.development
	$(BIN)/python -m tests.security.report

faults: $(VENV)/.development
	$(BIN)/python -m tests.faults $(ARGS)

load: $(VENV)/.development
	$(BIN)/python -m tests.load $(ARGS)

check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/typos
	$(BIN)/shellcheck docker/entrypoint.sh .ci/run
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/docker-compose.yml

format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The locks hold names, versions and hashes, for every platform; which index serves them is the machine's business.
lock: $(VENV)/.development
	$(BIN)/uv pip compile pyproject.toml --group install --universal --generate-hashes --no-header --upgrade -q -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header -c requirements.txt -q -o requirements-dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Greenroom needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(INSTALL)
	@touch $@

$(VENV)/.development: requirements-dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(INSTALL)
	@touch $@ $(VENV)/.runtime
