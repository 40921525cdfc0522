"""The decision of a suite: limits and objectives over metrics that this suite measures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.kinds import KINDS, kind_of
from harness.metrics import metrics_of, own_metric
from harness.metrics.ends import contradict, out_of_reach, too_far
from harness.names import hint, nearest
from harness.protocols import ONE_SIDED, Better, Metric
from harness.reading.components import is_metric, metric_named, table
from harness.reading.data_checks import task_info
from harness.reading.draft import Draft, Path_
from harness.record import DataError, SuiteError
from harness.suite.decision import Traffic
from harness.suite.expression import (
    OTHER_NAMES,
    Constraint,
    parse_constraint,
    parse_objective,
    parse_value,
    take_slice,
)
from harness.suite.source import Place, quoted
from harness.suite.value import parse_expression


def check_decision(draft: Draft) -> None:
    """Everything under `decision`."""
    _check_limits(draft)
    _check_objective(draft)
    _check_positive(draft)
    check_traffic(draft)
    if draft.items("machines") and "usd_per_hour" in draft.get(str, "decision", "value", default=""):
        text = "`usd_per_hour` is that of one machine, and there are several: name cost_per_month_usd"
        draft.wrong(("decision", "value"), text)
    check_costs(draft)


def _check_limits(draft: Draft) -> None:
    """Limits on what is measured, each side once, that somebody could keep."""
    path: Path_ = ("decision", "constraints")
    limits: dict[tuple[str, str], Constraint] = {}
    node = draft.node(*path)
    for item in (node.sequence if node is not None else None) or ():
        if not isinstance(item.value, str):
            continue
        try:
            # A slice of the test examples, `accuracy[class=3]`, is a metric on fewer rows.
            limit, part = take_slice(item.value)
            constraint = parse_constraint(limit)
        except ValueError as error:
            draft.wrong(path, str(error), item.place)
            if named := re.match(r"[A-Za-z_]\w*(?=\s*[<>=≤≥])", item.value):
                check_metric(draft, path, named[0], item.place)
            continue
        check_metric(draft, path, constraint.metric, item.place)
        if part:
            _check_slice(draft, constraint.metric, part, item.place)
        entry = entry_of(draft, constraint.metric)
        said = out_of_reach(constraint, entry) if entry is not None else ""
        if said:
            draft.wrong(path, f"`{item.value}`: {said}", item.place)
        name, side = constraint.metric + part, constraint.op[0]
        if (name, side) in limits:
            text = f"`{constraint.metric} {side}…` is limited twice: keep the tighter one"
            draft.wrong(path, text, item.place)
        other = limits.get((name, "<" if side == ">" else ">"))
        if said:
            continue
        limits[name, side] = constraint
        if other is not None and contradict(constraint, other):
            text = f"`{item.value}` and `{other.bound}` contradict each other: keep one of them"
            draft.wrong(path, text, item.place)


def entry_of(draft: Draft, name: str) -> Metric | None:
    """What is known of a metric, the suite's own included; None where nothing is."""
    if not draft.given("metrics", name):
        return metric_named(name)
    unit = draft.get(str, "metrics", name, "unit", default="fraction")
    better: Better = "lower" if draft.get(str, "metrics", name, "better") == "lower" else "higher"
    return own_metric(name, unit, better)


def check_traffic(draft: Draft) -> None:
    """A peak above the mean, or a day or a week of hours."""
    traffic = ("decision", "traffic")
    qps, peak = draft.get(float, *traffic, "qps"), draft.get(float, *traffic, "peak_qps")
    mean = Traffic().qps if qps is None else qps
    if peak is not None and peak < mean:
        cure = "add qps, which is that unless you say it" if qps is None else "swap them, or raise the peak"
        # Of a stored suite one of the two is set: that is the one to name.
        places = [n.place for key in ("peak_qps", "qps") if (n := draft.node(*traffic, key)) is not None]
        place = max(places, key=lambda place: place.order)
        text = f"the peak, {peak:g}, is below the mean, {mean:g}: {cure}"
        draft.wrong((*traffic, "peak_qps"), text, place)
    _check_curve(draft, traffic)


def check_costs(draft: Draft) -> None:
    """Items are those of candidates."""
    candidates = draft.items("candidates")
    for name in draft.items("decision", "costs", "items"):
        path = ("decision", "costs", "items", name)
        if name not in candidates:
            text = f"there is no candidate `{name}`: {hint(name, candidates)}"
            draft.wrong(path, text, draft.key_place(*path))


