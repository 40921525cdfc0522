"""Versions of code: what decides a trial's outcome changes its id, whatever form it comes in."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.datasets import mock_shop
from harness.planning import versions as code
from harness.reading.components import ROOT
from harness.reading.imports import local_imports


def _spec(model: str, task: str = "image_classification", **more: Any) -> dict[str, Any]:
    data = {"image_classification": "digits", "text_classification": "sst2"}.get(task, "mock_shop")
    return {"task": task, "model": model, "data": {"name": data}, "runtime": "torch", **more}


def _version(model: str, folder: Path, task: str = "image_classification") -> str:
    return code.code_version("train", _spec(model, task), str(folder))


def _write_onnx(folder: Path, weight: float, location: str = "model.onnx.data") -> None:
    weights = numpy_helper.from_array(np.full((4, 4), weight, np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights]
    )
    (folder / location).parent.mkdir(parents=True, exist_ok=True)
    (folder / location).unlink(missing_ok=True)
    onnx.save_model(
        helper.make_model(graph), folder / "model.onnx", save_as_external_data=True, location=location,
        size_threshold=0,
    )  # fmt: skip


@pytest.mark.parametrize("location", ["model.onnx.data", "w/" + "long_" * 30 + "name.bin"])
def test_weights_beside_an_onnx_file_are_part_of_its_version(tmp_path: Path, location: str) -> None:
    _write_onnx(tmp_path, 1.0, location)
    graph, before = (tmp_path / "model.onnx").read_bytes(), _version("onnx:model.onnx", tmp_path)
    _write_onnx(tmp_path, 2.0, location)
    assert (tmp_path / "model.onnx").read_bytes() == graph  # only the weights changed
    assert _version("onnx:model.onnx", tmp_path) != before


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"])
def test_every_file_of_a_pretrained_folder_is_part_of_its_version(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "enc"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "README.md"):
        (folder / name).write_text("1")
    versions = [_version(f"hf:{reference}", tmp_path) for reference in ("./enc", "enc", str(folder))]
    (folder / "README.md").write_text("words")
    assert [_version("hf:./enc", tmp_path)] * 3 == versions
    (folder / file).write_text("22")
    assert _version("hf:./enc", tmp_path) != versions[0]


def test_a_pretrained_package_counts_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"some-model": "1.0"}
    monkeypatch.setattr(importlib.metadata, "version", installed.__getitem__)
    before = _version("hf:pip/some-model", tmp_path)
    installed["some-model"] = "1.1"
    assert _version("hf:pip/some-model", tmp_path) != before


def test_a_package_that_is_not_installed_is_not_planning_s_to_report(tmp_path: Path) -> None:
    assert len(_version("hf:pip/no-such-package-here", tmp_path)) == 16


PACKAGE = {
    "nets/__init__.py": "from .common import A",
    "nets/common.py": "A = 1",
    "nets/deep/__init__.py": "",
    "nets/deep/net.py": "from . import layers\nfrom .. import W\nfrom ..other import B\nimport nets.far\n",
    "nets/deep/layers.py": "",
    "nets/other.py": "B = 1",
    "nets/far.py": "",
    "nets/unused.py": "",
}


@pytest.mark.parametrize("folder", ["", "suites"])
def test_a_users_package_brings_all_that_it_imports_wherever_it_lies(tmp_path: Path, folder: str) -> None:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "suites").mkdir()
    (tmp_path / folder / "__init__.py").write_text("")  # none of the model's
    found = local_imports(tmp_path / "nets/deep/net.py", tmp_path / folder)
    names = {path.relative_to(tmp_path).as_posix() for path in found}
    assert names == set(PACKAGE) - {"nets/unused.py"}


def test_of_an_installed_library_only_the_file_itself_is_read(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "library"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("from . import other\nimport library.other\n")
    (package / "other.py").write_text("")
    assert local_imports(package / "net.py", tmp_path) == {package / "net.py"}


@pytest.fixture
def _copy(tmp_path: Path) -> Path:
    """A copy of the package, whose files may be changed."""
    shutil.copytree(ROOT, tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _versions_of(root: Path, spec: dict[str, Any]) -> str:
    program = f"from harness.planning.versions import code_version as v; print(v('train', {spec!r}))"
    env = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=env, text=True, capture_output=True, check=True
    ).stdout


SEARCHED = {"training": {"tuning": {"space": {}}}}


@pytest.mark.parametrize(
    ("file", "model", "task", "more"),
    [
        ("models/tokenizers.py", "own:net", "text_classification", {}),
        ("models/encoding.py", "sklearn:LogisticRegression", "text_classification", {}),
        ("models/vocabulary.py", "bilstm", "text_classification", {}),
        ("runtimes/texts.py", "bilstm", "text_classification", {}),
        ("models/build.py", "small_cnn", "image_classification", {}),
        ("kinds/quality.py", "small_cnn", "image_classification", SEARCHED),
    ],
)
def test_what_shapes_a_fit_from_another_folder_is_part_of_its_version(
    file: str, model: str, task: str, more: dict[str, Any], _copy: Path
) -> None:
    spec = _spec(model, task, **more)
    before = _versions_of(_copy, spec)
    with (_copy / "harness" / file).open("a") as stream:
        stream.write("\nCHANGED = 1\n")
    assert _versions_of(_copy, spec) != before


def test_another_generator_is_another_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mock_shop.checksum()
    world = tmp_path / "world"
    shutil.copytree(mock_shop.WORLD, world)
    monkeypatch.setattr(mock_shop, "WORLD", world)
    assert mock_shop.checksum() == before
    (world / "policy.py").write_text("# another one\n")
    assert mock_shop.checksum() != before
