# Two commands matter: `make demo` and `make test`. Both set everything up first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types train train-smoke bench clean

# constraints.txt holds the versions that were tested.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/crossattn heatmap "a red car left of a blue balloon on grass" --seed 7 --output out/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Type checkers cannot follow an editable install of three folders, so a plain one is checked.
types: $(VENV)/.installed
	rm -rf build/types
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target build/types .
	cd build/types && $(abspath $(BIN))/mypy --config-file $(abspath pyproject.toml) -p crossattn

train: $(VENV)/.installed
	$(BIN)/python -m crossattn.pipelines.emoji_sd.train

train-smoke: $(VENV)/.installed
	$(BIN)/python -m crossattn.pipelines.emoji_sd.train --smoke

# The peers that recording is measured against stay out of the project's own environment; give
# diffusers' community pipeline as P2P=pipeline_prompt2prompt.py to measure editing against it.
bench: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .bench -r requirements-bench.txt
	PYTHONPATH=.bench $(BIN)/python samples/bench/recording.py
	$(if $(P2P),$(BIN)/python samples/bench/editing.py $(P2P),@echo "Editing is not measured: give P2P=pipeline_prompt2prompt.py.")
	$(BIN)/python samples/bench/truth.py
	$(BIN)/python samples/bench/editing_truth.py
	$(BIN)/python samples/bench/weights_truth.py
	$(BIN)/python samples/bench/cold_start.py
	$(BIN)/python samples/bench/page.py
	for what in growth bytes engines; do $(BIN)/python samples/bench/batch.py $$what || exit 1; done

clean:
	rm -rf build dist out *.egg-info
