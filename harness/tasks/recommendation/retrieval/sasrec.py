"""SASRec: a causal transformer over a user's items, the newest last (Kang and McAuley 2018).

At each place it is asked for the item that comes next, by a softmax over the catalogue or, where that is
large, over items at random: with one random item, as in the paper, it falls behind (Klenitskiy and Vasilev
2023). A token stands before the first item, so that who has no past is answered too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from harness.models.attention import Layer
from harness.streams import generator, seed_for
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.loop import fit_epochs
from harness.tasks.recommendation.retrieval.base import Lesson
from harness.tasks.recommendation.served import NOTHING, START, Fitted, tokens_of


class SequenceEncoder(nn.Module):
    """(n, length) tokens, right-aligned → (n, length, dim), each place told of nothing later."""

    def __init__(self, num_items: int, length: int, dim: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(num_items + 2, dim)
        self.place = nn.Parameter(torch.zeros(length, dim))
        self.layers = nn.ModuleList([Layer(dim, heads, 2.0, dropout) for _ in range(depth)])
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)
        nn.init.normal_(self.items.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        earlier = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=tokens.device)
        mask = (earlier & (tokens != NOTHING)[:, None, None, :]) | itself
        x = self.dropout(self.items(tokens) + self.place[-length:])
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class SasRec(Fitted):
    """The next item by attention over the order of the past ones, fitted."""

    name: str = "sasrec"

    def item_vectors(self) -> np.ndarray:
        return self.weights["items.weight"][2:]

    @cached_property
    def encoder(self) -> SequenceEncoder:
        (length, dim), num_items = self.weights["place"].shape, len(self.item_vectors())
        depth, heads = int(self.settings["depth"]), int(self.settings["heads"])
        encoder = SequenceEncoder(num_items, length, dim, depth, heads, 0.0)
        encoder.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()})
        return encoder.eval()

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        recent, _ = history.recent(requests, len(self.weights["place"]) - 1)
        with torch.inference_mode():
            return np.asarray(self.encoder(torch.from_numpy(tokens_of(recent)))[:, -1].numpy())


def fit(
    lesson: Lesson,
    *,
    dim: int = 64,
    depth: int = 2,
    heads: int = 2,
    max_history: int = 50,
    dropout: float = 0.2,
    negatives: int = 4096,
) -> SasRec:
    """Learn to foretell each user's next item.

    Args:
        dim, depth, heads: of the transformer. max_history: how many recent items it sees.
        negatives: items at random that the right one is told from; all, where the catalogue has no more.
    """
    if dim % heads:
        raise ValueError(f"retrieval.dim must be a multiple of heads ({heads}), not {dim}")
    settings, num_items = lesson.settings, len(lesson.catalogue)
    torch.manual_seed(seed_for(settings.seed, "init"))
    encoder = SequenceEncoder(num_items, max_history + 1, dim, depth, heads, dropout).to(settings.device)
    rng = generator(settings.seed, "order")
    windows = _windows(History.of(lesson.events, len(lesson.users)), max_history + 1)
    # A suite's batch counts events, and a window holds many.
    size = max(round(settings.batch_size * len(windows) / max(len(lesson.events), 1)), 1)

    def batches(_: int) -> Iterator[torch.Tensor]:
        for rows in np.array_split(rng.permutation(len(windows)), -(-len(windows) // size)):
            items = windows[rows]
            items = items[:, (items >= 0).any(0)]  # no columns that are empty for all
            yield _loss(encoder, items, num_items, negatives, rng, settings.device)

    def current() -> SasRec:
        weights = {name: value.detach().cpu().numpy().copy() for name, value in encoder.state_dict().items()}
        return SasRec(weights, {"depth": depth, "heads": heads})

    validate = lesson.validate
    check = (lambda: validate(current())) if validate else None
    curve = fit_epochs(encoder, batches, settings, check, lesson.progress)
    return SasRec(current().weights, {"depth": depth, "heads": heads}, curve)


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float | int | bool]) -> SasRec:
    return SasRec(arrays, options)


def _windows(history: History, length: int) -> np.ndarray:
    """(n, length) each user's items in order, cut from the newest backwards; −1 in empty places."""
    rows = []
    for low, high in zip(history.starts, history.starts[1:], strict=False):
        for end in range(int(high), int(low), -length):
            mine = history.item[max(int(low), end - length) : end]
            rows.append(np.pad(mine, (length - len(mine), 0), constant_values=-1))
    return np.stack(rows) if rows else np.empty((0, length), np.int64)


def _loss(
    encoder: SequenceEncoder, items: np.ndarray, num_items: int, negatives: int, rng: np.random.Generator,
    device: str,
) -> torch.Tensor:  # fmt: skip
    """Mean cross-entropy of every next item."""
    tokens = torch.from_numpy(tokens_of(items)).to(device)
    asked = tokens[:, 1:] > START
    found = encoder(tokens[:, :-1])[asked]
    right = tokens[:, 1:][asked]
    if num_items <= negatives:
        return F.cross_entropy(found @ encoder.items.weight[2:].T, right - 2)
    others = torch.from_numpy(rng.integers(2, num_items + 2, negatives)).to(device)
    wrong = (found @ encoder.items(others).T).masked_fill(others[None] == right[:, None], -1e9)
    return F.cross_entropy(
        torch.cat([(found * encoder.items(right)).sum(-1, keepdim=True), wrong], 1),
        torch.zeros(len(right), dtype=torch.long, device=device),
    )
