# Two commands matter: `make demo` and `make test`. Both set everything up first.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Cores that tests take.
CORES ?= 2
# Where the benchmarks keep what they print; on a machine with a GPU, docs/measured/gpu.
MEASURED ?= docs/measured/cpu

# What pip and setuptools say to those who know them looks like a fault to others.
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_WARN_SCRIPT_LOCATION := 1
PIP := PYTHONWARNINGS=ignore $(BIN)/pip --quiet --disable-pip-version-check

.PHONY: demo test quick lint types docs docs-pictures release train train-smoke bench clean

# constraints.txt holds the versions that were tested.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip -c constraints.txt
	$(PIP) install -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/crossattn heatmap "a red car left of a blue balloon on grass" --seed 7 --output out/demo

# Tests of the page wait for it half of their time: twice as many processes as cores.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $$((2 * $(CORES)))

# No page, training, Ray, packaging nor other processes.
quick: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(CORES) -m "not slow" --ignore=tests/ui/browser

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Type checkers cannot follow an editable install of three folders, so a plain one is checked.
types: $(VENV)/.installed
	rm -rf build/types
	$(PIP) install --no-deps --target build/types .
	cd build/types && $(abspath $(BIN))/mypy --config-file $(abspath pyproject.toml) -p crossattn

# The site, in site/: it asks nothing of any other host.
docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# The pictures of the gallery and the tables of "Measured".
docs-pictures: $(VENV)/.installed
	$(BIN)/python docs/make_gallery.py
	$(BIN)/python docs/make_measured.py

# A wheel and a source archive in dist/, looked into, installed afresh and run.
release: $(VENV)/.installed
	$(BIN)/python samples/release.py

train: $(VENV)/.installed
	$(BIN)/python -m crossattn.pipelines.emoji_sd.train

train-smoke: $(VENV)/.installed
	$(BIN)/python -m crossattn.pipelines.emoji_sd.train --smoke

# The peers that recording is measured against stay out of the project's own environment; give
# diffusers' community pipeline as P2P=pipeline_prompt2prompt.py to measure editing against it.
bench: $(VENV)/.installed
	$(PIP) install --no-deps --upgrade --target .bench -r requirements-bench.txt
	mkdir -p $(MEASURED)
	PYTHONPATH=.bench $(BIN)/python samples/bench/recording.py | tee $(MEASURED)/recording.md
	$(BIN)/python samples/bench/launches.py | tee $(MEASURED)/launches.md
	$(if $(P2P),$(BIN)/python samples/bench/editing.py $(P2P) | tee $(MEASURED)/editing.md,@echo "Editing is not measured: give P2P=pipeline_prompt2prompt.py.")
	$(BIN)/python samples/bench/truth.py | tee $(MEASURED)/truth.md
	$(BIN)/python samples/bench/editing_truth.py | tee $(MEASURED)/editing_truth.md
	$(BIN)/python samples/bench/weights_truth.py | tee $(MEASURED)/weights_truth.md
	$(BIN)/python samples/bench/prompts_truth.py | tee $(MEASURED)/prompts_truth.md
	$(BIN)/python samples/bench/pictures_truth.py | tee $(MEASURED)/pictures_truth.md
	$(BIN)/python samples/bench/pictures_cost.py | tee $(MEASURED)/pictures_cost.md
	$(BIN)/python samples/bench/cold_start.py | tee $(MEASURED)/cold_start.md
	$(BIN)/python samples/bench/page.py | tee $(MEASURED)/page.md
	for what in growth bytes engines; do $(BIN)/python samples/bench/batch.py $$what || exit 1; done | tee $(MEASURED)/batch.md
	$(BIN)/python docs/make_measured.py

clean:
	rm -rf build dist out site *.egg-info
