# Needs Python 3.11 or newer, git and make; everything else is set up here, inside .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export DAGSTER_DISABLE_TELEMETRY := yes
export UV_PROJECT_ENVIRONMENT := $(VENV)

.PHONY: install demo test test-fast check format dev bench torture clean

install: $(READY)

# uv is used where it is installed; otherwise it comes from PyPI into a small environment of its own. The second try is
# for networks whose certificates only the system knows. Byte code is made once, here: where PYTHONDONTWRITEBYTECODE is
# set, as in many containers, every process would compile Dagster anew for seconds.
$(READY): pyproject.toml uv.lock
	@UV=$$(command -v uv || true); \
	if [ -z "$$UV" ]; then \
		test -x .uv/bin/uv || { $(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv; }; \
		UV=.uv/bin/uv; \
	fi; \
	"$$UV" sync --frozen --quiet --compile-bytecode --python $(PYTHON) || \
	UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 "$$UV" sync --frozen --quiet --compile-bytecode --python $(PYTHON)
	@$(BIN)/python -m compileall -q -j 0 banana_pipeline banana_pipeline_tests
	@touch $@

demo: install
	@$(BIN)/banana demo

dev: install
	@$(BIN)/banana dev

# More workers than cores: half of the time tests wait for a pace, a clock or a process.
test: install
	$(BIN)/pytest -n 3 --dist loadfile

test-fast: install
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(BIN)/python -m benchmarks

# TORTURE="--kills 50 --ledger sqlite" changes what is done; without it 200 kills on each ledger.
torture: install
	$(BIN)/python -m banana_pipeline_tests.faults.torture $(TORTURE)

clean:
	rm -rf $(VENV) .uv .pytest_cache .ruff_cache .hypothesis
