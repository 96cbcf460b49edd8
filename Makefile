# Every target first creates the environment that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The commands in dvc.yaml call `python`, which must be that of the environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# DVC can run a stage in another folder, so a relative path is made absolute here. The function
# abspath would split a path that contains a blank; `value` keeps a dollar sign as it is.
ifdef IMDB_ARCHIVE
archive := $(value IMDB_ARCHIVE)
override export IMDB_ARCHIVE := $(if $(filter /%,$(firstword $(archive))),,$(CURDIR)/)$(archive)
endif

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: setup
setup: $(READY) ## create the virtual environment .venv

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 1; }
	@command -v git >/dev/null || { echo "error: git not found; install git"; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < 6e9)' || { echo "error: less than 6 GB free on this disk"; exit 1; }
	@echo "installing the dependencies into $(VENV); this takes a minute or two, only once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: repro
repro: $(READY) ## run the pipeline: all three projects; what is up to date is skipped
	$(BIN)/dvc repro
	@echo
	@$(BIN)/python -m scripts.results_table
	@echo
	@echo "figures:      plots/*.png and plots/1-training.gif"
	@echo "table:        metrics/results.csv"
	@echo "all plots:    make plots writes the page dvc_plots/index.html"
	@echo "experiments:  make experiments compares their parameters and metrics"
	@echo "git status shows what differs from the committed results"

.PHONY: mlp
mlp: $(READY) ## run projects 1 and 2 only, which need no reviews
	$(BIN)/dvc repro mlp_figures mlp_checks
	@echo
	@echo "figures:  plots/1-*.png, plots/1-training.gif and plots/2-*.png"
	@echo "metrics:  metrics/mlp_*.json"

.PHONY: test
test: $(READY) ## check style and types, and run the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: plots
plots: $(READY) ## write the page of all plots, dvc_plots/index.html; works offline
	$(BIN)/python -m scripts.plots_page --out .dvc/tmp/page.html
	$(BIN)/dvc config --local plots.html_template tmp/page.html
	$(BIN)/dvc plots show

.PHONY: notebooks
notebooks: $(READY) ## serve the notebooks on this machine only and print the address; PORT=2718
	$(BIN)/marimo run notebooks --host 127.0.0.1 --port $(or $(PORT),2718) --headless

.PHONY: experiments
experiments: $(READY) ## compare the experiments: parameters and metrics that differ
	$(BIN)/dvc exp show --only-changed --drop '(?!Exp|(numpy|linear|mean|lstm).acc|gain.points|points|mlp|imdb)'

.PHONY: readme
readme: $(READY) ## write the table of results into README.md
	$(BIN)/python -m scripts.results_table README.md

.PHONY: faults
faults: $(READY) ## kill runs and damage inputs at random, for 20 minutes; KILLS=50
	$(BIN)/python -m tests.faults --kills $(or $(KILLS),50)

.PHONY: bench
bench: $(READY) ## compare the speed with other libraries; writes benchmarks/*.md
	$(BIN)/python -m benchmarks.precision
	$(BIN)/python -m benchmarks.optim
	$(BIN)/python -m benchmarks.mlp
	@test -e data/imdb/corpus || { echo "error: no reviews in data/imdb; run make repro first"; exit 1; }
	$(BIN)/python -m benchmarks.tokens
	$(BIN)/python -m benchmarks.mean
	$(BIN)/python -m benchmarks.lstm
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.memory --seconds 60
