# make bench: set up, run the main job.   make test: set up, run every check.   No GPU and no downloaded data needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# repeats of a cell: 5 give intervals and take five times as long
REPEATS ?= 1
RUN := results/runs/$(shell date -u +%Y%m%d-%H%M%S)
# "torch==..." of constraints.txt, installed first and by its exact version: an open request ("torch>=2.6") may bring
# the CUDA build and gigabytes of libraries with it. `make TORCH=...` installs another one, for a GPU machine say.
TORCH ?= $(shell sed -n 's/^torch==/&/p' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help bench test lint docs format setup clean

help:
	@echo "make bench   set up; train EfficientNet-B0 in PyTorch and TensorFlow at 1 and 2 replicas; figures"
	@echo "             REPEATS=5 gives intervals (one repeat decides nothing)"
	@echo "make test    set up; lint, types and all tests (what CI runs)"
	@echo "make lint    the checks of 'make test' that need no run"
	@echo "make docs    set up; the manual as a site in build/docs, every link checked"
	@echo "make format  rewrite the sources in the project's format"
	@echo "make setup   create $(VENV) with the pinned versions"
	@echo "make clean   remove $(VENV) and caches; results stay"

bench: setup
	$(BIN)/bench run --verify --framework both --gpus 1,2 --preset quick --device cpu --repeats $(REPEATS) --out $(RUN)

# Two at a time, a file at a time: most tests wait for processes that they started. Files are begun in the order of
# tests/conftest.py, the longest first; xdist's own puts those with the most tests first, which are short.
test: lint docs
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the generated pages anew, then the site; a link or an anchor that leads nowhere is an error
docs: setup
	$(BIN)/python -m bench.studies.documents --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: setup
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 2; }
	@echo "setup 1/3: virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "setup 2/3: $(TORCH) (minutes)"
	@$(PIP) "$(TORCH)"
	@echo "setup 3/3: TensorFlow, tools and the project itself (minutes)"
	@$(PIP) -c constraints.txt -e '.[pt,tf,ocr,onnx,dev]'
	@touch $@
	@echo "setup done"

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
