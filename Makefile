# Everything runs in a virtual environment in .venv, made on first use. `make test PYTHON=python3.12` picks another Python.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench docs pictures gallery clean

demo: .venv/ready
	$(BIN)/python scenes/mass_spring_walker.py

test: .venv/ready
	$(BIN)/python -m pytest

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/python -m pytest tests/benchmarks -m bench -s -n 0

docs: .venv/ready
	$(BIN)/python -m sphinx -E -W --keep-going -b html docs outputs/docs
	@echo "open outputs/docs/index.html"

pictures: .venv/ready
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/trust_pictures.py
	$(BIN)/python docs/rigid_pictures.py
	$(BIN)/python docs/robot_pictures.py
	$(BIN)/python docs/way_picture.py
	$(BIN)/python docs/page_outputs.py

# Runs all scenes, most of an hour.
gallery: .venv/ready
	$(BIN)/python docs/gallery.py

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[video,robots,test,docs,dev]"
	touch $@

.venv/bench: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	touch $@

clean:
	rm -rf .venv outputs
