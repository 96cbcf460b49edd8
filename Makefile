# One command a wish; each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The stages say `python`: let that be the environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A copy of IMDB's archive may be named relative to here; stages get the whole path.
ifdef IMDB_ARCHIVE
export IMDB_ARCHIVE := $(abspath $(IMDB_ARCHIVE))
endif

.DEFAULT_GOAL := help

.PHONY: help
help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.PHONY: setup
setup: $(READY) ## make the virtual environment .venv

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 1; }
	@command -v git >/dev/null || { echo "error: git not found; install git"; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < 6e9)' || { echo "error: less than 6 GB free on this disk"; exit 1; }
	@echo "installing the dependencies into $(VENV): a minute or two, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: repro
repro: $(READY) ## run what is out of date of the pipeline: every number and picture
	$(BIN)/dvc repro
	@echo
	@$(BIN)/python -m stages.readme
	@echo
	@echo "pictures: plots/*.png    table: metrics/results.csv    page of all plots: dvc_plots/index.html, by: make plots"
	@echo "compare experiments: $(BIN)/dvc exp show   (see README.md)"
	@echo "git status shows what differs from the committed results: git add -A && git commit keeps it"

.PHONY: test
test: $(READY) ## check style and types, run the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest

.PHONY: plots
plots: $(READY) ## build the page of all plots, dvc_plots/index.html; needs no network
	$(BIN)/python -m stages.common.page --out .dvc/tmp/page.html
	$(BIN)/dvc config --local plots.html_template tmp/page.html
	$(BIN)/dvc plots show

.PHONY: readme
readme: $(READY) ## write the table of results into README.md
	$(BIN)/python -m stages.readme README.md

.PHONY: faults
faults: $(READY) ## kill, starve and feed rubbish to the pipeline, for half an hour; KILLS=50
	$(BIN)/python -m tests.faults --kills $(or $(KILLS),50)

.PHONY: bench
bench: $(READY) ## time networks and data stages against other libraries; benchmarks/*.md
	$(BIN)/python -m benchmarks.mlp
	@test -e data/imdb/vocabulary || { echo "error: no reviews in data/imdb; run make repro first"; exit 1; }
	$(BIN)/python -m benchmarks.tokens
	$(BIN)/python -m benchmarks.mean
	$(BIN)/python -m benchmarks.lstm
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.memory
