# make train: a virtual environment, the sample book, a model that writes. make test: the tests.
# make test-oldest: the core of them with the lowest versions that pyproject.toml promises.
# make gpu-check: all that only a GPU can show, and how fast it is there, in eight minutes.
# PYTHON=python3.12 make train chooses the interpreter that makes the environment.

PYTHON ?= python3
PROMPT ?= It is a truth universally acknowledged
RUN = tiny

ifeq ($(OS),Windows_NT)
BIN = .venv/Scripts
else
BIN = .venv/bin
endif

# What touches a library whose lowest version is promised; the rest of the tests is plain Python.
CORE = tests/model tests/generation tests/training tests/run tests/commands tests/export \
  tests/data/pdf tests/data/tokens tests/data/batches tests/data/prepare tests/data/test_datamodule.py \
  tests/serving tests/test_runs.py tests/test_resume.py tests/test_elastic.py tests/test_bad_input.py \
  tests/test_configs.py tests/test_from_pretrained.py tests/test_made_before.py tests/test_private_names.py

.PHONY: train test test-oldest gpu-check clean

# Starts the run, or goes on with it: a finished one only writes again.
train: .venv/.installed
	$(BIN)/python -m qwen_pl fit --config configs/$(RUN).yaml --ckpt_path last
	$(BIN)/python -m qwen_pl generate --run $(RUN) --prompt "$(PROMPT)" --seed 1

test: .venv/.installed-tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --durations=20

gpu-check: .venv/.installed-tests
	$(BIN)/python -m benchmarks.gpu_check --out benchmarks/results/gpu.json

test-oldest: .venv-oldest/.installed
	OMP_NUM_THREADS=1 $(subst .venv,.venv-oldest,$(BIN))/python -m pytest -n auto --dist worksteal $(CORE)

.venv/.installed: requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'qwen_pl needs Python 3.10 or newer; name one with PYTHON=')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

.venv/.installed-tests: .venv/.installed tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q -r tests/requirements.txt
	@touch $@

# Some gigabytes: what a package index has of older versions of PyTorch may be for GPUs alone.
.venv-oldest/.installed: pyproject.toml tests/oldest.py
	$(PYTHON) -m venv .venv-oldest
	$(PYTHON) tests/oldest.py ocr hf gguf serve > .venv-oldest/requirements.txt
	$(subst .venv,.venv-oldest,$(BIN))/python -m pip install --disable-pip-version-check -q -r .venv-oldest/requirements.txt pytest pytest-xdist hypothesis httpx openai
	@touch $@

clean:
	rm -rf .venv .venv-oldest data/cache
