# make demo and make test are all that a bare machine with Python >= 3.11 needs.
PYTHON ?= python3
BIN := .venv/bin
LAUNCH := $(BIN)/accelerate launch --quiet --config_file recipes/accelerate/single.yaml train_hf.py

.PHONY: help setup demo test lint docs clean

help:
	@echo "make demo   set up, make the synthetic demo corpus, train sound, picture and gate on it, compare"
	@echo "make test   set up, run all tests, one on each core"
	@echo "make lint   set up, run ruff and mypy"
	@echo "make docs   set up, make a website of docs/ and of all docstrings in site/"
	@echo "make clean  remove runs/ (demo corpus, checkpoints, decoded clips)"

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "emofusion needs Python >= 3.11; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

demo: setup
	$(BIN)/python -m emofusion.data.demo_corpus runs/demo_corpus --clips_per_actor 36
	$(LAUNCH) recipes/demo.yaml --data_dir runs/demo_corpus --cache_dir runs/cache --resume_from_checkpoint latest
	$(BIN)/python -m emofusion.evaluation.compare --branches runs/demo

test: setup
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs-installed
	$(BIN)/mkdocs build --strict

.venv/docs-installed: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt
	@touch $@

clean:
	rm -rf runs
