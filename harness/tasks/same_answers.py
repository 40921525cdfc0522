"""Whether a network answers a row by that row alone, each time alike, and also once it was stored.

What is scored in batches is served one by one, by a network that is rebuilt from its file: where these answer
otherwise, no score says anything of what users get, and no runtime's export can be compared with it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from harness.datasets.splits import take
from harness.models import last_step
from harness.models.encoding import PAD
from harness.models.servable import Servable, load_servable
from harness.protocols import Split, Task
from harness.record import HarnessError, TrialError
from harness.runtimes.common import first_line

ROWS = 8
"""Training rows that are answered to see it."""
FEWEST_TOKENS = 8
"""Tokens of a text's row at least: a convolution cannot answer fewer than its kernel spans."""
ROUNDING = 1e-5
"""Of the largest answer: one row and several go through other kernels, which add in another order."""
APART = 0.02
"""Answers that lie further apart than this share of what rows differ by are other answers: a batch norm or an
attention over the batch, and dropout, give a tenth and more (tests/test_same_answers.py)."""
APART_IN_HALF = 0.2
"""The same of a network that has weights of 16 bits, which keep two or three digits."""


def few_rows(part: Split, task: Task) -> Tensor:
    """Raw rows (n, …) of a part as a network takes them; of texts such as a convolution can answer, where
    there are some, and as many tokens as the shortest of them has: none is padded."""
    picked = np.arange(len(part))
    if task.takes == "text":
        long = np.flatnonzero((part.inputs != PAD).sum(axis=1) >= FEWEST_TOKENS)
        picked = long if len(long) else picked
    picked = picked[np.unique(np.linspace(0, len(picked) - 1, ROWS).astype(int))]
    rows = np.array(take(part, picked).inputs, order="C")
    if task.takes == "text":
        rows = np.ascontiguousarray(rows[:, : max(FEWEST_TOKENS, int((rows != PAD).sum(axis=1).min()))])
    return torch.from_numpy(rows)


def unequal_rows(part: Split, task: Task) -> Tensor | None:
    """Raw rows (n, …) of a part's texts, padded to the longest of them; None of other inputs, and where all
    are of one length."""
    if task.takes != "text":
        return None
    order = np.argsort((part.inputs != PAD).sum(axis=1), kind="stable")
    picked = order[np.unique(np.linspace(0, len(order) - 1, ROWS).astype(int))]
    rows = np.array(take(part, picked).inputs, order="C")
    lengths = _lengths(rows)
    return torch.from_numpy(rows[:, : lengths.max()].copy()) if len(set(lengths.tolist())) > 1 else None


def refuse_padded(servable: Servable, rows: Tensor) -> None:
    """Refuse a network of texts that answers one otherwise beside a longer one.

    Args:
        rows: tokens (n, length), padded to the longest.
    Raises:
        TrialError: with the cure.
    """
    shortest = rows[:1, : max(1, int((rows[0] != PAD).sum()))]
    try:
        answers(servable, shortest)
    except RuntimeError as error:
        raise TrialError(
            f"a text of {shortest.shape[1]} words cannot be answered alone, and it would be served so: "
            f"{first_line(error)}; lengthen texts by as many padding tokens as the longest kernel spans, "
            "`tokens = F.pad(tokens, (0, 4))`"
        ) from error
    lengths = _lengths(rows.numpy())
    alone = [answers(servable, rows[i : i + 1, :length]) for i, length in enumerate(lengths.tolist())]
    if (apart := _apart(answers(servable, rows), torch.cat(alone), servable)) > 0:
        raise TrialError(
            f"a text is answered otherwise alone than beside longer ones ({_by(apart)}), and a score in "
            f"batches is not what users get: tokens of number {PAD}, behind shorter texts, count. "
            "Take means and maxima over the words alone, `real = (tokens != 0).unsqueeze(-1)` and "
            "`(x * real).sum(1) / real.sum(1)`, or `x.masked_fill(~real, float('-inf')).amax(1)`; read a "
            "state at the last word; give attention its `key_padding_mask=tokens == 0`"
        )


def _lengths(rows: np.ndarray) -> np.ndarray:
    """(n,) tokens of each row, and what a convolution needs at least where the rows have as many."""
    least = min(FEWEST_TOKENS, rows.shape[1])
    return np.asarray(np.maximum((rows != PAD).sum(axis=1), least))


