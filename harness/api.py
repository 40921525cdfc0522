"""The Python API: what the command line does, as functions, and a run's results as DataFrames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import Json, JsonObject
from harness.facts import ServerFacts
from harness.record import HarnessError, RecordError
from harness.suite.schema import Suite

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.changes import Comparison
    from harness.analysis.predictions import Predictions
    from harness.planning.plan import Plan
    from harness.record import Record
    from harness.report.evidence import Evidence
    from harness.results import Recommendation
    from harness.store.run_folder import RunFolder

SuiteLike = str | Path | JsonObject | Suite
"""A suite file, what would stand in one, or a suite that was read."""

Texts = str | Sequence[str]
"""Several texts, or one alone."""


def load_suite(suite: SuiteLike, overrides: Texts = (), dataset: str | None = None) -> Suite:
    """Read and validate a suite completely; nothing is executed or written.

    Args:
        suite: paths in a mapping are relative to the working directory. overrides: `a.b=c` texts.
        dataset: of a suite over several data sets, the name of one.
    Raises:
        SuiteError: with every mistake, `file:line: what is wrong, and the cure`; of a mapping with its key,
            `candidates.cnn.model: …`.
    """
    from harness.reading import read_suite

    if isinstance(suite, Suite) and not overrides and dataset is None:
        return suite
    with _as_file(suite) as path:
        return read_suite(path, _several(overrides), dataset)


def plan(
    suite: SuiteLike, *, overrides: Texts = (), only: Texts | None = None,
    out: str | Path = "results", dataset: str | None = None,
) -> Plan:  # fmt: skip
    """What `run` would do: its trials, those that are finished already, expected time and money."""
    from harness.planning.plan import plan_run

    return plan_run(load_suite(suite, overrides, dataset), only, str(out))[0]


def run(
    suite: SuiteLike,
    *,
    overrides: Texts = (),
    only: Texts | None = None,
    out: str | Path = "results",
    address: str | None = None,
    budget: float | str | None = None,
    smoke: bool = False,
    track: Texts = (),
    until_decided: bool | None = None,
    refresh: bool = False,
    dataset: str | None = None,
) -> Run:
    """Run what is missing of a suite, and report. Failed trials are rows of the result with their reasons.

    Args:
        budget: seconds after which no trial starts, or `10m`. address: of a running Ray cluster. The others
            are the options of the same name of `python -m harness run`.
    Raises:
        HarnessError: the input is wrong, or nothing can be written.
        KeyboardInterrupt: interrupted; what is finished is kept, and the same call continues.
    """
    from harness.planning.asked import checked
    from harness.planning.request import RunRequest
    from harness.running.run import run_suite

    made: list[RunFolder] = []
    with _as_file(suite) as path:
        asked = RunRequest(
            path, _several(overrides), only, str(out), address, smoke=smoke, until_decided=until_decided,
            refresh=refresh, dataset=dataset, is_passing=not isinstance(suite, str | Path),
        )  # fmt: skip
        code = run_suite(checked(asked, budget, _several(track)), opened=made.append)
    if code == 130:
        raise KeyboardInterrupt
    return Run(made[0])  # of a smoke run another than the suite's latest


def open_run(name: str | Path, out: str | Path = "results") -> Run:
    """A run that was made before.

    Args:
        name: a folder or URL, a run id, `<suite>/<run id>`, `<suite>` or `latest`. out: where runs lie.
    Raises:
        HarnessError: there is none; names the nearest.
    """
    from harness.store.runs import find_run

    return Run(find_run(str(name), str(out)))


def _several(texts: Texts) -> tuple[str, ...]:
    """A text alone is one, not its letters."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _as_file(suite: SuiteLike) -> AbstractContextManager[Path]:
    """The suite as a file for as long as it is read and run."""
    if isinstance(suite, str | Path):
        return nullcontext(Path(suite))
    from harness.reading.mappings import as_file

    return as_file(suite)


