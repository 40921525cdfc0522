# make run   sets up .venv and runs the CNN-versus-ViT suite (make run SUITE=suites/quickstart.yaml for another)
# make docs  builds the documentation as a site, into build/site
# make test  sets up .venv and runs the checks and the tests
# make test-compat  sets up an environment with Keras, Lightning and the boosting libraries, and runs their tests
# make published  runs every shipped suite again, keeps its report, and takes the gallery's pictures
# make reproduced  runs the suites of published figures, writes docs/reproduced.md, fails where one differs
SUITE ?= suites/cnn_vs_vit.yaml
ARGS ?=
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Of pip's many lines those that say how far it is; its errors go to the terminal as they are.
NAMED := awk '/^Collecting/ {n++; printf "  %3d  %s\n", n, $$2; fflush()} /^Installing collected/ {print "  unpacking"; fflush()}'
# What times something, with nothing beside it; a second failure in a row is one.
QUIET := $(BIN)/python -m pytest -m "quiet and not slow"
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.PHONY: docs run test test-slow test-compat drills audit check reproduced published cornac clean

run: $(VENV)/run-ready
	$(BIN)/python -m harness run $(SUITE) $(ARGS)

test: $(VENV)/test-ready
	PATH="$(abspath $(BIN)):$$PATH" scripts/check
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow and not quiet" $(ARGS)
	$(QUIET) $(ARGS) || { said=$$?; [ $$said -eq 5 ] || { [ $$said -eq 1 ] && echo "once more what failed: others may have had the machine" && \
		$(QUIET) --last-failed $(ARGS); }; }

reproduced: $(VENV)/run-ready
	$(BIN)/python scripts/reproduced $(ARGS)

# Cornac beside, in an environment of its own: without it the suites that want it say so and are left out
cornac:
	$(PYTHON) -m venv .venv-cornac
	.venv-cornac/bin/python -m pip install --quiet cornac==3.0.1

test-slow: $(VENV)/test-ready
	$(BIN)/python -m pytest -m slow $(ARGS)

# The libraries that a model may come from, in an environment beside: what a test run of the base install skips
COMPAT := boosting,grpc,keras,lightning,openvino,serve,trainer,vision,text,test
COMPAT_TESTS := tests/test_boosting.py tests/test_without_converter.py tests/test_endpoint_grpc.py tests/test_how_to.py tests/test_models_keras.py tests/test_training_lightning.py tests/test_training_hf_trainer.py \
	tests/test_models_pretrained_images.py tests/test_models_finished.py tests/test_models_hf_images.py tests/test_over_http.py tests/test_raw_rows.py \
	tests/test_retrievers.py tests/test_runtimes_openvino.py tests/test_suite_reader.py

test-compat: $(VENV)/compat-ready
	$(VENV)/compat/bin/python -m pytest --numprocesses 2 --dist loadfile $(COMPAT_TESTS) $(ARGS)

# Every shipped report made again by the code as it is, one after the other: keep the machine quiet
PUBLISHED ?= ann_index ml_100k retrieval_ranking image_scaling lstm_vs_transformer finetune runtimes cnn_vs_vit
published: $(VENV)/test-ready
	for suite in $(PUBLISHED); do $(BIN)/python -m harness run suites/$$suite.yaml --exhaustive && scripts/publish results/$$suite/latest || exit 1; done
	$(BIN)/python scripts/gallery

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
	@echo "Setting up $(VENV), once: torch, Ray and what else is measured with, 3 GB or more. A few minutes on a quick line;"
	@echo "each package is named as it comes."
	@$(BIN)/python -m pip install --constraint constraints.txt --editable '.[text,wandb,mlflow]' | $(NAMED)
	@echo "Set up. Next time it starts at once."
	@touch $@

$(VENV)/compat-ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)/compat
	$(VENV)/compat/bin/python -m pip install --constraint constraints.txt --editable '.[$(COMPAT)]' | $(NAMED)
	@touch $@

$(VENV)/docs-ready: $(VENV)/run-ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(VENV)/test-ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,docs,text,vision,wandb,mlflow,certify]'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ann]' || \
		echo "hnswlib is compiled where it is installed, and that failed: what needs it is not tested"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[als]' || \
		echo "implicit could not be installed: what needs it is not tested"
	@touch $@ $(VENV)/run-ready

$(VENV)/drills-ready: $(VENV)/test-ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,text,wandb,mlflow,certify,submit]'
	@touch $@

docs: $(VENV)/docs-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "open build/site/index.html"

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