def refuse_unsteady(servable: Servable, rows: Tensor) -> None:
    """Refuse a network whose answer to a row is not by that row alone.

    Raises:
        TrialError: with what it may be, and the cure.
    """
    first = answers(servable, rows)
    if (apart := _apart(first, answers(servable, rows), servable)) > 0:
        raise TrialError(
            f"the same rows are answered otherwise each time ({_by(apart)}): something is drawn at random "
            "while it answers; write `F.dropout(x, p, self.training)`, and draw nothing unless self.training"
        )
    alone = torch.cat([answers(servable, rows[i : i + 1]) for i in range(len(rows))])
    if (apart := _apart(first, alone, servable)) > 0:
        raise TrialError(
            f"a row is answered otherwise alone than beside others ({_by(apart)}), and a score in batches "
            "is not what users get: something is taken over the rows of a batch. Is it attention without "
            "`batch_first=True`, a softmax over axis 0, or a batch norm that has no running statistics or is "
            "kept in training mode?"
        )


def refuse_forgetful(servable: Servable, fitted: Path, rows: Tensor) -> None:
    """Refuse a network that answers otherwise once it was stored and rebuilt, or is not built anew for that.

    Args:
        fitted: where it was stored.
    Raises:
        TrialError: with what it may be, and the cure.
    """
    with torch.random.fork_rng(devices=[]):  # a builder draws its first weights
        try:
            stored = load_servable(fitted)
        except HarnessError:
            raise
        except Exception as error:  # a builder may raise anything
            raise TrialError(f"cannot be rebuilt from its weights: {first_line(error)}") from error
    learning = {id(weight) for weight in servable.parameters() if weight.requires_grad}
    if learning & {id(weight) for weight in stored.parameters()}:
        raise TrialError(
            "its builder gives the same weights each time it is called, so that the next seed would go on "
            "from what this one has learnt: make all of the network inside of the builder, and nothing in "
            "the module, in a default argument or behind a cache"
        )
    if (apart := _apart(answers(servable, rows), answers(stored, rows), servable)) > 0:
        raise TrialError(
            f"rebuilt from what is stored it answers otherwise than it was trained ({_by(apart)}): only "
            "parameters and buffers are kept. Put layers into an nn.ModuleList in place of a list, and what "
            "is drawn at random or changes in training into `self.register_buffer(NAME, tensor)`, without "
            "`persistent=False`"
        )


def refuse_unlearnable(model: nn.Module, rows: Tensor, task: Task) -> None:
    """Refuse a network that answers something else in training than in evaluation, or learns nothing.

    Raises:
        TrialError: with the cure.
    """
    if not any(weight.requires_grad for weight in model.parameters()):
        raise TrialError(
            "no weight of it learns (requires_grad is False for all of them, or it has none): leave those of "
            "the head to learn, or bring it as a finished network, `model: torch:FILE.pt2`"
        )
    try:
        probe = copy.deepcopy(model).train()  # a copy: batch norm would remember the rows
    except Exception:  # some libraries' models cannot be copied: their first step says what is wrong
        return
    if len(rows) < 2:  # batch norm cannot learn of one
        return
    with torch.random.fork_rng(devices=[]):
        found = probe(rows)
    if not isinstance(found, Tensor):
        raise TrialError(
            f"in training it answers a {type(found).__name__}, and in evaluation one tensor: return one "
            "tensor in both; a network with auxiliary heads is built without them (of torchvision's: "
            "`aux_logits=False`)"
        )
    if not found.requires_grad:
        raise TrialError(
            "nothing of it can learn, since its answer has no gradient: is its forward under "
            "`torch.no_grad()`, or does it call `.detach()`, `.item()` or NumPy?"
        )
    if wrong := last_step.objection(found, task):
        raise TrialError(f"in training it {wrong}")


def answers(servable: nn.Module, rows: Tensor) -> Tensor:
    """(n, …) float64, what a network answers to some rows."""
    with torch.inference_mode():
        return torch.as_tensor(servable(rows)).double().cpu()


def _apart(one: Tensor, other: Tensor, network: nn.Module) -> float:
    """How far two answers to the same rows lie apart at most, 0 where they are the same but for rounding."""
    if one.shape != other.shape:
        return float("inf")
    known = one.isfinite() & other.isfinite()  # what is not finite is said by what trains
    one, other = one.where(known, torch.zeros(())), other.where(known, torch.zeros(()))
    off, rounding = one - other, ROUNDING * float(one.abs().max())
    half = any(weight.dtype in (torch.bfloat16, torch.float16) for weight in network.parameters())
    spread = float((one - one.mean(dim=0)).square().mean().sqrt())
    limit = max(rounding, (APART_IN_HALF if half else APART) * spread)
    return float(off.abs().max()) if float(off.square().mean().sqrt()) > limit else 0.0


def _by(apart: float) -> str:
    return f"by up to {apart:.2g}"
