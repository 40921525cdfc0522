"""What `plan` says before anything runs: how own files were read, and what the decision should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.criteria import NEEDED_CALLS, decides, limits_of
from harness.costs import find_price
from harness.metrics import metrics_of, stem
from harness.metrics.ends import kept_by_all
from harness.planning.tails import tail_note
from harness.planning.texts import text_notes
from harness.planning.tuning import watched_note
from harness.suite.schema import CONSTANT, Suite
from harness.suite.variants import deployments, is_elsewhere, local_cores

if TYPE_CHECKING:
    from harness.datasets.cuts import Cuts

HALF = 0.5
"""Where so many rows have one value, it is the constant answer with the lowest mean absolute error."""
OWN_THRESHOLD = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
"""scikit-learn's: `predict` has a threshold of its own, `predict_proba` is that of the estimator inside."""
APART = "decide by a metric of your own (`metrics`), or predict whether and how much apart"


def plan_notes(suite: Suite, machine_class: str | None = None) -> tuple[str, ...]:
    """What `plan` says of the data and of what decides, a sentence each.

    Args:
        machine_class: of the machine that measures speed.
    """
    from harness.datasets.catalog import notes
    from harness.datasets.cuts import cuts_of

    split = suite.data.split.model_dump(mode="json", exclude={"repeats"}) if suite.data.split else None
    cuts = cuts_of(suite.data.name, suite.data.args, split, suite.seed)
    said = (*notes(suite.data.name, suite.data.args), *cuts.notes)
    said = (*said, *filter(None, [seconds_note(suite)]))
    own = [watched_note(suite), constant_note(suite), heavy_note(suite, cuts), usual_note(suite, cuts)]
    own += [threshold_note(suite)]
    own += [silence_note(suite), busy_note(suite), tail_note(suite), *odd_limits(suite)]
    money = [
        promise_note(suite),
        floor_note(suite),
        idle_note(suite),
        *unknown_machines(suite, machine_class),
    ]
    return (*said, *text_notes(suite), *filter(None, [*own, *money]))


@dataclass(frozen=True)
class _Target:
    """What is remembered of a target of own files."""

    is_duration: bool


def seconds_note(suite: Suite) -> str:
    """That a target of durations is predicted in seconds; empty of others."""
    from harness.datasets.catalog import checksum
    from harness.datasets.described import from_memory

    name, args = suite.data.name, suite.data.args
    if suite.task != "tabular_regression" or name != "tabular_csv":
        return ""

    def ask() -> _Target:
        from harness.datasets.durations import are_durations

        return _Target(are_durations(args))

    if not from_memory(_Target, ["durations", checksum(name, args), dict(args)], ask).is_duration:
        return ""
    target = args["target"]
    return (
        f"the target {target!r} holds durations or times of day: predicted as seconds, errors are in seconds"
    )


def floor_note(suite: Suite) -> str:
    """That a cost decides and will be a floor; empty where it will be none, or none decides."""
    names = [n for n in ("cost_per_month_usd", "cost_per_million_usd") if decides(suite, n)]
    scenarios, limits = suite.serving.scenarios, limits_of(suite)
    if not names or scenarios.server is not None or not is_priced(suite):
        return ""
    if all(is_elsewhere(name) for name in suite.serving.runtimes):
        return ""
    if scenarios.offline is not None and any(c.is_upper and c.metric in NEEDED_CALLS for c in limits):
        return ""  # a simulated queue tells the load within the limit
    vain = ", which meets no limit" if any(c.metric in names for c in limits) else ""
    return (
        f"{names[0]} decides and will be a floor{vain}: no load within a limit of latency is measured; add "
        "`server: {latency_p99_ms: 10}`, with your own limit, to serving.scenarios"
    )


def promise_note(suite: Suite) -> str:
    """That load is measured within a longer time than the suite's limit; empty where it is not so."""
    server = suite.serving.scenarios.server
    limits = [c.limit for c in limits_of(suite) if c.is_upper and c.metric == "latency_p99_ms"]
    if server is None or not limits or min(limits) >= server.latency_p99_ms:
        return ""
    tightest = f"{min(limits):g}"
    return (
        f"load is measured within a p99 of {server.latency_p99_ms:g} ms and the limit is {tightest}: costs"
        f" count on what a simulated queue makes of it; write `server: {{latency_p99_ms: {tightest}}}`"
    )


def is_priced(suite: Suite) -> bool:
    """Whether the suite says what its machine costs."""
    return suite.machine.price is not None or bool(suite.machine.usd_per_hour)


def idle_note(suite: Suite) -> str:
    """That a machine is priced whole while some of its cores do nothing."""
    names = [name for name in suite.serving.runtimes if not is_elsewhere(name)]
    if not names or not is_priced(suite):
        return ""
    row = find_price(suite.machine.price) if suite.machine.price else None
    if row is not None and row.gpu:
        return ""
    here, listed = local_cores(), row.vcpus if row else 0
    ours = suite.machine.cores or listed or here
    cores = max(ours, listed)
    served = [d for name in names for d in deployments(suite.serving, name, ours)]
    used = max((d.threads * d.workers for d in served), default=cores)
    if used >= cores:
        return ""
    verb, most = "serves" if used == 1 else "serve", min(cores, here)
    cure = f"this computer has {here}"
    if used < most:
        which = "all of them" if most == cores else f"the {most} of this computer"
        cure = f"with `serving.workers: auto` {which} do"
    return f"the machine is priced with {cores} cores, of which {used} {verb}: costs are ceilings; {cure}"