def _check_curve(draft: Draft, traffic: tuple[str, ...]) -> None:
    """A day or a week of hours, which says what the mean and the peak are."""
    if not draft.given(*traffic, "curve") and not draft.given(*traffic, "trace"):
        if draft.given(*traffic, "peaks"):
            draft.wrong((*traffic, "peaks"), "are those of the curve's hours: add decision.traffic.curve")
        if draft.given(*traffic, "autoscale"):
            text = "machines that come and go need the hours: add decision.traffic.curve or trace"
            draft.wrong((*traffic, "autoscale"), text)
        return
    for key in ("qps", "peak_qps"):
        if draft.given(*traffic, key):
            text = "contradicts the curve, which has a mean and a peak of its own: keep one of the two"
            draft.wrong((*traffic, key), text)
    hours = draft.get(list, *traffic, "curve", default=())
    _check_peaks(draft, traffic, hours)
    if draft.given(*traffic, "trace"):  # as many hours as it has
        return
    if draft.get(list, *traffic, "curve") is None:  # no list, which is told where kinds are
        return
    if len(hours) not in (24, 168):
        text = f"has {len(hours)} values: a day has 24 hours, a week 168"
        draft.wrong((*traffic, "curve"), text)
    elif all(value == 0 for value in hours):
        draft.wrong((*traffic, "curve"), "is 0 in every hour: nothing is served")


def _check_peaks(draft: Draft, traffic: tuple[str, ...], hours: Sequence[object]) -> None:
    """As many as the curve has hours, and none below its mean."""
    peaks = draft.get(list, *traffic, "peaks", default=())
    if not peaks:
        return
    if len(peaks) != len(hours):
        text = f"have {len(peaks)} values and the curve {len(hours)}: write one for each hour"
        draft.wrong((*traffic, "peaks"), text)
        return
    pairs = enumerate(zip(peaks, hours, strict=True))
    numbers = (int, float)
    low = [(k, p, h) for k, (p, h) in pairs if isinstance(p, numbers) and isinstance(h, numbers) and p < h]
    if low:
        k, peak, mean = low[0]
        text = f"in hour {k} the peak, {peak:g}, is below the mean, {mean:g}: raise it, or leave peaks out"
        draft.wrong((*traffic, "peaks"), text)


USUAL = (("no", "yes"), ("n", "y"), ("false", "true"), ("0", "1"), ("-1", "1"), ("negative", "positive"),
         ("neg", "pos"), ("off", "on"), ("absent", "present"))  # fmt: skip
"""Pairs of classes of which everybody takes the second as the positive one."""
OWN_DATA = ("tabular_csv", "text_csv", "image_folder", "image_csv")


def _check_positive(draft: Draft) -> None:
    """The class that matters is one of two, and is named where it decides and the names do not tell."""
    path: Path_ = ("decision", "positive")
    try:
        info = task_info(draft)
    except DataError:  # said where the data are checked
        return
    named = draft.get(str, *path)
    if info is None or info.name != draft.get(str, "task"):
        return
    has_classes = kind_of(info.name).targets == "classes"
    if named is not None:
        if info.num_classes != 2 or not has_classes:
            draft.wrong(path, "is for two classes: drop it")
        elif named not in info.class_names:
            draft.wrong(path, f"`{named}` is not a class: {hint(named, info.class_names)}")
        return
    pair = tuple(name.casefold() for name in info.class_names)
    if (
        not has_classes
        or info.num_classes != 2
        or pair in USUAL
        or draft.get(str, "data", "name") not in OWN_DATA
    ):
        return
    if why := _one_sided(draft):
        names = " or ".join(f"`positive: {quoted(name)}`" for name in info.class_names)
        text = f"{why} of one class, and it is not said which one: add {names} under decision"
        draft.wrong(("decision",), text, draft.key_place("decision", why.split("`")[1]))


def _one_sided(draft: Draft) -> str:
    """What of the decision depends on which class is the positive one; empty where nothing does."""
    for key in ("objective", "value"):
        text = draft.get(str, "decision", key, default="")
        if any(metric in text for metric in ONE_SIDED):
            return f"`{key}` asks for a figure"
    limits = draft.get(list, "decision", "constraints", default=[])
    if any(metric in str(limit) for limit in limits for metric in ONE_SIDED):
        return "`constraints` ask for a figure"
    return "`threshold` is" if draft.given("decision", "threshold") else ""


