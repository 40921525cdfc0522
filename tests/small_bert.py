"""A pretrained encoder of two layers with random weights, written as transformers writes one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch

from harness.models import torchvision_shim

WORD_PIECES = ("a", "good", "bad", "film", "was", "the", "not", "##s", "!", ".")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORD_PIECES]


def write_bert(folder: Path, pad: int = 0) -> None:
    """Tokenizer, configuration and weights; `pad` is its number for padding."""
    torchvision_shim.prepare()
    transformers: Any = importlib.import_module("transformers")
    words = [w for w in WORDS if w != "[PAD]"]
    words.insert(pad, "[PAD]")
    backend = transformers.BertTokenizerFast(vocab={word: i for i, word in enumerate(words)})
    backend.save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=32, pad_token_id=pad,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
