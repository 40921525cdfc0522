"""References to the user's own functions, and everything that is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.models.build import build_model
from harness.models.names import nearest, timm_names
from harness.protocols import Task

TASK = Task("tabular_classification", 3, ("a", "b", "c"), (4,))

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, task, *, width: int = 8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(task.input_shape[0], width), nn.Linear(width, task.num_classes))
    def forward(self, x):
        return self.layers(x)

def build_net(task, *, width: int = 8):
    return Net(task, width=width)

def wrong_shape(task):
    return nn.Linear(4, 7)

def wrong_input(task):
    return nn.Linear(9, 3)

def no_module(task):
    return "a net"

def tuple_out(task):
    class Two(nn.Module):
        def forward(self, x):
            return x, x
    return Two()

def pair_out(task, *, how: str):
    import dataclasses
    from typing import NamedTuple

    class Named(NamedTuple):
        hidden: object
        logits: object

    @dataclasses.dataclass
    class Out:
        hidden: object
        scores: object

    class Two(nn.Module):
        def forward(self, x):
            found = x, x[:, :3]
            made = {"tuple": found, "named": Named(*found), "map": dict(zip(("hidden", "logits"), found))}
            return made[how] if how in made else Out(*found)
    return Two()
"""


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("own_", "helpers_")):
            del sys.modules[name]


def test_a_function_beside_the_suite_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "own_models.py").write_text(NET)
    network = build_model("own_models:build_net", TASK, {"width": 16}, search=tmp_path)
    assert network(torch.zeros(5, 4)).shape == (5, 3)
    assert build_model("own_models:Net", TASK, {}, search=tmp_path)(torch.zeros(1, 4)).shape == (1, 3)


def test_own_modules_may_import_their_neighbours_and_live_in_packages(tmp_path: Path) -> None:
    (tmp_path / "own_pack").mkdir()
    (tmp_path / "own_pack" / "__init__.py").write_text("")
    (tmp_path / "own_pack" / "nets.py").write_text("from helpers_x import build_net\n")
    (tmp_path / "helpers_x.py").write_text(NET)
    assert build_model("own_pack.nets:build_net", TASK, {}, search=tmp_path)(torch.zeros(1, 4)).shape == (
        1,
        3,
    )


def test_modules_of_one_name_beside_two_suites_are_not_mixed_up(tmp_path: Path) -> None:
    for folder, width in (("one", 8), ("two", 32), ("one_more", 16)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own_models.py").write_text(
            NET.replace("width: int = 8", f"width: int = {width}")
        )
    widths = [
        next(build_model("own_models:build_net", TASK, {}, search=tmp_path / folder).parameters()).shape[0]
        for folder in ("one", "two", "one_more", "one")
    ]
    assert widths == [8, 32, 16, 8]


@pytest.mark.parametrize(
    ("ref", "args", "message"),
    [
        ("own_models:build_nett", {}, "has no function 'build_nett', did you mean build_net?"),
        ("own_modls:build_net", {}, "no module 'own_modls': put own_modls.py beside the suite file"),
        ("own_models:build_net", {"widht": 3}, "has no argument 'widht', did you mean width?"),
        ("own_models:wrong_shape", {}, "turns 2 examples into (2, 7), the task needs (2, 3)"),
        ("own_models:wrong_input", {}, "cannot take inputs of shape (2, 4)"),
        ("own_models:tuple_out", {}, "turns 2 examples into tuple"),
        ("own_models:pair_out", {"how": "tuple"}, "one tensor of shape (2, 3): return its [1]"),
        (
            "own_models:pair_out",
            {"how": "named"},
            "into Named, and the task needs one tensor of shape (2, 3): re",
        ),
        ("own_models:pair_out", {"how": "map"}, "one tensor of shape (2, 3): return its logits"),
        ("own_models:pair_out", {"how": "class"}, "one tensor of shape (2, 3): return its scores"),
        ("own_models:no_module", {}, "returned a str: it must return a torch.nn.Module"),
        ("own_broken:build", {}, "imports 'nothing_of_the_sort', which is not installed"),
        ("smal_cnn", {}, "unknown model 'smal_cnn', did you mean small_cnn?"),
        ("something", {}, "timm:NAME, sklearn:NAME, hf:NAME or module:function"),
        ("sklearn:LogisticRegression", {}, "is not a network to train"),
        ("onnx:model.onnx", {}, "is not a network to train"),
    ],
)
def test_a_wrong_reference_names_its_cure(
    tmp_path: Path, ref: str, args: dict[str, object], message: str
) -> None:
    (tmp_path / "own_models.py").write_text(NET)
    (tmp_path / "own_broken.py").write_text("import nothing_of_the_sort\n")
    with pytest.raises(ValueError) as caught:
        build_model(ref, TASK, args, search=tmp_path)
    assert message in str(caught.value)


def test_a_regression_network_answers_one_number_per_example(tmp_path: Path) -> None:
    (tmp_path / "own_regression.py").write_text(
        "from torch import nn\n"
        "def build(task): return nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))\n"
        "def column(task): return nn.Linear(4, 1)\n"
    )
    task = Task("tabular_regression", input_shape=(4,))
    assert build_model("own_regression:build", task, {}, tmp_path)(torch.zeros(5, 4)).shape == (5,)
    with pytest.raises(ValueError, match=r"the task needs \(2,\)"):
        build_model("own_regression:column", task, {}, tmp_path)


def test_timms_names_are_read_without_importing_it() -> None:
    assert len(timm_names()) > 1000 and "convnext_atto" in timm_names()
    assert nearest("convnext_ato", timm_names()) == ", did you mean convnext_atto?"
    assert nearest("qqqq", ["resnet"]) == ""
