"""What a variant is exported from: its scored model, the records behind it, what they say of its inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.exported import tables
from harness.exported.tables import TableEncoding
from harness.facts import TrainFacts
from harness.names import hint
from harness.record import HarnessError, Record, Variant
from harness.runtimes import RUNTIMES, Export, runtime
from harness.runtimes.common import TOKENIZER
from harness.store.runs import RunFolder
from harness.suite.schema import Suite
from harness.suite.variants import scored_as

OF_FILES = ("image_folder", "image_csv")
"""Data sets whose examples were image files."""


@dataclass(frozen=True)
class ExportSource:
    """What a variant is exported from.

    Args:
        score: the record of its scoring: first seed, largest training-set size, as it was served.
        folder: of that trial. train: the record of its training, and the folder.
    """

    run: RunFolder
    suite: Suite
    score: Record
    folder: Path
    train: Record | None
    fitted: Path

    @property
    def variant(self) -> str:
        assert self.score.trial.variant is not None
        return self.score.trial.variant.name

    @property
    def runtime(self) -> str:
        return str(self.score.trial.spec["runtime"])

    @property
    def way(self) -> Export:
        """How its runtime is exported.

        Raises:
            HarnessError: it cannot be.
        """
        found = runtime(self.runtime).export
        if found is None:
            others = ", ".join(name for name, known in RUNTIMES.items() if known.export)
            raise HarnessError(f"{self.variant}: `{self.runtime}` is not exported: export it on {others}")
        return found

    @cached_property
    def pictures(self) -> dict[str, Any]:
        """How image files become pixels, `background` and `white`; empty of a model that takes none."""
        return _looks(self.score.trial.spec["data"])

    @property
    def table(self) -> TableEncoding | None:
        """What makes numbers of a table's rows; None where the model takes no such rows."""
        return table_of(self)


def _looks(data: Mapping[str, Any]) -> dict[str, Any]:
    """How image files of a data set become pixels; empty where examples are something else."""
    from harness.datasets.decoding import colour_of
    from harness.datasets.pictures import WHITE

    args = data.get("args") or {}
    if data["name"] not in OF_FILES:
        return {}
    return {"background": list(colour_of(args.get("background", "white"))), "white": args.get("white", WHITE)}


def find_source(run: RunFolder, suite: Suite, variant: str) -> ExportSource:
    """The scored model that stands for a variant.

    Raises:
        HarnessError: there is no such variant (the nearest is named), or it failed.
    """
    records, asked = run.records(), variant
    named = Variant.parse(variant)
    variant = replace(named, runtime=scored_as(named.runtime, suite.serving.threads)).name
    scored = [r for r in records if r.trial.kind == "score" and r.trial.variant is not None]
    names = dict.fromkeys(r.trial.variant.name for r in scored if r.trial.variant)
    if variant not in names:
        raise HarnessError(f"{run.suite_name}/{run.id} has no variant `{asked}`: {hint(variant, names)}")
    own = [r for r in scored if r.trial.variant and r.trial.variant.name == variant]
    done = [r for r in own if r.status == "finished"]
    if not done:
        reason = own[0].failure.reason if own[0].failure else "failed"
        working = [n for n in names if any(_is(r, n) and r.status == "finished" for r in scored)]
        others = f"; finished are {', '.join(working)}" if working else ""
        raise HarnessError(f"{variant} failed ({reason}), so there is nothing to export{others}")
    seeds = list(suite.candidates[own[0].trial.candidate].training.seeds)

    def rank(record: Record) -> tuple[float, int]:
        size, seed = record.trial.train_size, record.trial.seed
        return (-(size or float("inf")), seeds.index(seed) if seed in seeds else len(seeds))

    score = min(done, key=rank)
    train_id = str(score.trial.spec["fitted"])
    fitted = run.trial_folder(train_id) / "fitted"
    return ExportSource(run, suite, score, run.trial_folder(score.trial.id), run.record(train_id), fitted)


def _is(record: Record, name: str) -> bool:
    return record.trial.variant is not None and record.trial.variant.name == name


def table_of(source: ExportSource) -> TableEncoding | None:
    """What makes numbers of a table's rows; None where the model takes no such rows.

    Raises:
        HarnessError: it was trained when rows became numbers outside of the model.
    """
    path = source.folder / "artifact" / tables.FILE
    if path.exists():
        return tables.read(path)
    if source.train and source.train.facts_as(TrainFacts).input_columns:
        raise HarnessError(
            f"{source.variant} was trained by an earlier version, whose models take no rows of a table as "
            "they are: run the suite again, which trains it anew"
        )
    return None


def tokenizer_kind(source: ExportSource) -> str:
    """Of what kind the tokenizer beside the artifact is; empty where there is none."""
    path = source.folder / "artifact" / TOKENIZER
    return str(json.loads(path.read_text())["kind"]) if path.exists() else ""
