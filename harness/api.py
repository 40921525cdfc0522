"""The Python API: what the command line does, as functions, and a run's results as DataFrames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import Json, JsonObject
from harness.facts import ScoreFacts, ServerFacts
from harness.mistakes import several_texts
from harness.names import nearest
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
        suite: paths in a mapping are relative to the working directory. overrides: `a.b=c` texts, as `--set`.
        dataset: of a suite over several data sets, the name of one; such a suite must have one named.
    Raises:
        SuiteError: with every mistake, `file:line: what is wrong, and the cure`; of a mapping with its key,
            `candidates.cnn.model: …`.
    """
    from harness.reading import read_suite

    settings = _several(overrides, "overrides")
    if isinstance(suite, Suite) and not settings and dataset is None:
        return suite
    with _as_file(suite) as path:
        return read_suite(path, settings, dataset)


def plan(
    suite: SuiteLike, *, overrides: Texts = (), only: Texts | None = None,
    out: str | Path = "results", dataset: str | None = None,
) -> Plan:  # fmt: skip
    """What `run` would do: its trials, those that are finished already, expected time and money.

    Args:
        only: names or patterns of candidates, variants or trials. The others are those of `run`.
    Raises:
        SuiteError: as of `load_suite`, and of data that cannot be read.
    """
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
        suite, overrides, dataset: as for `load_suite`. budget: seconds after which no trial starts, or `10m`.
        address: of a running Ray cluster. until_decided: False is `--exhaustive`, None as the suite has it.
            The others are the options of the same name of `python -m harness run`.
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
            path, _several(overrides, "overrides"), only, str(out), address, smoke=smoke,
            until_decided=until_decided, refresh=refresh, dataset=dataset,
            is_passing=not isinstance(suite, str | Path),
        )  # fmt: skip
        code = run_suite(checked(asked, budget, _several(track, "track")), opened=made.append)
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


TEXTS = {
    "overrides": '"training.epochs=2"',
    "where": '"latency_p99_ms <= 5"',
    "track": '"mlflow"',
}
"""What texts are given for → one of them."""


def _several(texts: Texts | None, what: str) -> tuple[str, ...]:
    return several_texts(texts, what, TEXTS[what])


def _as_file(suite: SuiteLike) -> AbstractContextManager[Path]:
    """The suite as a file for as long as it is read and run."""
    if isinstance(suite, str | Path) and "\n" not in str(suite):
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
        return decide(self.folder, _several(where, "where"), objective, settings)

    def predictions(self, candidate: str, runtime: str | None = None) -> pd.DataFrame:
        """Answers to the test examples, all seeds: `seed`, `example`, `target`, and `p_0`, `p_1`, … for the
        classes that `.attrs["classes"]` names in their order (where an example may have several labels `t_0`,
        `t_1`, … for `target`; `s_…` of scores, `c_…` of a model that answers classes alone), or `prediction`.
        Of a recommender, whose answers are lists, the scores of each user, and of each visit where there are
        any (`unit`). Of data that are cut into folds or repeats those of all of them, each with its `part`.

        Args:
            candidate: its name, or a variant's. runtime: by default the candidate's reference runtime.
        Raises:
            HarnessError: the candidate has no stored answers, or they cannot be read.
        """
        import pandas as pd

        name, _, own = candidate.partition("/")
        if own and runtime not in (own, None):
            raise HarnessError(f"{candidate} is a variant of another runtime than {runtime}: leave one out")
        frames, classes = [], tuple[str, ...]()
        for record in self.evidence.scored(name, runtime or own or None, every_part=True):
            found = self._answers(record)
            if found is not None:
                head = {**self._which(record), "example": range(len(found.ids))}
                frames.append(pd.DataFrame({**head, **found.by_column()}))
                classes = record.facts_as(ScoreFacts).class_names or classes
        if not frames:
            wanted = f"{name}/{runtime or own}" if runtime or own else name
            raise self._absent(wanted, "no stored answers", self._variants())
        whole = pd.concat(frames, ignore_index=True)
        whole.attrs["classes"] = list(classes)
        return whole

    def history(self, candidate: str) -> pd.DataFrame:
        """Learning curves: a row for each training and epoch; of a recommender's networks one after the other
        (`stage`). `train_size` is NaN where all rows were used.

        Args:
            candidate: its name, or a variant's.
        Raises:
            HarnessError: the candidate has none, as what is no network.
        """
        import pandas as pd

        name = candidate.partition("/")[0]
        frames = []
        for record in self.evidence.of("train", name):
            columns = self.evidence.history(record, every_stage=True)
            if columns:
                size = record.trial.train_size
                head = {**self._which(record), "train_size": float("nan" if size is None else size)}
                frames.append(pd.DataFrame({**head, **columns}))
        if not frames:
            curved = {r.trial.candidate for r in self.evidence.of("train") if self.evidence.history(r)}
            raise self._absent(name, "no learning curve", curved)
        return pd.concat(frames, ignore_index=True)

    def load_curve(self, variant: str) -> pd.DataFrame:
        """Open-loop runs of a variant's `server` scenario: a row for each load and round, `offered` and
        `achieved` in requests per second, `p50_ms` and `p99_ms`, and how many of `requests` were late.

        Raises:
            HarnessError: the variant has no `server` trial.
        """
        import pandas as pd

        served = [r for r in self.evidence.of("serve", scenario="server") if r.trial.variant]
        rows = [
            {"round": record.trial.round, **asdict(point)}
            for record in served
            if record.trial.variant and record.trial.variant.name == variant
            for point in record.facts_as(ServerFacts).load_curve or ()
        ]
        if not rows:
            is_asked = self.suite.serving.scenarios.server is not None
            stopped = next((row.stopped for row in self.evidence.rows if row.variant == variant), "")
            cure = f" ({stopped})" if stopped else "" if is_asked else " (add `server` to serving.scenarios)"
            loaded = {r.trial.variant.name for r in served if r.trial.variant}
            raise self._absent(variant, f"no load curve{cure}", loaded)
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

    def _variants(self) -> set[str]:
        return {row.variant for row in self.evidence.rows}

    def _absent(self, name: str, what: str, known: Iterable[str]) -> HarnessError:
        """That a name has none of something; `known`: those that have."""
        is_known = name in {*self._variants(), *self.suite.candidates}
        known = sorted(known) or ([] if is_known else sorted(self._variants()))
        near = None if is_known else nearest(name, known)
        held = f": did you mean `{near}`?" if near else f"; it holds {', '.join(known)}" if known else ""
        return HarnessError(f"{name}: {what} in {self.folder.id}{held}")

    def _repr_html_(self) -> str:
        """The verdict and the table, for notebooks."""
        from html import escape

        from harness.report.terminal import figures_html, verdict

        words = verdict(self.evidence.tradeoff, self.recommendation)
        said = "".join(part if isinstance(part, str) else part[0] for part in words)
        table = figures_html(self.evidence.tradeoff, self.recommendation, self.suite)
        return f"<p><b>{escape(said)}</b></p>{table}"