@dataclass(frozen=True)
class Run:
    """A run's results. Everything is read from its folder when it is first asked for.

    Args:
        folder: where it lies.
    """

    folder: RunFolder

    @property
    def url(self) -> str:
        """The folder's path or URL."""
        return self.folder.url

    @cached_property
    def evidence(self) -> Evidence:
        """What the report is made from.

        Raises:
            RecordError: the run holds no trials, as published reports do.
        """
        from harness.report.render import gather

        if not self.folder.trial_ids():
            raise RecordError(f"{self.url} holds no trials (a published report?): run the suite again")
        return gather(self.folder)

    @property
    def suite(self) -> Suite:
        """The suite that was run, resolved."""
        return self.evidence.suite

    @cached_property
    def tradeoffs(self) -> pd.DataFrame:
        """A row for each variant: each metric with `_low` and `_high` (95 %) and a `_note` where there is no
        number, `pareto`, and the probabilities of being best and of keeping the limits."""
        import pandas as pd

        from harness.analysis.outputs import tradeoff_rows

        frame = pd.DataFrame(tradeoff_rows(self.evidence.tradeoff)).set_index("variant")
        # A column without any number is one of numbers all the same: NaN, as where some are missing.
        return frame.astype({name: float for name in frame if frame[name].isna().all()})

    @cached_property
    def records(self) -> pd.DataFrame:
        """All measurements, tidy: a row for each trial and metric, with its unit; as in `records.parquet`."""
        from harness.analysis.outputs import records_table

        frame: pd.DataFrame = records_table(self.evidence.records, self.folder.id).to_pandas()
        return frame

    @property
    def recommendation(self) -> Recommendation:
        """The verdict, the choice and its probability, reasons, and what would change the answer."""
        return self.evidence.recommendation

    def recommend(
        self,
        where: Texts = (),
        *,
        objective: str | None = None,
        traffic: Mapping[str, Json] | None = None,
    ) -> Recommendation:
        """Decide again under other limits, another objective or other traffic; nothing runs.

        Args:
            where: limits; one on the same metric and side replaces the suite's.
            objective: `maximize accuracy`, `minimize cost_per_million_usd`. traffic: keys of the suite's.
        Raises:
            SuiteError: with every limit, objective and traffic that cannot be read or a suite may not have.
        """
        from harness.analysis.recommend import decide

        plain = methodcaller("tolist")  # of NumPy's numbers and arrays
        settings = [
            f"decision.traffic.{key}={json.dumps(own, default=plain)}" for key, own in (traffic or {}).items()
        ]
        return decide(self.folder, _several(where), objective, settings)

    def predictions(self, candidate: str, runtime: str | None = None) -> pd.DataFrame:
        """Answers to the test examples, all seeds: `seed`, `example`, `target` (`t_LABEL` where one may
        have several labels), and a column `p_CLASS` for each class, or `prediction`. Of a recommender, whose
        answers are lists, the scores of each user, and of each visit where there are any (`unit`). Where the
        data are cut into folds or repeats, those of all of them, each with its `part`.

        Args:
            candidate: its name, or a variant's. runtime: by default the candidate's reference runtime.
        Raises:
            HarnessError: the candidate has no stored answers, or they cannot be read.
        """
        import pandas as pd

        name, _, own = candidate.partition("/")
        frames = []
        for record in self.evidence.scored(name, runtime or own or None, every_part=True):
            found = self._answers(record)
            if found is not None:
                head = {**self._which(record), "example": range(len(found.ids))}
                frames.append(pd.DataFrame({**head, **found.by_column()}))
        if not frames:
            raise self._absent(candidate, "no stored answers")
        return pd.concat(frames, ignore_index=True)

    def history(self, candidate: str) -> pd.DataFrame:
        """Learning curves: a row for each training and epoch; of a recommender's networks one after the other
        (`stage`).

        Raises:
            HarnessError: the candidate has none.
        """
        import pandas as pd

        frames = []
        for record in self.evidence.of("train", candidate):
            columns = self.evidence.history(record, every_stage=True)
            if columns:
                head = {**self._which(record), "train_size": record.trial.train_size}
                frames.append(pd.DataFrame({**head, **columns}))
        if not frames:
            raise self._absent(candidate, "no learning curve")
        return pd.concat(frames, ignore_index=True)

    def load_curve(self, variant: str) -> pd.DataFrame:
        """Open-loop runs of a variant's `server` scenario: a row for each load and round, `offered` and
        `achieved` in requests per second, `p50_ms` and `p99_ms`, and how many of `requests` were late.

        Raises:
            HarnessError: the variant has no `server` trial.
        """
        import pandas as pd

        rows = [
            {"round": record.trial.round, **asdict(point)}
            for record in self.evidence.of("serve", scenario="server")
            if record.trial.variant and record.trial.variant.name == variant
            for point in record.facts_as(ServerFacts).load_curve or ()
        ]
        if not rows:
            is_asked = self.suite.serving.scenarios.server is not None
            stopped = next((row.stopped for row in self.evidence.rows if row.variant == variant), "")
            cure = f" ({stopped})" if stopped else "" if is_asked else " (add `server` to serving.scenarios)"
            raise self._absent(variant, f"no load curve{cure}")
        frame = pd.DataFrame(rows)
        frame["late_share"] = frame["violations"] / frame["requests"].clip(lower=1)
        return frame

    def compare(self, other: Run | str | Path, margin: float = 0.0) -> Comparison:
        """Judge this run against a baseline; `.regressions` are the significant worsenings.

        Args:
            other: the baseline, or its name as for `open_run` among the runs that lie where this one does.
            margin: a worsening up to this much does not matter: a share from 0 to below 1.
        Raises:
            HarnessError: there is no such run, the two have nothing in common, or the margin is no share.
        """
        from harness.analysis.compare import compare_runs

        baseline = other if isinstance(other, Run) else open_run(other, self.url.rsplit("/", 2)[0])
        return compare_runs(baseline.folder, self.folder, margin=margin)

    def report(self) -> Path:
        """Write the report again from the records alone, and say where report.html lies."""
        from harness.report.render import render, report_path

        render(self.folder)
        return report_path(self.folder)

    def _which(self, record: Record) -> dict[str, int | None]:
        """The seed of a trial, and its fold or repeat where there are several."""
        split = self.suite.data.split
        part = {"part": record.trial.part} if split is not None and split.parts > 1 else {}
        return {"seed": record.trial.seed, **part}

    def _answers(self, record: Record) -> Predictions | None:
        """A score trial's answers; None where none were stored."""
        from harness.analysis.predictions import read_predictions

        try:
            content = self.folder.read_bytes(f"trials/{record.trial.id}/predictions.parquet")
        except FileNotFoundError:
            return None
        try:
            return read_predictions(content)
        except (OSError, KeyError, ValueError) as error:
            place = f"{self.url}/trials/{record.trial.id}"
            raise RecordError(
                f"{place}/predictions.parquet is damaged ({error}): remove {place}, and the next run scores "
                f"{record.trial.label} again"
            ) from error

    def _absent(self, name: str, what: str) -> HarnessError:
        known = sorted({r.variant for r in self.evidence.rows} | set(self.suite.candidates))
        return HarnessError(f"{name}: {what} in {self.folder.id}; it holds {', '.join(known)}")

    def _repr_html_(self) -> str:
        """The verdict and the table, for notebooks."""
        from html import escape

        from harness.report.terminal import figures_html, verdict

        words = verdict(self.evidence.tradeoff, self.recommendation)
        said = "".join(part if isinstance(part, str) else part[0] for part in words)
        table = figures_html(self.evidence.tradeoff, self.recommendation, self.suite)
        return f"<p><b>{escape(said)}</b></p>{table}"