def unknown_machines(suite: Suite, machine_class: str | None) -> list[str]:
    """Of which of several machines nothing will be known."""
    if not suite.machines:
        return []
    from harness.analysis.instances import instances  # loads NumPy, which few plans need

    found = instances(suite, machine_class or "")
    return [f"machines.{i.name}: {i.unknown}" for i in found if i.unknown]


def odd_limits(suite: Suite) -> list[str]:
    """Limits that rule out who is better, or nobody, a sentence each."""
    known, said = metrics_of(suite), []
    for limit in limits_of(suite):
        entry = known.get(stem(limit.metric))
        if entry is not None and (why := kept_by_all(limit, entry)):
            said.append(f"`{limit}` rules nobody out, as {why}: leave it out, or tighten it")
        elif entry is not None and limit.is_upper == (entry.better == "higher"):
            op = ">=" if limit.is_upper else "<="
            said.append(
                f"`{limit}` rules out who is better, as {limit.metric} is better the {entry.better}: write "
                f"`{op}` if that is meant"
            )
    return said


def silence_note(suite: Suite) -> str:
    """That a file of request times has hours without any; empty where it has none.

    Nobody but the user knows a quiet night from a log that was off.
    """
    traffic = suite.decision.traffic
    quiet = [rate == 0 for rate in traffic.curve or ()] if traffic.trace else []
    if not any(quiet):
        return ""
    longest = max(len(run) for run in "".join("q" if q else " " for q in quiet).split())
    row = f", up to {longest} in a row" if longest > 1 else ""
    hours = f"{sum(quiet)} of {len(quiet)} hours of {Path(traffic.trace or '').name}{row}"
    return (
        f"no request came in {hours}: they"
        " count as hours without traffic; where the log was off, leave that day out of the file"
    )


def busy_note(suite: Suite) -> str:
    """That minutes of a file of request times are far busier than their hours; empty where none is."""
    traffic = suite.decision.traffic
    if not (traffic.trace and traffic.curve and traffic.peaks):
        return ""
    pairs = zip(traffic.peaks, traffic.curve, strict=True)
    times = [peak / mean if mean else 1.0 for peak, mean in pairs]
    most = max(range(len(times)), key=lambda k: times[k])
    return (
        f"in hour {most + 1} of {Path(traffic.trace).name} {traffic.curve[most]:.3g} requests a second come,"
        f" and {traffic.peaks[most]:.3g} in its busiest minute: machines are counted for the busiest minutes"
    )


def constant_note(suite: Suite) -> str:
    """That accuracy decides where one answer is nearly always right; empty where it is not so."""
    from harness.datasets.catalog import class_counts

    if not decides(suite, "accuracy"):
        return ""
    counts = class_counts(suite.data.name, suite.data.args)
    total = sum(counts.values())
    common = max(counts, key=lambda name: counts[name], default="")
    if not total or counts[common] < CONSTANT * total:
        return ""
    share = counts[common] / total
    return (
        f"accuracy decides, and always saying {common!r} is right in {share:.1%} of the rows: decide by "
        "pr_auc, f1_macro or balanced_accuracy (`positive` names the class that matters); page one shows "
        "what is found of the rare class"
    )


def threshold_note(suite: Suite) -> str:
    """That an estimator's own threshold will decide nothing; empty where no candidate has one."""
    last = {name: _last_step(c.model, c.args).rpartition(":")[2] for name, c in suite.candidates.items()}
    names = [f"{name} ({kind})" for name, kind in last.items() if kind.rpartition(".")[2] in OWN_THRESHOLD]
    if not names:
        return ""
    return (
        f"the threshold of {', '.join(names)} decides nothing here: a label is the class of the largest "
        "probability, in figures and when served; write the estimator inside in its place, and take a "
        "threshold from the report's thresholds, which finds one for each candidate"
    )


def _last_step(model: str, args: Mapping[str, object]) -> str:
    """The reference of what answers: of a pipeline its last step."""
    steps = args.get("steps")
    if not isinstance(steps, Mapping) or not steps:
        return model
    last = list(steps.values())[-1]
    if isinstance(last, Mapping):
        return _last_step(str(last.get("model", "")), last.get("args") or {})
    return str(last)


def heavy_note(suite: Suite, cuts: Cuts) -> str:
    """That squared errors decide where a few rows make nearly all of them; empty where it is not so."""
    names = [name for name in ("r2", "mse") if decides(suite, name)]
    if not names or not cuts.few:
        return ""
    rows = "1 row holds" if cuts.few == 1 else f"{cuts.few} rows hold"
    logarithm = ", or predict the logarithm" if cuts.lowest > 0 else ""
    cure = f"decide by mae{logarithm}"
    if cuts.has_usual >= HALF:  # then always saying the usual value has the lowest mae
        cure = APART
    return (
        f"{names[0]} decides, and of {cuts.rows:,} test rows {rows} {cuts.share:.0%} of the target's squared "
        f"deviations: it says how well these are met, and little of the others; {cure}"
    )


def usual_note(suite: Suite, cuts: Cuts) -> str:
    """That absolute errors decide where one value is half of all; empty where it is not so."""
    if not decides(suite, "mae") or cuts.has_usual < HALF:
        return ""
    return (
        f"mae decides, and {cuts.has_usual:.0%} of the test rows are {cuts.usual:g}: always saying "
        f"{cuts.usual:g} may have a lower mae than who tells the others apart; {APART}"
    )