def _check_slice(draft: Draft, metric: str, part: str, place: Place) -> None:
    """A slice of the test examples that this suite will have scored: a true class, or a column's value."""
    path: Path_ = ("decision", "constraints")
    column, _, wanted = part[1:-1].partition("=")
    entry = metric_named(metric)
    if metric == "value" or (entry is not None and entry.about != "quality"):
        draft.wrong(path, f"`{metric}{part}`: only quality is known on a slice, {metric} is not", place)
        return
    task = draft.get(str, "task", default="")
    if task in KINDS and not KINDS[task].has_predictions:
        cure = f"a recommender is limited on all who are asked: write `{metric}`"
        draft.wrong(path, f"`{metric}{part}`: {cure}", place)
        return
    own = [n.strip() for n in draft.get(list, "data", "args", "columns", default=()) if isinstance(n, str)]
    known = [*(["class"] if task in KINDS and KINDS[task].targets == "classes" else []), *own]
    if column not in known:
        cure = (
            f"{hint(column, known)} Write `{metric}[{known[0]}={wanted}]`"
            if known
            else "name the column under data.columns"
        )
        draft.wrong(path, f"`{metric}{part}`: there is no slice by `{column}`: {cure}", place)
        return
    if column != "class":
        return
    try:
        info = task_info(draft)
    except DataError:  # said where the data are checked
        return
    if info is None or not info.num_classes:
        return
    names = tuple(map(str, info.class_names))
    has_numerals = any(name.isdecimal() for name in names)
    if wanted in names or (not has_numerals and wanted.isdecimal() and int(wanted) < info.num_classes):
        return
    draft.wrong(path, f"`{metric}{part}`: there is no class `{wanted}`: {hint(wanted, names)}", place)


def _check_objective(draft: Draft) -> None:
    node, value = draft.node("decision", "objective"), draft.get(str, "decision", "value")
    text = draft.get(str, "decision", "objective", default="maximize accuracy" if node is None else None)
    metric = None
    if text is not None:
        try:
            metric = parse_objective(text)[1]
        except ValueError as error:
            draft.wrong(("decision", "objective"), _objective_meant(draft, text) or str(error))
    if metric == "value" and not draft.given("decision", "value"):
        cure = 'add decision.value, for instance "120*accuracy - cost_per_month_usd"'
        draft.wrong(("decision", "objective"), f"`{text}` needs an expression: {cure}")
    elif metric is not None and metric != "value":
        place = node.place if node is not None else draft.key_place("task")
        if node is not None or draft.get(str, "task") in table("tasks"):
            before = len(draft.mistakes)
            if node is None and _never_measured(draft, metric):
                draft.wrong(("decision", "objective"), _objective_missing(draft, str(text)), place)
            else:
                check_metric(draft, ("decision", "objective"), metric, place)
            if len(draft.mistakes) == before:
                _check_direction(draft, str(text), metric, place)
                _check_tolerance(draft, metric)
        if value is not None:
            cure = "write `objective: maximize value`, or drop the value"
            draft.wrong(("decision", "value"), f"is not used, the objective is `{text}`: {cure}")
    if value is not None:
        _check_value(draft, value)


def _objective_missing(draft: Draft, default: str) -> str:
    """What is said where nobody wrote an objective, and the default is for other tasks."""
    kind = KINDS[draft.get(str, "task")]
    entry = entry_of(draft, kind.watched)
    verb = "minimize" if entry is not None and entry.better == "lower" else "maximize"
    cure = f"write `decision: {{objective: {verb} {kind.watched}}}`"
    return f"is missing, and `{default}` is not for {draft.get(str, 'task')}: {cure}"


def _objective_meant(draft: Draft, text: str) -> str:
    """What is said of an objective that is a metric's name alone; empty where it is none."""
    entry = entry_of(draft, text.strip())
    if entry is None and re.fullmatch(r"[A-Za-z_]\w*", text.strip()) and text != "value":
        meant = _metric_meant(draft, text.strip(), (*table("metrics"), *draft.items("metrics")))
        return f"`{text}` is not an objective, and there is no such metric: {meant}"
    if entry is None:
        return ""
    verb = {"higher": "maximize", "lower": "minimize"}[entry.better]
    return f"`{text}` is not an objective: write `{verb} {entry.name}`"


