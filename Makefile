# Start with `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installed without build isolation, so the build backend comes from the lock too.
PIP := $(BIN)/python -m pip --disable-pip-version-check
# torch is pinned but not hashed: a CPU machine and a GPU machine take different builds of one version.
# Installed first, for the packages that need it; the lock then pins what it brought along.
TORCH := torch==2.13.0
# Dependencies of the CUDA build, which torch pins itself.
CUDA_PACKAGES := torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
  nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
  nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink \
  nvidia-nvshmem-cu13 nvidia-nvtx
# Test files that run side by side, each in a process with one thread for torch.
WORKERS ?= 3
# Otherwise each of them, and each command that a test starts, would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Extras stay in the lock; without them pip would look for newer versions of such packages.
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-strip-extras --generate-hashes \
  --no-header \
  $(addprefix --no-emit-package ,$(CUDA_PACKAGES))

.DEFAULT_GOAL := help
.PHONY: help install install-dev fonts demo check lint types contracts test coverage chaos containers \
  gpu lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(VENV)/.installed fonts ## install the huggingtweets command in .venv
install-dev: $(VENV)/.installed-dev fonts ## the same, with the tools for contributors

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install -q $(TORCH)
	$(PIP) install -q --require-hashes -r requirements.lock
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) install -q --require-hashes -r requirements-dev.lock
	@touch $@

fonts: $(VENV)/.installed ## download the picture's fonts into the cache
	@$(BIN)/python -m deployments.fonts

demo: install ## train two sample bots, end to end; SEED=1 trains them with another seed
	$(BIN)/python -m deployments.demo --seed $(or $(SEED),0)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev
	$(BIN)/mypy

contracts: install-dev
	$(BIN)/lint-imports

check: lint types contracts coverage ## exactly what CI runs

test: install-dev ## all tests
	$(PYTEST)

coverage: install-dev ## the same, traced, which takes a quarter longer; 90 % of the lines must run
	$(PYTEST) -p tests.imported_early --cov --cov-report=term:skip-covered

chaos: install-dev ## what takes long: processes that are killed, benchmarks, thousands of examples
	$(BIN)/python -m pytest -m "chaos or slow" -s
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile nightly --timeout 3600 \
	  -n $(WORKERS) --dist loadfile

containers: install-dev ## start the containers for real, once through their life; needs root and Docker
	$(BIN)/python -m tests.infra.containers $(if $(FOLDER),--folder $(FOLDER))

# Without `install`: a GPU machine needs only this checkout, torch, transformers, peft, annotated-types.
gpu: ## check and measure this machine's GPU, minutes; PYTHON=... has a torch for it
	$(PYTHON) -m tests.benchmarks.gpu

lock: install-dev ## resolve the two locks again
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock

clean: ## remove the virtual environment
	rm -rf $(VENV)
