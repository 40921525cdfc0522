"""A training that was cut off goes on, also under another time limit, and ends as it would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import harness
from harness.record import Record, Trial
from harness.store.runs import RunFolder, open_run
from harness.training import checkpoint
from harness.trial.trial import run_trial

EPOCHS = 3


def the_training(time_limit_s: float) -> Trial:
    """The one training trial of a small suite with this limit."""
    asked = {
        "name": "tiny", "task": "image_classification", "data": {"name": "digits", "train_sizes": [64]},
        "training": {
            "seeds": [0], "epochs": EPOCHS, "batch_size": 32, "precision": "fp32", "time_limit": time_limit_s
        },
        "candidates": {"cnn": {"model": "small_cnn", "args": {"width": 4}}},
        "serving": {"runtimes": ["torch"], "rounds": 1, "scenarios": {"single_stream": {"seconds": 0.2}}},
        "decision": {"objective": "maximize accuracy"},
    }  # fmt: skip
    (trial,) = (t for t in harness.plan(asked).trials if t.kind == "train")
    return trial


def trained(trial: Trial, run: RunFolder, *, cut_after: int | None = None) -> tuple[Record, list[int]]:
    """The record, and the epochs that were trained for it; `cut_after` ends it there."""
    epochs: list[int] = []

    def progress(info: Mapping[str, Any]) -> None:
        epochs.append(info["epoch"])
        if info["epoch"] == cut_after:
            raise TimeoutError("timed out")

    return run_trial(trial, run, progress), epochs


@pytest.fixture
def first(tmp_path: Path) -> RunFolder:
    return open_run(tmp_path / "results", "tiny", "0123456789abcdef")


@pytest.fixture
def second(tmp_path: Path) -> RunFolder:
    return open_run(tmp_path / "results", "tiny", "fedcba9876543210")


def test_a_longer_time_limit_continues_a_training_and_ends_as_an_uninterrupted_one(
    first: RunFolder, second: RunFolder, tmp_path: Path
) -> None:
    short, long = the_training(60), the_training(600)
    assert (short.id, short.time_limit_s) != (long.id, long.time_limit_s) and short.id == long.id
    cut, before = trained(short, first, cut_after=2)
    assert (cut.status, before) == ("failed", [1, 2])
    ended, after = trained(long, second)
    assert (ended.status, after) == ("finished", [3])
    assert not list((tmp_path / "results" / "tiny").glob(".checkpoints/*-*")), "finished: nothing to continue"

    elsewhere = open_run(tmp_path / "other", "tiny", "0123456789abcdef")
    _, whole = trained(long, elsewhere)
    assert whole == [1, 2, 3]
    ours, theirs = (next(r.trial_folder(long.id).glob("fitted/*.safetensors")) for r in (second, elsewhere))
    weights, expected = load_file(ours), load_file(theirs)
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)


def test_two_runs_that_train_the_same_trial_at_once_do_not_share_a_checkpoint(
    first: RunFolder, second: RunFolder
) -> None:
    trial = the_training(60).id
    with first.checkpoints(trial) as ours:
        assert ours is not None
        with second.checkpoints(trial) as theirs:
            assert theirs is None
    with second.checkpoints(trial) as theirs:
        assert theirs == ours


class Dated(torch.nn.Linear):
    """A module that reads no weights without knowing of which version of itself they are."""

    _version = 2

    def _load_from_state_dict(
        self, state: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        if local_metadata.get("version") != self._version:
            raise ValueError(f"weights of version {local_metadata.get('version')}")
        super()._load_from_state_dict(state, prefix, local_metadata, *rest)


def test_weights_come_back_to_a_module_that_asks_for_their_version() -> None:
    model = torch.nn.Sequential(Dated(2, 1))
    kept = checkpoint.snapshot(model)
    with torch.no_grad():
        model[0].weight.zero_()
    checkpoint.restore(model, kept)
    assert model[0].weight.abs().sum() > 0
