# make train: a virtual environment, the sample book, a model that writes. make test: the tests.
# PYTHON=python3.12 make train chooses the interpreter that makes the environment.

PYTHON ?= python3
PROMPT ?= It is a truth universally acknowledged
RUN = tiny

ifeq ($(OS),Windows_NT)
BIN = .venv/Scripts
else
BIN = .venv/bin
endif

.PHONY: train test clean

# Starts the run, or goes on with it: a finished one only writes again.
train: .venv/.installed
	$(BIN)/python -m qwen_pl fit --config configs/$(RUN).yaml --ckpt_path last
	$(BIN)/python -m qwen_pl generate --run $(RUN) --prompt "$(PROMPT)" --seed 1

test: .venv/.installed-tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

.venv/.installed: requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'qwen_pl needs Python 3.10 or newer; name one with PYTHON=')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

.venv/.installed-tests: .venv/.installed tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q -r tests/requirements.txt
	@touch $@

clean:
	rm -rf .venv data/cache
