"""Kept graphs: a network with another's graph and its own weights is what its own export is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from harness.models.build import build_model
from harness.models.fitted import Meta
from harness.models.servable import save_network
from harness.protocols import Split, Task
from harness.record import TrialError
from harness.runtimes import exporting, graphs, runtime
from harness.runtimes.common import JUDGED_ROWS, in_batches, reference

TASK = Task("image_classification", 4, ("a", "b", "c", "d"), (1, 8, 8))
ROWS = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
VALIDATION = Split(ROWS, (ROWS.mean(axis=(1, 2, 3)) // 64).astype(np.int64), np.arange(40))


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))


def trained(folder: Path, seed: int, code: str = "1", width: int = 8) -> Path:
    """A training's folder of a network with batch norms, whose statistics and weights are by the seed."""
    torch.manual_seed(seed)
    network = build_model("small_cnn", TASK, {"width": width})
    network.train()
    network(torch.rand(16, 1, 8, 8) * (1 + seed))
    save_network(
        folder / "fitted", network.eval(), Meta("torch", "small_cnn", {"width": width}, TASK, (0.5,), (0.25,))
    )
    (folder / "record.json").write_text(json.dumps({"trial": {"spec": {"code": code}}}))
    return folder / "fitted"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What grows with each graph that torch traces and translates."""
    traced, export = list[int](), torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: traced.append(1) or export(*a, **k))
    return traced


def test_a_second_checkpoint_takes_the_first_ones_graph_and_answers_as_its_own_export_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (trained(tmp_path / str(seed), seed) for seed in (0, 1))
    traced = counted(monkeypatch)
    runtime("onnx").prepare(first, tmp_path / "a", VALIDATION, VALIDATION)
    facts = runtime("onnx").prepare(second, tmp_path / "b", VALIDATION, VALIDATION)
    assert len(traced) == 1
    assert facts["parity_max_abs"] < 1e-5 and facts["parity_rows"] == 40
    monkeypatch.setattr(graphs, "architecture_of", lambda fitted: "")
    runtime("onnx").prepare(second, tmp_path / "own", VALIDATION, VALIDATION)
    assert len(traced) == 2
    answers = [runtime("onnx").load(tmp_path / name, 1, "cpu")(ROWS) for name in ("a", "b", "own")]
    assert np.array_equal(answers[1], answers[2]) and not np.allclose(answers[0], answers[1])
    kept, own = (onnx.load(tmp_path / name / "model.onnx") for name in ("b", "own"))
    assert [n.op_type for n in kept.graph.node] == [n.op_type for n in own.graph.node]
    assert "BatchNormalization" not in {n.op_type for n in kept.graph.node}
    assert not kept.metadata_props and len(kept.graph.initializer) == len(own.graph.initializer)


@pytest.mark.parametrize("change", [{"code": "2"}, {"width": 4}])
def test_other_code_and_another_size_have_a_graph_of_their_own(
    tmp_path: Path, change: dict[str, str | int]
) -> None:
    asked = [
        graphs.architecture_of(trained(tmp_path / str(k), 0, **more)) for k, more in enumerate(({}, change))
    ]
    assert all(asked) and asked[0] != asked[1]


def test_a_graph_is_not_kept_where_nobody_says_which_code_built_the_network(tmp_path: Path) -> None:
    fitted = trained(tmp_path, 0)
    assert graphs.architecture_of(fitted)
    (tmp_path / "record.json").unlink()
    assert graphs.architecture_of(fitted) == ""


def test_a_kept_graph_whose_weights_are_others_or_that_is_broken_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced, axes = counted(monkeypatch), {0: "batch"}
    for k, network in enumerate((torch.nn.Linear(3, 2), torch.nn.Linear(3, 2), torch.nn.Linear(3, 4))):
        if k == 1:
            for file in (tmp_path / "data" / "graphs").glob("*.onnx"):
                file.write_bytes(file.read_bytes()[:100])
        rows = np.ones((2, 3), np.float32)
        exporting.export_module(network.eval(), rows, axes, tmp_path / f"{k}.onnx", "the same")
    assert len(traced) == 3


def test_an_export_is_held_against_what_its_training_answered(tmp_path: Path) -> None:
    """The network answered 2,000 validation rows again for each export, a fifth of a score."""
    fitted = trained(tmp_path, 0)
    exact = in_batches(reference(fitted), ROWS)

    def store(answers: np.ndarray, ids: np.ndarray) -> None:
        columns = {"id": ids, "target": 0, **{f"p_{k}": answers[:, k] for k in range(4)}}
        pd.DataFrame(columns).to_parquet(tmp_path / "validation.parquet")

    store(exact[:, ::-1], np.arange(40))
    with pytest.raises(TrialError, match="another model: on 100.0% of 40 rows"):
        runtime("onnx").prepare(fitted, tmp_path / "a", VALIDATION, VALIDATION)
    store(exact[:, ::-1], np.arange(40) + 1)  # of other rows: the network is asked
    assert runtime("onnx").prepare(fitted, tmp_path / "a", VALIDATION, VALIDATION)["parity_max_abs"] < 1e-5
    store(np.vstack([exact] * 60), np.arange(40 * 60))
    assert JUDGED_ROWS < 40 * 60
    assert runtime("onnx").prepare(fitted, tmp_path / "a", VALIDATION, VALIDATION)["parity_max_abs"] < 1e-5
