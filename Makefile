# make run   sets up .venv and runs the CNN-versus-ViT suite (make run SUITE=suites/quickstart.yaml for another)
# make test  sets up .venv and runs the checks and the tests
# make reproduced  runs the suites of published figures, writes docs/reproduced.md, fails where one differs
SUITE ?= suites/cnn_vs_vit.yaml
ARGS ?=
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test test-slow drills audit check reproduced cornac clean

run: $(VENV)/run-ready
	$(BIN)/python -m harness run $(SUITE) $(ARGS)

test: $(VENV)/test-ready
	PATH="$(abspath $(BIN)):$$PATH" scripts/check
	$(BIN)/python -m pytest $(ARGS)

reproduced: $(VENV)/run-ready
	$(BIN)/python scripts/reproduced $(ARGS)

# Cornac beside, in an environment of its own: without it the suites that want it say so and are left out
cornac:
	$(PYTHON) -m venv .venv-cornac
	.venv-cornac/bin/python -m pip install --quiet cornac==3.0.1

test-slow: $(VENV)/test-ready
	$(BIN)/python -m pytest -m slow $(ARGS)

drills: $(VENV)/drills-ready
	HARNESS_KEEP_DRILLS=1 $(BIN)/python -m pytest -m slow tests/drills $(ARGS)

audit: $(VENV)/test-ready
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet bandit pip-audit
	PATH="$(abspath $(VENV))/audit/bin:$$PATH" scripts/audit

check: $(VENV)/test-ready
	PATH="$(abspath $(BIN)):$$PATH" scripts/check

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run-ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[text,wandb,mlflow]'
	touch $@

$(VENV)/test-ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,text,wandb,mlflow,certify]'
	touch $@ $(VENV)/run-ready

$(VENV)/drills-ready: $(VENV)/test-ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,text,wandb,mlflow,certify,submit]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
