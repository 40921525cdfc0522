"""Networks at other sizes: built for the size, answering there, their operations as the formulas say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.models.build import build_model
from harness.models.fitted import Meta
from harness.models.servable import save_network
from harness.protocols import Task
from harness.record import TrialError
from harness.runtimes import runtime
from harness.serving import memory
from harness.serving.job import ServeJob
from harness.serving.scaling import scaling
from harness.serving.subject import Subject
from harness.specification import Spec
from harness.tasks.sizes import at_sizes

TEXTS = Task("text_classification", 2, ("bad", "good"), vocab_size=50, max_length=16)
IMAGES = Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))
DIM, HIDDEN = 16, 8


def artifact(folder: Path, model: str, task: Task, args: dict[str, Any], name: str) -> Path:
    torch.manual_seed(0)
    scaling = {} if task is TEXTS else {"mean": (0.5,), "std": (0.3,)}
    network = build_model(model, task, args).eval()
    save_network(folder / "fitted", network, Meta("torch", model, args, task, **scaling))  # type: ignore[arg-type]
    runtime(name).prepare(folder / "fitted", folder / "artifact", None)
    return folder / "artifact"


def flops(folder: Path, model: str, task: Task, args: dict[str, Any], sizes: list[int]) -> dict[int, float]:
    made = at_sizes(
        {"runtime": "torch"}, artifact(folder, model, task, args, "torch"), sizes, 1, "cpu", folder
    )
    return {sized.size: sized.flops() for sized in made}


def test_texts_longer_than_the_fitted_network_takes_are_answered(tmp_path: Path) -> None:
    args = {"dim": DIM, "depth": 1, "heads": 2, "max_length": 16}
    where = artifact(tmp_path, "transformer_encoder", TEXTS, args, "onnx")
    for sized in at_sizes({"runtime": "onnx"}, where, [32, 64], 1, "cpu", tmp_path):
        assert sized.inputs.shape == (8, sized.size)
        answer = sized.predict(sized.inputs[:2])
        assert answer.shape == (2, 2) and np.allclose(answer.sum(axis=1), 1, atol=1e-5)


def test_images_of_each_size_are_answered_by_a_network_of_that_size(tmp_path: Path) -> None:
    args = {"patch": 4, "dim": DIM, "depth": 1, "heads": 2}
    where = artifact(tmp_path, "vit", IMAGES, args, "torch")
    for sized in at_sizes({"runtime": "torch"}, where, [8, 16], 1, "cpu", tmp_path):
        assert sized.inputs.shape == (8, 1, sized.size, sized.size)
        assert sized.predict(sized.inputs[:3]).shape == (3, 10)


@pytest.mark.parametrize(
    ("model", "task", "args", "sizes"),
    [
        ("small_cnn", IMAGES, {"width": 8}, [8, 16]),
        ("transformer_encoder", TEXTS, {"dim": DIM, "depth": 1, "heads": 2, "max_length": 16}, [16, 32]),
    ],
)
def test_int8_scales_too_calibrated_by_the_network_s_own_answers(
    model: str, task: Task, args: dict[str, Any], sizes: list[int], tmp_path: Path
) -> None:
    where = artifact(tmp_path, model, task, args, "onnx")
    for sized in at_sizes({"runtime": "onnx-int8"}, where, sizes, 1, "cpu", tmp_path):
        answer = sized.predict(sized.inputs[:2])
        assert np.allclose(answer.sum(axis=1), 1, atol=0.01)


def test_an_lstms_operations_grow_with_the_length(tmp_path: Path) -> None:
    """Each word: 4 gates of (dim + hidden)·hidden multiply-adds; then the head on mean and maximum."""
    args = {"dim": DIM, "hidden": HIDDEN, "layers": 1}
    found = flops(tmp_path, "lstm", TEXTS, args, [32, 64, 128])
    head = 2 * 2 * HIDDEN * 2
    for size, counted in found.items():
        assert counted == 2 * size * 4 * HIDDEN * (DIM + HIDDEN) + head


def test_attentions_operations_have_a_part_that_grows_with_the_square(tmp_path: Path) -> None:
    """A layer: 4·n·d² for the four projections, 2·n²·d for the scores and their use, 2·n·d·2d for the two
    layers behind; the head once."""
    args = {"dim": DIM, "depth": 1, "heads": 2, "mlp_ratio": 2.0, "max_length": 16}
    found = flops(tmp_path, "transformer_encoder", TEXTS, args, [32, 64, 128])
    for n, counted in found.items():
        assert counted == 2 * (4 * n * DIM**2 + 2 * n**2 * DIM + 2 * n * DIM * 2 * DIM + DIM * 2)


def test_a_size_that_the_network_cannot_take_is_a_reason(tmp_path: Path) -> None:
    where = artifact(tmp_path, "vit", IMAGES, {"patch": 4, "dim": DIM, "depth": 1, "heads": 2}, "torch")
    with pytest.raises(TrialError, match="cannot be built at size 10: vit: patch 4 does not divide"):
        list(at_sizes({"runtime": "torch"}, where, [10], 1, "cpu", tmp_path))


@pytest.mark.quiet
def test_memory_is_measured_before_operations_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting runs the network: done first it leaves freed memory that a longer text then fits into."""
    order: list[str] = []
    peak = memory.peak_mb

    def noted(run: Any, device: str = "cpu") -> Any:
        order.append("memory")
        return peak(run, device)

    def counted(*_: Any) -> float:
        order.append("operations")
        return 1.0

    monkeypatch.setattr(memory, "peak_mb", noted)
    monkeypatch.setattr("harness.tasks.sizes.flops_per_example", counted)
    where = artifact(tmp_path, "lstm", TEXTS, {"dim": DIM, "hidden": HIDDEN}, "torch")
    scenario = {"name": "scaling", "sizes": [16, 8], "seconds": 0.05}
    spec: Spec = {"runtime": "torch", "artifact": "score-1", "scenario": scenario, "seed": 0, "round": 0}
    job = ServeJob(spec, str(tmp_path), artifacts={"score-1": str(where)})
    subject = Subject(lambda tokens: tokens, np.zeros((1, 8)), {}, (2,))
    measured, _ = scaling(subject, job)
    assert order == ["memory"] * 2 + ["operations"] * 2
    sizes = [m.at["size"] for m in measured if m.metric == "latency_p50_ms" and m.value]
    assert sorted(sizes) == [8, 16]
