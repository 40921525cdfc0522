"""Any number of labels for each example: images, texts or tables; targets (n, k) of 0 and 1."""

from __future__ import annotations

from harness.kinds.kind import OwnSection, TaskKind
from harness.kinds.multilabel import answers
from harness.kinds.multilabel.learning import LEARNING
from harness.kinds.multilabel.metrics import METRICS

MULTILABEL = TaskKind(
    name="multilabel_classification",
    home=__name__,
    family="multi-label classification",
    inputs=("image", "text", "table"),
    targets="labels",
    metrics=tuple(metric.name for metric in METRICS),
    own=METRICS,
    watched="label_f1_micro",
    watchable=tuple(metric.name for metric in METRICS),
    shape=lambda task: (task.num_classes,),
    check=answers.check,
    describe=answers.describe,
    counts=answers.counts,
    constant=answers.constant,
    agreement=answers.agreement,
    learning=LEARNING,
    section=OwnSection("Errors by label", answers.by_label),
    only_one="no label",
    summary="images, texts or rows, any number of labels each",
)
