"""Epochs over batches for small networks: the best epoch by validation is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.protocols import Progress
from harness.record import TrialError
from harness.training.optim import one_kernel


@dataclass(frozen=True)
class FitSettings:
    """How to train; the names are those of a suite's `training`, `decay` is any schedule but `constant`."""

    epochs: int = 5
    batch_size: int = 512
    lr: float = 0.003
    weight_decay: float = 0.0
    decay: bool = True
    seed: int = 0
    device: str = "cpu"

    @classmethod
    def of(cls, training: Mapping[str, Any], seed: int, device: str = "cpu") -> FitSettings:
        optimizer = training.get("optimizer", {})
        return cls(
            epochs=training.get("epochs", cls.epochs),
            batch_size=training.get("batch_size", cls.batch_size),
            lr=optimizer.get("lr", cls.lr),
            weight_decay=optimizer.get("weight_decay", cls.weight_decay),
            decay=training.get("schedule", {}).get("name") != "constant",
            seed=seed,
            device=device,
        )


def fit_epochs(
    network: torch.nn.Module,
    batches: Callable[[int], Iterator[torch.Tensor]],
    settings: FitSettings,
    validate: Callable[[], float] | None,
    progress: Progress,
) -> list[dict[str, float]]:
    """Train a network in place; with `validate`, its weights end as those of the best epoch.

    Args:
        batches: epoch → losses of its batches, computed as they are asked for.
        validate: the higher the better.
    Returns:
        one row per epoch: epoch, train_loss, validation_score, seconds.
    Raises:
        TrialError: the loss is no longer a number.
    """
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(
        parameters, settings.lr, weight_decay=settings.weight_decay, fused=one_kernel(parameters)
    )
    rows: list[dict[str, float]] = []
    best, kept = -float("inf"), None
    for epoch in range(1, settings.epochs + 1):
        start, total, count = time.perf_counter(), 0.0, 0
        if settings.decay:  # by epoch, to near zero: at a constant rate NDCG jumps by .01 from epoch to epoch
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * (1 - (epoch - 1) / settings.epochs)
        network.train()
        for loss in batches(epoch):
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, count = total + float(loss.detach()), count + 1
        if not total < float("inf"):
            raise TrialError(f"diverged in epoch {epoch}: lower training.optimizer.lr ({settings.lr})")
        network.eval()
        row = {"epoch": epoch, "train_loss": total / max(count, 1), "seconds": time.perf_counter() - start}
        if validate is not None:
            row["validation_score"] = validate()
            if row["validation_score"] > best:
                best = row["validation_score"]
                kept = {name: value.detach().clone() for name, value in network.state_dict().items()}
        rows.append(row)
        progress({"epoch": epoch, "epochs": settings.epochs, "score": row.get("validation_score")})
    if kept is not None:
        network.load_state_dict(kept)
    network.eval()
    return rows
