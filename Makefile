# make demo and make test are all that a bare machine with Python >= 3.11 needs.
PYTHON ?= python3
BIN := .venv/bin
LAUNCH := $(BIN)/accelerate launch --quiet --config_file recipes/accelerate/single.yaml train_hf.py

SHARED ?= ../shared# voices, photographs of faces, and the tool that pairs them, for `make model`

.PHONY: help setup demo test model lint docs clean

help:
	@echo "make demo   set up, make the synthetic demo corpus, train sound, picture and gate on it, compare"
	@echo "make test   set up, run all tests, one on each core"
	@echo "make model  set up, train the model in models/emofusion-small again (about two hours of one core, from what lies in SHARED)"
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

model: setup
	$(BIN)/python $(SHARED)/tools/make_paired_corpus.py runs/model/paired --actors 1-20 --face-splits test
	$(LAUNCH) recipes/faces.yaml --data_dir $(SHARED)/data/fer2013.zip --cache_dir runs/model/cache \
	  --output_dir runs/model/faces --resume_from_checkpoint latest
	$(LAUNCH) recipes/audio_cnn.yaml --data_dir $(SHARED)/data/ravdess --protocol msaf6 --cross_validate \
	  --cache_dir runs/model/cache --output_dir runs/model/voices --release runs/model/voices_of_all
	$(LAUNCH) recipes/small.yaml --data_dir runs/model/paired --protocol msaf6 --cross_validate \
	  --cache_dir runs/model/cache --output_dir runs/model/small --release models/emofusion-small --release_dtype float16

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
