"""A network of a supervised task, trained by several processes: what each of them does.

All go the way of `harness.tasks.network`, so that they build the same network and cut the same batches; the
leader alone writes what is fitted. The training loop is put into that module from here: what the module does
is in the id of every trained network, and those that train alone keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from harness.protocols import Job, Outcome
from harness.record import TrialError
from harness.tasks import network, supervised
from harness.training.loop import Fit
from harness.training.together.group import TrainingGroup
from harness.training.together.loop import fit_together


class _HelpedError(Exception):
    """A process that does not lead is done once the network is trained."""


def train(job: Job, group: TrainingGroup) -> Outcome | None:
    """Train as one process of a group; the outcome of the process that leads, None of the others.

    Args:
        job: its folder is written by the leader, so each process has one of its own; its checkpoint folder is
            the same for all.

    Raises:
        TrialError: as `harness.tasks.supervised.train`, or the network trains by a loop of its own.
        PeerLostError: another process of the group is gone.
    """
    with _learning_together(group):
        try:
            return supervised.train(job)
        except _HelpedError:
            return None


@contextmanager
def _learning_together(group: TrainingGroup) -> Iterator[None]:
    """Within, networks of this process are trained as one of a group."""
    names = vars(network)
    alone = {name: names[name] for name in ("fit", "fit_lightning", "fit_trainer")}
    names.update(fit=partial(_fit, group), fit_lightning=_refused, fit_trainer=_refused)
    try:
        yield
    finally:
        names.update(alone)


def _fit(group: TrainingGroup, *args: object, **options: object) -> Fit:
    result = fit_together(*args, group=group, **options)  # type: ignore[arg-type]
    if not group.leads:
        raise _HelpedError
    return result


def _refused(*args: object, **options: object) -> Fit:
    raise TrialError(
        "this network trains by a loop of its own, in one process: set training.resources.workers to 1"
    )
