"""Where a variant is served on a machine with a GPU: each runtime where it can, and the page says where.

No GPU is needed here: what torch and ONNX Runtime would say of one is set, what they then do is theirs.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
import torch

from harness import environment
from harness.protocols import Job, Outcome
from harness.record import Measurement, Record, Resources, Trial
from harness.report.deployed import devices
from harness.runtimes import RUNTIMES
from harness.runtimes.gpu import CUDA, onnx_on_gpu
from harness.store.runs import open_run
from harness.trial.trial import run_trial

ON_A_GPU = Resources(1, 1.0, 0)


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    onnx_on_gpu.cache_clear()


@pytest.fixture
def has_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def served(folder: Path, runtime: str, resources: Resources = ON_A_GPU, **spec: Any) -> Record:
    """The record of a serve trial that did nothing."""
    trial = Trial("serve", "cnn", {"candidate": "cnn", **spec}, runtime, resources=resources)

    def done(job: Job) -> Outcome:
        return Outcome((Measurement("latency_p50_ms", 1.0, "ms"),))

    return run_trial(trial, open_run(folder, "shop", "0123456789abcdef"), lambda said: None, dispatch=done)


def test_a_processors_onnxruntime_names_the_package_that_serves_on_a_gpu() -> None:
    assert "pip install onnxruntime-gpu" in onnx_on_gpu()


def test_a_cuda_provider_that_is_offered_and_does_not_start_is_not_taken_for_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    with pytest.warns(UserWarning, match="not in available provider names"):  # and then goes on without it
        assert "does not start" in onnx_on_gpu()


@pytest.mark.usefixtures("has_gpu")
@pytest.mark.parametrize(
    ("runtime", "device"),
    [
        ("torch", "cuda"),
        ("torch-bf16@1x2", "cuda"),
        ("onnx", "cpu"),
        ("onnx-int8", "cpu"),
        ("openvino", "cpu"),
    ],
)
def test_each_runtime_is_served_where_it_can_be(tmp_path: Path, runtime: str, device: str) -> None:
    where = served(tmp_path, runtime).environment["threads"]
    assert where["device"] == device
    assert bool(where.get("why_not_on_gpu")) == (device == "cpu")


@pytest.mark.usefixtures("has_gpu")
def test_a_duel_takes_the_gpu_where_either_side_can_use_it(tmp_path: Path) -> None:
    scenario = {"opponent": {"candidate": "cnn", "runtime": "torch"}}
    assert served(tmp_path, "onnx", scenario=scenario).environment["threads"]["device"] == "cuda"
    assert RUNTIMES["onnx"].device("cuda") == "cpu", "and the side that cannot is loaded on the processor"


def test_who_claims_no_gpu_sees_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(environment, "hardware", lambda: {**HARDWARE, "gpus": 1})
    assert served(tmp_path, "torch", Resources(1, 0.0, 0)).environment["threads"]["device"] == "cpu"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


HARDWARE = environment.hardware()


@pytest.mark.usefixtures("has_gpu")
def test_page_one_says_what_was_served_on_the_gpu_and_what_beside_it(tmp_path: Path) -> None:
    records = [served(tmp_path, name) for name in ("torch", "onnx", "openvino")]
    said = " ".join(devices(SimpleNamespace(of=lambda kind: records)))  # type: ignore[arg-type]
    assert said.startswith("Served on the GPU: torch; on the processor: onnx (this onnxruntime has no CUDA")
    assert said.endswith("openvino (it serves on processors alone).")
    on_cpus = [replace(r, environment={**r.environment, "threads": {"device": "cpu"}}) for r in records]
    assert devices(SimpleNamespace(of=lambda kind: on_cpus)) == []  # type: ignore[arg-type]
