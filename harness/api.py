"""The Python API: what the command line does, as functions, and a run's results as DataFrames."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    from harness.planning.plan import Plan
    from harness.report.evidence import Evidence
    from harness.results import Recommendation
    from harness.store.run_folder import RunFolder

SuiteLike = str | Path | JsonObject | Suite
"""A suite file, what would stand in one, or a suite that was read."""


def load_suite(suite: SuiteLike, overrides: Sequence[str] = (), dataset: str | None = None) -> Suite:
    """Read and validate a suite completely; nothing is executed or written.

    Args:
        suite: paths in a mapping are relative to the working directory. overrides: `a.b=c` texts.
        dataset: of a suite over several data sets, the name of one.
    Raises:
        SuiteError: with every mistake, `file:line: what is wrong, and the cure`.
    """
    from harness.reading import read_suite

    if isinstance(suite, Suite) and not overrides:
        return suite
    with _as_file(suite) as path:
        return read_suite(path, overrides, dataset)


def plan(
    suite: SuiteLike, *, overrides: Sequence[str] = (), only: str | Sequence[str] | None = None,
    out: str | Path = "results", dataset: str | None = None,
) -> Plan:  # fmt: skip
    """What `run` would do: its trials, those that are finished already, expected time and money."""
    from harness.planning.plan import plan_run

    return plan_run(load_suite(suite, overrides, dataset), only, str(out))[0]


def run(
    suite: SuiteLike,
    *,
    overrides: Sequence[str] = (),
    only: str | Sequence[str] | None = None,
    out: str | Path = "results",
    address: str | None = None,
    budget: float | None = None,
    smoke: bool = False,
    track: Sequence[str] = (),
    until_decided: bool | None = None,
    refresh: bool = False,
    dataset: str | None = None,
) -> Run:
    """Run what is missing of a suite, and report. Failed trials are rows of the result with their reasons.

    Args:
        budget: seconds after which no trial starts. address: of a running Ray cluster. The others are the
            options of the same name of `python -m harness run`.
    Raises:
        HarnessError: the input is wrong, or nothing can be written.
        KeyboardInterrupt: interrupted; what is finished is kept, and the same call continues.
    """
    from harness.planning.request import RunRequest
    from harness.running.run import run_suite

    with _as_file(suite) as path:
        code = run_suite(
            RunRequest(path, overrides, only, str(out), address, None, budget, smoke, track, until_decided,
                       refresh=refresh, dataset=dataset)
        )  # fmt: skip
        name = load_suite(suite, overrides, dataset).name
    if code == 130:
        raise KeyboardInterrupt
    return open_run(f"{name}/latest", out)


def open_run(name: str | Path, out: str | Path = "results") -> Run:
    """A run that was made before.

    Args:
        name: a folder or URL, a run id, `<suite>/<run id>`, `<suite>` or `latest`. out: where runs lie.
    Raises:
        HarnessError: there is none; names the nearest.
    """
    from harness.store.runs import find_run

    return Run(find_run(str(name), str(out)))


@contextmanager
def _as_file(suite: SuiteLike) -> Iterator[Path]:
    """The suite as a file for as long as it is read and run."""
    if isinstance(suite, str | Path):
        yield Path(suite)
        return
    import yaml

    data = suite.model_dump(mode="json", by_alias=True) if isinstance(suite, Suite) else dict(suite)
    data["folder"] = data.get("folder") or os.getcwd()  # noqa: PTH109
    with tempfile.TemporaryDirectory(prefix="harness-suite-") as folder:
        path = Path(folder) / "suite.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
        yield path


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

        return pd.DataFrame(tradeoff_rows(self.evidence.tradeoff)).set_index("variant")

    @cached_property
    def records(self) -> pd.DataFrame:
        """All measurements, tidy: a row for each trial and metric, with its unit."""
        import pandas as pd

        from harness.analysis.outputs import tidy

        return pd.DataFrame(tidy(self.evidence.records, self.folder.id))

    @property
    def recommendation(self) -> Recommendation:
        """The verdict, the choice and its probability, reasons, and what would change the answer."""
        return self.evidence.recommendation

    def recommend(
        self,
        where: Sequence[str] = (),
        *,
        objective: str | None = None,
        traffic: Mapping[str, Json] | None = None,
    ) -> Recommendation:
        """Decide again under other limits, another objective or other traffic; nothing runs.

        Args:
            where: limits; one on the same metric and side replaces the suite's.
            objective: `maximize accuracy`, `minimize cost_per_million_usd`. traffic: keys of the suite's.
        Raises:
            SuiteError: a limit, the objective or the traffic cannot be read, or a suite may not have it.
        """
        from harness.analysis.recommend import decide

        plain = methodcaller("tolist")  # of NumPy's numbers and arrays
        settings = [
            f"decision.traffic.{key}={json.dumps(own, default=plain)}" for key, own in (traffic or {}).items()
        ]
        return decide(self.folder, tuple(where), objective, settings)

    def predictions(self, candidate: str, runtime: str | None = None) -> pd.DataFrame:
        """Answers to the test examples, all seeds: `seed`, `example`, `target` (`t_LABEL` where one may
        have several labels), and a column `p_CLASS` for each class, or `prediction`. Of a recommender, whose
        answers are lists, the scores of each user, and of each visit where there are any (`unit`).

        Args:
            runtime: by default the candidate's reference runtime.
        Raises:
            HarnessError: the candidate has no stored answers.
        """
        import pandas as pd

        frames = []
        for record in self.evidence.scored(candidate, runtime):
            found = self.evidence.predictions(record)
            if found is None:
                continue
            head = {"seed": record.trial.seed, "example": range(len(found.ids))}
            frames.append(pd.DataFrame({**head, **found.by_column()}))
        if not frames:
            raise self._absent(candidate, "no stored answers")
        return pd.concat(frames, ignore_index=True)

    def history(self, candidate: str) -> pd.DataFrame:
        """Learning curves: a row for each training and epoch.

        Raises:
            HarnessError: the candidate has none.
        """
        import pandas as pd

        frames = []
        for record in self.evidence.of("train", candidate):
            columns = self.evidence.history(record)
            if columns:
                head = {"seed": record.trial.seed, "train_size": record.trial.train_size}
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
            for record in self.evidence.records
            if record.status == "finished" and record.trial.variant and record.trial.variant.name == variant
            for point in record.facts_as(ServerFacts).load_curve or ()
        ]
        if not rows:
            raise self._absent(variant, "no load curve (add `server` to serving.scenarios)")
        frame = pd.DataFrame(rows)
        frame["late_share"] = frame["violations"] / frame["requests"].clip(lower=1)
        return frame

    def compare(self, other: Run, margin: float = 0.0) -> Comparison:
        """Judge this run against a baseline; `.regressions` are the significant worsenings.

        Args:
            other: the baseline. margin: a worsening up to this much does not matter.
        """
        from harness.analysis.compare import compare_runs

        return compare_runs(other.folder, self.folder, margin=margin)

    def report(self) -> Path:
        """Write the report again from the records alone, and say where report.html lies."""
        from harness.report.render import render, report_path

        render(self.folder)
        return report_path(self.folder)

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
