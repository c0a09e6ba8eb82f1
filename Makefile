# Two commands do all of their own set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-slow lint types docs benchmark measure pretrained course clean

install: $(STAMP)

# An editable install in setuptools' default mode: the three source folders appear as one package, from any directory.
# From the folder that holds a checkout called pyrogen, Python would take the checkout itself for a package of that name: a
# package with an __init__.py anywhere on the path goes before such a folder, so the checkout is put there too.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25"
	@echo "installing pyrogen and what it needs into $(VENV) (torch is large: about 3 minutes on a new machine)"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -c "import os, sysconfig; print(os.getcwd(), file=open(sysconfig.get_path('purelib') + '/pyrogen-checkout.pth', 'w'))"
	touch $(STAMP)

demo: install
	$(BIN)/pyrogen demo --folder runs/demo

test: install
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu" -q

test-slow: install
	$(BIN)/python -m pytest -n 2 -m "slow" -q

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy cannot see pyrogen.models in the source folders: build the wheel, install it apart, check it from elsewhere.
types: install
	rm -rf build/types build/lib build/bdist.* && mkdir -p build/types
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/types .
	$(BIN)/python -m pip install --quiet --no-deps --target build/types/site build/types/*.whl
	cd build/types && MYPYPATH=site ../../$(BIN)/mypy --config-file ../../pyproject.toml -p pyrogen

benchmark: install
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) build *.egg-info

measure: install
	$(BIN)/python docs/measure.py

# the small weights that come with the package, and their cards
pretrained: install
	$(BIN)/python docs/pretrained.py

# the pictures of docs/course, by the scripts that assert its numbers
course: install
	for script in examples/course/*.py; do $(BIN)/python $$script --folder docs/course/pictures || exit 1; done

# The book; warnings are errors.
docs: install
	$(BIN)/python -m sphinx -q -W -T docs build/docs
	@echo "the book is in build/docs/index.html"
