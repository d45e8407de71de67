# make        sets everything up and compiles specs/fractal4.fdl to model.py
# make test   sets everything up and passes the tests

PYTHON ?= python3
BIN = .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: model test clean

model: .venv/installed
	$(BIN)/fractalc specs/fractal4.fdl -o model.py

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow"

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) -e .
	$(BIN)/python -m compileall -q fractal_dsl
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) -e ".[dev]"
	$(BIN)/python -m compileall -q fractal_dsl
	touch $@

clean:
	rm -rf .venv model.py
