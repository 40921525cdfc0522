"""Weights & Biases: a run per trial and per variant, grouped by the suite's run, and a summary run.

Offline first: without a key, or with WANDB_MODE=offline, everything is written to disk and
`wandb sync` sends it later. The W&B Report's specification is written beside the run's own report.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from harness.codec import JsonObject
from harness.record import HarnessError, Record, content_hash
from harness.report.evidence import Evidence
from harness.report.sections.calibration import reliability_bins
from harness.report.sections.load import load_curve
from harness.report.sections.quality import class_names, confusion
from harness.report.track import (
    DERIVED,
    LOAD,
    axes,
    described,
    figures,
    headline,
    is_told,
    standing,
    verdict,
)

if TYPE_CHECKING:
    from wandb import Run, Table

MOST_CANDIDATES = 5
ENDS = ("", "_low", "_high")
FLAGS = ("pareto", "feasible_probability", "best_probability")
DECIDED = ("probability_best", "expected_regret")
"""What is decided, where somebody is named."""
SPECIFICATION = "wandb_report.json"


def log(e: Evidence, options: JsonObject) -> str:
    """Write the run to W&B; where to, in a sentence.

    Args:
        options: `project` (default: the suite's name), `entity`, `mode` (online, offline), `dir`,
            `trials` (`all`; `train` leaves out score and serve trials, `none` all of them: a run of W&B
            takes a fraction of a second each), `report` (false leaves out the W&B Report).
    Raises:
        HarnessError: W&B refused or cannot be reached.
    """
    import wandb

    mode, remark = _mode(options)
    folder = Path(str(options.get("dir") or "") or os.environ.get("WANDB_DIR") or _beside(e))
    folder.mkdir(parents=True, exist_ok=True)
    session = _Session(wandb, e, options, mode, folder)
    try:
        for record in _wanted(e, str(options.get("trials", "all"))):
            session.trial(record)
        session.variants()
        session.summary()
        where = session.report() if options.get("report", True) else ""
    except (wandb.errors.Error, RuntimeError, ValueError, TypeError, TimeoutError) as error:
        raise HarnessError(f"W&B failed: {error}") from error
    if mode == "offline":
        place = folder / "wandb"
        return f"{remark}{session.count} runs written to {place}; send them with `wandb sync --sync-all`."
    return f"{session.count} runs in project {session.project}.{where}"


def _mode(options: JsonObject) -> tuple[str, str]:
    """`online` or `offline`, and why where that was not asked for."""
    wanted = str(options.get("mode") or os.environ.get("WANDB_MODE") or "online")
    if wanted not in ("online", "offline", "dryrun"):
        raise HarnessError(f"track.wandb.mode {wanted!r}: write online or offline")
    if wanted == "online" and not has_key():
        return "offline", "no W&B key found (`wandb login`, or WANDB_API_KEY), so nothing was sent: "
    return ("online" if wanted == "online" else "offline"), ""


def has_key() -> bool:
    """Whether a key is configured: WANDB_API_KEY, or the server's entry in ~/.netrc (`wandb login`)."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    path = Path(os.environ.get("NETRC") or Path.home() / ("_netrc" if os.name == "nt" else ".netrc"))
    try:
        return netrc.netrc(str(path)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _beside(e: Evidence) -> Path:
    return Path(e.run.url.removeprefix("file://")) if e.run.is_local else Path.cwd()


def _wanted(e: Evidence, which: str) -> list[Record]:
    kinds = {"all": ("train", "score", "serve"), "train": ("train",), "none": ()}
    if which not in kinds:
        raise HarnessError(f"track.wandb.trials {which!r}: write one of {', '.join(kinds)}")
    return [r for r in e.records if r.trial.kind in kinds[which]]


class _Session:
    """One telling: the module, the group, and how many runs were written."""

    def __init__(self, wandb: ModuleType, e: Evidence, options: JsonObject, mode: str, folder: Path) -> None:
        self.wandb, self.e, self.mode, self.folder = wandb, e, mode, folder
        self.project = str(options.get("project") or e.suite.name)
        self.entity = str(options.get("entity") or "") or None
        self.group = f"{e.run.suite_name}/{e.run.id}"
        self.count = 0

    def start(self, name: str, kind: str, key: str, config: Mapping[str, object], **fields: object) -> Run:
        """A run with an id of its own content: telling twice does not make two."""
        settings = self.wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        self.count += 1
        run: Run = self.wandb.init(
            project=self.project, entity=self.entity, group=self.group, job_type=kind, name=name[:128],
            id=f"{self.e.run.id[-8:]}-{key}", dir=str(self.folder), mode=self.mode, config=dict(config),
            settings=settings, reinit="create_new",
            resume="allow" if self.mode == "online" else None, **fields,
        )  # fmt: skip
        return run

    def trial(self, record: Record) -> None:
        """Config, the history per epoch, and the measured figures; a failure with its reason."""
        kind, tags = record.trial.kind, [record.trial.candidate[:64], record.status]
        run = self.start(record.trial.label, kind, record.trial.id, described(record), tags=tags)
        history = self.e.history(record) if kind == "train" else {}
        for step in range(len(next(iter(history.values()), ()))):
            run.log({k: x for k, v in history.items() if is_told(x := float(v[step]))}, step=step)
        failure = {"failure": record.failure.reason} if record.failure else {}
        # W&B sums a history up by its last row, and `seconds` there are those of an epoch.
        self._summarise(run, {**headline(record), "trial_seconds": record.seconds, **failure})
        run.finish(exit_code=1 if record.status == "failed" else 0)

    def variants(self) -> None:
        """A run per variant: what the Pareto scatter and the load curves of the W&B Report draw.

        Its id is the variant's: told again, another order must not give one the figures of another.
        """
        for row in self.e.rows:
            config = {"variant": row.variant, "candidate": row.candidate, "runtime": row.runtime}
            run = self.start(row.variant, "variant", f"variant-{content_hash(row.variant)[:8]}", config)
            for step, at in enumerate(load_curve(self.e, row)):
                told = {LOAD[0]: at.offered, LOAD[1]: at.p99_ms, LOAD[2]: at.answered}
                run.log({k: x for k, x in told.items() if x is not None and is_told(x)}, step=step)
            known = {**standing(self.e, row), **figures(row)}
            self._summarise(run, {**dict.fromkeys(self._figures), **known})
            run.finish()

    def summary(self) -> None:
        """The verdict, the table, confusion, PR and calibration plots, the derived files as an artifact."""
        config = self.e.suite.model_dump(mode="json", by_alias=True)
        run = self.start("report", "report", "report", config)
        self._summarise(run, {**dict.fromkeys(DECIDED), **verdict(self.e)})
        step = run.step  # W&B leaves out what is logged to a step before a resumed run's last
        run.log({"tradeoffs": self._table(), **self._scatter(), **_confusions(self.wandb, self.e)}, step=step)
        run.log({**_pr_curves(self.wandb, self.e), **_calibration(self.wandb, self.e)}, step=step)
        artifact = self.wandb.Artifact(f"report-{self.e.run.id}", type="report")
        for name in DERIVED:
            if self.e.run.exists(name):
                with artifact.new_file(name, mode="wb") as file:
                    file.write(self.e.run.read_bytes(name))
        if self.e.run.exists("report.html"):
            run.log({"report": self.wandb.Html(self.e.run.read_text("report.html"), inject=False)}, step=step)
        run.log_artifact(artifact)
        run.finish()

    def _summarise(self, run: Run, told: Mapping[str, object]) -> None:
        """What is told, and nothing in place of an earlier telling's figures that are not known any more: W&B
        keeps each until it is told another, and showed the P(best) of a choice that there is no more."""
        own = {*self.e.known, *FLAGS, *DECIDED, "failure"}
        summary: Any = run.summary  # its methods are untyped
        earlier = [name for name in list(summary.keys()) if _stem(name) in own]
        summary.update({**dict.fromkeys(earlier), **told})

    @property
    def _figures(self) -> list[str]:
        return [f"{m}{end}" for m in self.e.tradeoff.metrics for end in ENDS] + list(FLAGS)

    def _table(self) -> Table:
        names = ["variant", "candidate", "runtime", *self._figures]
        table: Table = self.wandb.Table(columns=[*names, "rejected_by"])
        for row in self.e.rows:
            known = {
                "variant": row.variant,
                "candidate": row.candidate,
                "runtime": row.runtime,
                **figures(row),
            }
            table.add_data(*(known.get(name) for name in names), "; ".join(row.rejected_by))
        return table

    def _scatter(self) -> dict[str, object]:
        x, y = axes(self.e)
        pairs = [(row.variant, figures(row).get(x), figures(row).get(y)) for row in self.e.rows]
        rows = [[name, a, b] for name, a, b in pairs if a is not None and b is not None]
        if not rows:
            return {}
        table = self.wandb.Table(columns=["variant", x, y], data=rows)
        return {"pareto": self.wandb.plot.scatter(table, x, y, title="Quality against speed")}

    def report(self) -> str:
        """Write the W&B Report's specification; online also the Report itself. Where it stands."""
        try:
            from harness.report.wandb_report import build, publish, specification
        except ModuleNotFoundError:
            return " (no W&B Report: pip install wandb-workspaces)"
        made = build(self.e, self.project, self.entity or "", self.group)
        self.e.run.write_text(SPECIFICATION, specification(made))
        return f" Report: {publish(made)}" if self.mode == "online" else ""


def _stem(name: str) -> str:
    """The metric of a figure or of an end of its interval."""
    return name.removesuffix("_low").removesuffix("_high")


def _confusions(wandb: ModuleType, e: Evidence) -> dict[str, object]:
    plots = {}
    for candidate in e.leading[:MOST_CANDIDATES]:
        found = confusion(e, candidate)
        if found is None:
            continue
        matrix = found[0]
        names = class_names(e, len(matrix))
        rows = [[names[i], names[j], int(matrix[i, j])] for i in range(len(names)) for j in range(len(names))]
        table = wandb.Table(columns=["Actual", "Predicted", "nPredictions"], data=rows)
        fields = {name: name for name in ("Actual", "Predicted", "nPredictions")}
        plots[f"confusion/{candidate}"] = wandb.plot_table(
            "wandb/confusion_matrix/v1", table, fields, {"title": f"Confusion of {candidate}"}
        )
    return plots


def _pr_curves(wandb: ModuleType, e: Evidence) -> dict[str, object]:
    plots = {}
    for candidate in e.leading[:MOST_CANDIDATES]:
        answers = next((p for r in e.scored(candidate) if (p := e.predictions(r)) is not None), None)
        if answers is None or answers.outputs.ndim != 2 or answers.outputs.shape[1] < 2:
            continue
        targets, names = answers.targets.astype(int), class_names(e, answers.outputs.shape[1])
        plots[f"precision_recall/{candidate}"] = wandb.plot.pr_curve(
            targets, answers.outputs, labels=names, title=f"Precision and recall of {candidate}"
        )
    return plots


def _calibration(wandb: ModuleType, e: Evidence) -> dict[str, object]:
    found = {c: b for c in e.leading[:MOST_CANDIDATES] if (b := reliability_bins(e, c))}
    if not found:
        return {}
    plot = wandb.plot.line_series(
        xs=[bins[0] for bins in found.values()],
        ys=[bins[1] for bins in found.values()],
        keys=list(found),
        title="Calibration: share right against confidence",
        xname="confidence",
    )
    return {"calibration": plot}
