"""What several workers can train together, and what a suite may ask of them."""

from __future__ import annotations

from harness.reading.draft import Draft, Path_
from harness.suite.model_ref import ModelRef
from harness.suite.schema import Training


def check_together(draft: Draft, path: Path_, ref: ModelRef) -> None:
    """A candidate whose `training.resources.workers` is above 1 is a network, and its settings allow it."""
    training = (*path, "training")
    here = (*training, "resources", "workers")
    workers = draft.get(int, *here, default=1)
    if workers <= 1:
        return
    place = draft.key_place(*here)
    if not ref.about.is_network:
        what = "trains in one process" if ref.about.is_trained else "is finished and not trained"
        text = f"`{path[-1]}` {what}: give it `training: {{resources: {{workers: 1}}}}`"
        draft.wrong(here, text, place)
        return
    if draft.items(*training, "tuning"):
        text = "a search tries its settings in one process each: leave out training.tuning, or write 1"
        draft.wrong(here, text, place)
    batch = draft.get(int, *training, "batch_size", default=Training().batch_size)
    if batch < workers:
        text = f"{workers} workers cannot share a batch of {batch}: write at most {batch}"
        draft.wrong(here, text, place)
    gpus = draft.get(float, *training, "resources", "gpus", default=0.0)
    if gpus not in (0.0, 1.0):
        text = f"{gpus:g} for each of {workers} workers: each trains on one GPU or none, write 1 or 0"
        draft.wrong((*training, "resources", "gpus"), text)
