# make run          the window with the sample patches; everything it needs is installed first
# make test         all tests, offscreen
# make check        what to run before a commit: style, types, fast tests
# make bench        timings against twins, torch and the hardware's limit
# make screenshots  the pictures of the README
# make clean        remove all that was built here, the environment too
#
# ARGS are passed on: make run ARGS="patches.h5 --theme dark", make test ARGS="-k solver".

.PHONY: run test check bench screenshots clean
.DEFAULT_GOAL := run
BIN := .venv/bin
ARGS :=
BUILT_FROM := pyproject.toml setup.py constraints.txt tools/environment.sh \
	$(wildcard app/core/kernels/*.pyx app/core/kernels/*.pxi app/core/kernels/*.h)

.venv/ready-window: $(BUILT_FROM)
	@MAKE_TARGET='$(MAKECMDGOALS)' sh tools/environment.sh window

.venv/ready-tests: $(BUILT_FROM)
	@MAKE_TARGET='$(MAKECMDGOALS)' sh tools/environment.sh tests

run: .venv/ready-window
	@$(BIN)/python main.py $(ARGS)

test: .venv/ready-tests
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 $(ARGS)

check: .venv/ready-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

bench: .venv/ready-tests
	@$(BIN)/python main.py bench $(ARGS)
	@QT_QPA_PLATFORM=offscreen $(BIN)/python tools/bench_window.py
	@QT_QPA_PLATFORM=offscreen $(BIN)/python tools/bench_scrub.py

screenshots: .venv/ready-window
	QT_QPA_PLATFORM=offscreen $(BIN)/python tools/screenshots.py $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f app/core/kernels/*.so app/core/kernels/*.pyd app/core/kernels/*.c
	find app resources tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