def _check_direction(draft: Draft, text: str, metric: str, place: Place) -> None:
    """An objective that goes the metric's own way: against it, the worst would be named."""
    entry = entry_of(draft, metric)
    if entry is None or (draft.given("metrics", metric) and not draft.given("metrics", metric, "better")):
        return  # `check_metrics` asks which way it goes
    verb = {"higher": "maximize", "lower": "minimize"}[entry.better]
    if parse_objective(text)[0] != verb:
        told = (
            f"`{text}` would name the worst, as {metric} is better the {entry.better}: write "
            f"`{verb} {metric}`"
        )
        draft.wrong(("decision", "objective"), told, place)


def _check_tolerance(draft: Draft, metric: str) -> None:
    """A loss that does not matter is less than all that there is."""
    tolerance, entry = draft.get(float, "decision", "tolerance"), entry_of(draft, metric)
    if tolerance is not None and entry is not None and (said := too_far(tolerance, entry)):
        draft.wrong(("decision", "tolerance"), said)


def _check_value(draft: Draft, value: str) -> None:
    path: Path_ = ("decision", "value")
    node = draft.node(*path)
    assert node is not None
    try:
        names = parse_value(value).names
    except ValueError as error:
        draft.wrong(path, str(error), node.place)
        return
    if all(map(is_metric, names)):
        try:
            parse_expression(value, metrics_of(None).units)
        except SuiteError as error:
            draft.wrong(path, str(error).removeprefix("value: "), node.place)
    if not names:
        draft.wrong(path, "names no metric, so all variants would be worth the same", node.place)
    for name in names:
        if name not in OTHER_NAMES:
            check_metric(draft, path, name, node.place, (*table("metrics"), *OTHER_NAMES))


def check_metric(
    draft: Draft, path: Path_, name: str, place: Place, known: tuple[str, ...] | None = None
) -> None:
    """A metric that exists, and that this suite will have measured."""
    own = draft.items("metrics")
    known = (*(known or table("metrics")), *own)
    if name == "value" and path == ("decision", "constraints"):
        if not draft.given("decision", "value"):
            draft.wrong(path, "`value` needs an expression: add decision.value", place)
    elif name in own:
        return
    elif not is_metric(name):
        draft.wrong(path, f"there is no metric `{name}`: {_metric_meant(draft, name, known)}", place)
    elif reason := _never_measured(draft, name):
        draft.wrong(path, f"`{name}` is never measured by this suite: {reason}", place)


def _metric_meant(draft: Draft, name: str, known: Sequence[str]) -> str:
    """Metrics of the task of which a word is `name`, `roc_auc` of `auc`, else the nearest."""
    if name.lower() in ("rmse", "root_mean_squared_error"):
        return "write `mse`, which is its square, or `mae`"
    words = re.split(r"[_\W]+", name.lower())
    alike = [
        metric
        for metric in known
        if all(any(part.startswith(word) for part in re.split(r"[_@]", metric)) for word in words)
    ]
    alike = [metric for metric in alike if not _never_measured(draft, metric)]
    if not 0 < len(alike) <= 4 or nearest(name, known, cutoff=0.85):
        return hint(name, known)
    return f"did you mean {' or '.join(f'`{metric}`' for metric in alike)}?"


def _never_measured(draft: Draft, metric: str) -> str:
    """Why, with the cure; empty where it is measured."""
    task = draft.get(str, "task", default="")
    kind = KINDS.get(task)
    other = next((k for k in KINDS.values() if k.measures(metric)), None)
    if kind is not None and other is not None and not kind.measures(metric):
        return f"it is for {other.family}; for {task} there is {', '.join(kind.metrics[:3])}"
    running = {"single_stream", "offline"}
    if draft.node("serving", "scenarios") is not None:
        running = {k for k, node in draft.items("serving", "scenarios").items() if node.mapping is not None}
    entry = metric_named(metric)
    if entry is None:  # an own one, which is made of the scores
        return ""
    if entry.scenarios and not running & set(entry.scenarios):
        return f"add {entry.scenarios[0]} to serving.scenarios"
    priced = draft.given("machine", "price") or draft.given("machine", "usd_per_hour")
    if entry.about == "money" and not priced:
        return "give the machine a price, for instance machine: {price: aws/c7i.large}"
    return ""
