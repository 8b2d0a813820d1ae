# Everything from a clone: each target sets up the virtual environment it needs, once.
#
#   make chat    open the terminal          make test    all tests, with real models and a real Ray
#   make demo    a scripted conversation    make check   formatting, lint, types, import contracts
#   make bench   the measured budgets       make clean   remove what make built

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: chat demo test check bench setup clean

chat: $(READY)
	@$(BIN)/antiphon chat

demo: $(READY)
	@$(BIN)/python examples/demo.py

test: $(READY)
	@$(BIN)/antiphon models pull
	@$(BIN)/python -m pytest

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(READY)
	@$(BIN)/antiphon models pull
	@for bench in benchmarks/*.py kernels/*/bench.py; do echo "== $$bench"; PYTHONPATH=. $(BIN)/python $$bench || exit 1; done

setup: $(READY)

# torch comes first and through pip: pip honours a local wheel folder (find-links), which uv does not read
# from pip's settings, and a build without CUDA saves gigabytes where there is one.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; a few minutes on a slow line) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv torch
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable '.[voice,sound,ray,diffusers,telemetry,dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
