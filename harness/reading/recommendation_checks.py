"""What a suite may say of training and data, and a recommender would pass over in silence."""

from __future__ import annotations

from collections.abc import Mapping

from harness.reading.draft import Draft, Path_

UNUSED: Mapping[str, tuple[object, ...]] = {
    "optimizer.name": ("adamw",),
    "optimizer.momentum": (0.9,),
    "schedule.warmup": (0, 0.1),
    "precision": ("auto", "fp32"),
    "gradient_clip": (0, 1),
    "label_smoothing": (0,),
    "augmentation.flip": (False,),
    "augmentation.crop": (0,),
    "resources.workers": (1,),
}
"""Training settings that no recommender obeys → values that may stand there: the default, which a resolved
suite writes out, and what is done anyway."""

OBEYED = "epochs, batch_size, optimizer.lr, optimizer.weight_decay and schedule.name (constant or not)"


def check_recommendation(draft: Draft) -> None:
    """Nothing is asked of `task: recommendation` that would change nothing."""
    if draft.get(str, "task") != "recommendation":
        return
    if draft.items("data") and draft.get(list, "data", "train_sizes"):
        text = "a recommender learns from all of the past: leave it out"
        draft.wrong(("data", "train_sizes"), text, draft.key_place("data", "train_sizes"))
    for path in trainings(draft):
        for key, harmless in UNUSED.items():
            here = (*path, *key.split("."))
            node = draft.node(*here)
            if node is not None and node.value is not None and node.plain not in harmless:
                draft.wrong(here, f"recommenders ignore it: leave it out; they use {OBEYED}")
        for key in draft.items(*path, "tuning", "space"):
            if key in UNUSED or key.startswith("args."):
                here = (*path, "tuning", "space", key)
                text = f"recommenders ignore it: search {OBEYED}"
                draft.wrong(here, text, draft.key_place(*here))


def trainings(draft: Draft) -> list[Path_]:
    """The shared training and each candidate's."""
    return [("training",), *(("candidates", name, "training") for name in draft.items("candidates"))]
