"""Model references, taken apart once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.suite.model_ref import MODEL_KINDS, PREFIXES, ModelRef, parse_model


@pytest.mark.parametrize(
    ("written", "kind", "name", "package"),
    [
        ("small_cnn", "name", "small_cnn", ""),
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k", "timm"),
        ("timm:hf_hub:timm/resnet18.a1_in1k", "timm", "hf_hub:timm/resnet18.a1_in1k", "timm"),
        ("hf:./encoder", "hf", "./encoder", "transformers"),
        ("sklearn:linear_model.Ridge", "sklearn", "linear_model.Ridge", "sklearn"),
        ("onnx:C:/models/net.onnx", "onnx", "C:/models/net.onnx", "onnxruntime"),
        ("my_pack.nets:build_net", "user", "build_net", "my_pack.nets"),
    ],
)
def test_a_reference_says_its_kind_its_name_and_what_builds_it(
    written: str, kind: str, name: str, package: str
) -> None:
    assert parse_model(written) == ModelRef(kind, name, package)


@given(st.sampled_from([*PREFIXES, "my_models", "a.b"]), st.text(max_size=20))
def test_a_reference_is_written_as_it_was_read(prefix: str, name: str) -> None:
    assert str(parse_model(f"{prefix}:{name}")) == f"{prefix}:{name}"
    assert str(parse_model(name)) == name


def test_only_files_are_paths() -> None:
    paths = ["onnx:net.onnx", "hf:./encoder", "hf:/models/encoder"]
    assert all(parse_model(path).is_path for path in paths)
    assert not any(parse_model(name).is_path for name in ("hf:bert", "timm:vit", "vit", "my_models:onnx"))


def test_what_the_training_loop_fits_is_a_network() -> None:
    networks = {kind for kind, about in MODEL_KINDS.items() if about.is_network}
    assert {"name", "timm", "hf", "user"} <= networks
    assert not {"sklearn", "onnx"} & networks


def test_references_are_taken_apart_in_one_place() -> None:
    prefix = re.compile(rf"""(startswith|removeprefix)\(\(?f?["']({"|".join(PREFIXES)}):""")
    cut = re.compile(r"""(model|ref|spec\["model"\])\.r?partition\(":"\)""")
    for path in Path(harness.__file__).parent.rglob("*.py"):
        if path.name != "model_ref.py":
            text = path.read_text(encoding="utf-8")
            assert not prefix.search(text), path
            assert not cut.search(text), path
