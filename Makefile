# What the project can do, each as one command. `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint bench studies results docs clean

FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# The first Python that fits; another one: make setup PYTHON=/path/to/python3
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Packages are compiled once, by whoever imports them first, and not again in every process.
unexport PYTHONDONTWRITEBYTECODE

help:  ## this list
	@awk -F ':.*## *' '/^[a-z-]+:.*##/ { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: .venv/.setup  ## create .venv and install pliant into it, at the versions in constraints.txt

.venv/.setup: pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c '$(FITS)' 2>/dev/null || { echo "make: no Python 3.11, 3.12 or 3.13 with its venv module found as '$(or $(PYTHON),python3)': install one (Debian, Ubuntu: apt install python3-venv) or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@echo 'installing pliant into .venv: a minute or two'
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[mujoco,metaworld,games,driving,industry,video,tensorboard,dev]'
	@touch $@

demo: setup  ## meta-train on a MuJoCo robot, then adapt to new trials: a table and a picture, in under 6 minutes
	@run=runs/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/pliant train maml half-cheetah-dir --preset demo --out $$run && \
	$(BIN)/pliant evaluate $$run --tasks 10

test: setup  ## ruff, mypy and every test, long ones in their short form: what continuous integration runs
	$(call checked,)

test-all: setup  ## the same with every test at full length: before anything is called done, and when simulators change
	$(call checked,--whole)

# ruff, then mypy beside the tests: a first check of types takes half a minute of one core. Tests run on every core, each process
# in one thread: small tensors wait for threads longer than they compute. All must pass; what mypy finds stands at the end.
define checked
	$(BIN)/ruff check
	@found=$$(mktemp) && { $(BIN)/mypy > $$found 2>&1 & types=$$!; trap 'kill $$types 2>/dev/null; rm -f $$found; exit 130' INT TERM; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal --durations=30 --durations-min=4 $(1); status=$$?; \
	wait $$types || { status=1; cat $$found; }; rm -f $$found; exit $$status; }
endef

lint: setup  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/mypy

bench: setup .venv/.bench  ## the speed benchmarks; results go to benchmarks/results
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/stepping.py
	$(BIN)/python benchmarks/recurrent.py

.venv/.bench: .venv/.setup
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

studies: setup  ## measure again what is out of date of the tracked results: hours; stop it and begin it again as you like
	$(BIN)/python benchmarks/studies.py
	@$(MAKE) results

results: setup  ## the tables and figures of README and docs again, from benchmarks/results
	$(BIN)/python benchmarks/table.py
	$(BIN)/python docs/figures.py
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/house.py

docs: setup .venv/.docs  ## the documentation as a site in site/; to search it: python -m http.server -d site
	$(BIN)/python docs/figures.py
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/house.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/.docs: .venv/.setup
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

clean:  ## remove .venv and caches; runs stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build site src/*.egg-info
