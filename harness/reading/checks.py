"""What types cannot say: names that must exist, arguments that must fit, options that contradict.

Each check reads the draft tolerantly and notes what it finds, so that all mistakes come at once; what
has the wrong type is pydantic's to report and is passed over here.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

from harness.costs import other_regions
from harness.names import hint
from harness.reading.components import price_cores, price_names, table
from harness.reading.data_checks import check_data
from harness.reading.decision_checks import check_decision
from harness.reading.draft import Draft, Path_, dotted
from harness.reading.expect_checks import check_expect
from harness.reading.messages import all_fields
from harness.reading.model_checks import check_candidates
from harness.reading.own_metrics import check_metrics
from harness.reading.recommendation_checks import check_recommendation, trainings
from harness.reading.sizes import check_sizes
from harness.store.files import holds_password
from harness.suite.schema import Server
from harness.suite.source import Node
from harness.suite.trackers import TRACKERS
from harness.suite.variants import counted, local_cores, split_runtime, written_deployment

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
RESERVED = ("latest",)
AMOUNT = re.compile(r"\$?\s*(\d*\.?\d+)\s*(?:USD|\$)?(?:\s*/\s*h\w*)?", re.IGNORECASE)
"""A price an hour, as people write it."""
SECRET_KEY = re.compile(r"api_?key|token|passw|secret|credential", re.IGNORECASE)


def check(draft: Draft) -> None:
    """Notes every mistake that is about meaning rather than type."""
    check_name(draft)
    check_data(draft)
    check_training(draft)
    check_recommendation(draft)
    check_candidates(draft)
    check_serving(draft)
    check_machine(draft)
    check_metrics(draft)
    check_decision(draft)
    check_expect(draft)
    check_track(draft)


def check_name(draft: Draft) -> None:
    """Names become folders, columns and parts of `candidate/runtime`."""
    if (name := draft.get(str, "name")) is not None:
        _check_folder_name(draft, ("name",), name)
    for name in draft.items("candidates"):
        _check_folder_name(draft, ("candidates", name), name)


def _check_folder_name(draft: Draft, path: Path_, name: str) -> None:
    place = draft.key_place(*path) if path[0] == "candidates" else None
    shown = name if len(name) <= 40 else name[:37] + "…"
    if name in RESERVED:
        draft.wrong(path, f"`{name}` means the newest run: choose another name", place)
    elif not NAME.fullmatch(name):
        cure = "use letters, digits, `_`, `-` and `.`, not first a `-` or `.`, at most 100 in all"
        if NAME.fullmatch(plain := "_".join(name.split())):
            cure = f"write `{plain}`"
        draft.wrong(path, f"`{shown}` cannot name a folder: {cure}", place)


def check_training(draft: Draft) -> None:
    """The shared training and each candidate's."""
    for path in trainings(draft):
        _check_unique(draft, (*path, "seeds"))
        _check_tuning(draft, (*path, "tuning"))


def _check_unique(draft: Draft, path: Path_) -> None:
    seen = []
    node = draft.node(*path)
    for item in (node.sequence if node is not None else None) or ():
        if item.plain in seen:
            draft.wrong(path, f"{item.shown} stands twice: keep one", item.place)
        seen.append(item.plain)


DISTRIBUTIONS = {"loguniform": 2, "uniform": 2, "randint": 2, "choice": None}
"""Distribution of `tuning.space` → how many numbers it takes, None for any."""


def _check_tuning(draft: Draft, path: Path_) -> None:
    if not draft.items(*path):
        return
    space = draft.items(*path, "space")
    if not space and draft.node(*path, "space") is not None and draft.get(dict, *path, "space") == {}:
        draft.wrong((*path, "space"), "is empty: name a setting to search, for instance optimizer.lr")
    known = list(_tunable())
    for key, node in space.items():
        here = (*path, "space", key)
        if key not in known and not key.startswith("args."):
            cure = hint(key, known, f"an argument of the models is `args.{key}`")
            draft.wrong(here, f"is not a training setting: {cure}", draft.key_place(*here))
        for name, bounds in (node.mapping or {}).items():
            if name not in DISTRIBUTIONS:
                draft.wrong(
                    here, f"`{name}` is not a distribution: {hint(name, DISTRIBUTIONS)}", bounds.place
                )
            elif wrong := _wrong_bounds(name, bounds.plain):
                draft.wrong((*here, name), wrong, bounds.place)
        if node.mapping is not None and len(node.mapping) != 1:
            draft.wrong(here, "takes one distribution, for instance {loguniform: [1e-4, 1e-2]}", node.place)


def _wrong_bounds(name: str, bounds: object) -> str:
    if not isinstance(bounds, list) or not bounds:
        return "takes a list, for instance [1e-4, 1e-2]"
    if DISTRIBUTIONS[name] is None:
        return ""
    numbers = [b for b in bounds if isinstance(b, (int, float)) and not isinstance(b, bool)]
    if len(bounds) != 2 or len(numbers) != 2:
        return "takes two numbers, the lowest and the highest"
    if numbers[0] >= numbers[1]:
        return f"the lowest, {numbers[0]}, is not below the highest, {numbers[1]}: swap them"
    if name == "loguniform" and numbers[0] <= 0:
        return "a loguniform distribution begins above 0"
    return ""


def _tunable() -> Iterator[str]:
    """What a search may vary: every training setting that says how, not how often or how long."""
    for path in all_fields():
        inner = path[1:]
        if path[0] == "training" and inner and inner[0] not in ("seeds", "resources", "time_limit", "tuning"):
            yield dotted(inner)


def check_serving(draft: Draft) -> None:
    """Runtimes that exist, scenarios that can be measured."""
    for name, scenario in draft.items("serving", "scenarios").items():
        if scenario.value is None and not scenario.raw:  # `null` leaves it out; nothing is no wish at all
            written = "server: {latency_p99_ms: 10}" if name == "server" else f"{name}: {{}}"
            place = draft.key_place("serving", "scenarios", name)
            text = f"is empty, and would not be measured: write `{written}`, or leave it out"
            draft.wrong(("serving", "scenarios", name), text, place)
    runtimes = table("runtimes")
    node = draft.node("serving", "runtimes")
    for item in (node.sequence if node is not None else None) or ():
        if not isinstance(item.value, str):
            continue
        try:
            name, _ = split_runtime(item.value)
        except ValueError as error:
            draft.wrong(("serving", "runtimes"), str(error), item.place)
            continue
        if name not in runtimes:
            text = f"there is no runtime `{name}`: {hint(name, runtimes)}"
            draft.wrong(("serving", "runtimes"), text, item.place)
        elif absent := runtimes[name].absent:
            draft.wrong(("serving", "runtimes"), absent, item.place)
    _check_unique(draft, ("serving", "runtimes"))
    check_workers(draft)
    _check_over(draft)
    _check_unique(draft, ("serving", "scenarios", "offline", "batch_sizes"))
    check_sizes(draft)
    _check_server(draft)
    stream = ("serving", "scenarios", "single_stream")
    least = draft.get(int, *stream, "min_calls", default=100)
    most = draft.get(int, *stream, "max_calls", default=20000)
    if least > most:
        key = "max_calls" if draft.node(*stream, "max_calls") is not None else "min_calls"
        draft.wrong((*stream, key), f"min_calls {least} is more than max_calls {most}: swap them")


def _check_server(draft: Draft) -> None:
    """Its limit is given, and no batch waits for company as long as that."""
    path = ("serving", "scenarios", "server")
    server = draft.node(*path)
    if server is None or server.mapping is None:
        return
    if "latency_p99_ms" not in server.mapping:
        text = "a server needs its limit: add latency_p99_ms, for instance {latency_p99_ms: 10}"
        draft.wrong(path, text, draft.key_place(*path))
        return
    limit = draft.get(float, *path, "latency_p99_ms", default=0.0)
    wait = draft.get(float, *path, "max_wait_ms", default=Server().max_wait_ms)
    if 0 < limit <= wait:
        key = "max_wait_ms" if "max_wait_ms" in server.mapping else "latency_p99_ms"
        text = (
            f"a batch would wait {wait:g} ms for company (max_wait_ms), and the limit is {limit:g} ms: "
            f"set max_wait_ms to {limit / 10:g} or less; 0 takes what is there"
        )
        draft.wrong((*path, key), text, draft.key_place(*path, key))


RAY_SERVE = ("fastapi", "grpc", "opencensus", "prometheus_client", "starlette", "uvicorn")
"""Packages that Ray Serve imports and Ray Tune does not bring."""


def _check_over(draft: Draft) -> None:
    """Ways that differ, and what Ray Serve needs is installed where one of them is HTTP."""
    path: Path_ = ("serving", "over")
    _check_unique(draft, path)
    node = draft.node(*path)
    for item in (node.sequence if node is not None else None) or ():
        away = [name for name in RAY_SERVE if importlib.util.find_spec(name) is None]
        if item.value == "http" and away:
            cure = "pip install -c constraints.txt -e '.[serve]'"
            draft.wrong(path, f"http needs {', '.join(away)}, which Ray Serve imports: {cure}", item.place)


def check_workers(draft: Draft) -> None:
    """Workers that differ, that something is measured of, and that the priced machine has cores for."""
    path: Path_ = ("serving", "workers")
    if not draft.given(*path):
        return
    _check_unique(draft, path)
    given = draft.items("serving", "scenarios")
    if given and not any(k in ("offline", "server") and n.mapping is not None for k, n in given.items()):
        draft.wrong(path, "what several workers carry is measured by offline or server: add one of them")
    threads = least = draft.get(int, "serving", "threads", default=1)
    runtimes = draft.node("serving", "runtimes")
    for item in (runtimes.sequence if runtimes is not None else None) or ():
        named = written_deployment(item.value)
        if named is None or named.threads is None:
            continue
        if named.threads == threads:
            text = f"`{item.value}`: all have {counted(threads, 'thread')} already: write `{named.runtime}`"
            draft.wrong(("serving", "runtimes"), text, item.place)
        least = min(least, named.threads)
    known, workers = _cores_for_workers(draft), draft.node(*path)
    for item in (workers.sequence if workers is not None and known else None) or ():
        cores, said = known or (0, "")
        if isinstance(item.plain, int) and item.plain * least > cores:
            need = f"{item.plain} workers of {counted(least, 'thread')} need {item.plain * least} cores"
            cure = f"write at most {max(1, cores // least)}, or name a larger machine"
            draft.wrong(path, f"{need}, {said} {cores}: {cure}", item.place)


def _cores_for_workers(draft: Draft) -> tuple[int, str] | None:
    """How many cores workers share, and whose they are in words; None where the price is of no machine that
    anybody knows, which is a mistake of its own."""
    price = draft.get(str, "machine", "price", default="")
    if own := draft.get(int, "machine", "cores"):
        return own, "machine.cores is"
    if not price:
        return local_cores(), "this machine has"
    if price not in price_names():
        return None
    listed = price_cores()[price]
    return (listed, f"{price} has") if listed else (local_cores(), "this machine has")


def check_machine(draft: Draft) -> None:
    """One price each, and one that is in the catalogue; several instances are all priced."""
    several = draft.items("machines")
    for name, node in several.items():
        path: Path_ = ("machines", name)
        _check_folder_name(draft, path, name)
        if node.mapping is not None and not (node.mapping.keys() & {"price", "usd_per_hour"}):
            draft.wrong(path, "has no price: add price or usd_per_hour", draft.key_place(*path))
        _check_price(draft, path)
    if not several:
        _check_price(draft, ("machine",))
        return
    first = _priced(next(iter(several.values())))
    if _priced(draft.node("machine")) != first:
        text = f"the first of machines, {next(iter(several))}, is the one that measures: leave machine out"
        draft.wrong(("machine",), text, draft.key_place("machine"))


def _priced(node: Node | None) -> dict[str, object]:
    """What is said of a machine besides its cores, without what is left at its default."""
    said = {} if node is None else node.mapping or {}
    return {key: own.plain for key, own in said.items() if key != "cores" and own.plain not in (None, 0.0)}


def _check_price(draft: Draft, path: Path_) -> None:
    price = draft.get(str, *path, "price")
    if price is not None and price not in price_names():
        elsewhere = other_regions(price)
        cure = f"{elsewhere}." if elsewhere else hint(price, price_names())
        text = f"there is no price for `{price}`: {cure} Or give usd_per_hour yourself"
        if amount := AMOUNT.fullmatch(price):
            text = f"`{price}` is no row of the price catalogue: write `usd_per_hour: {amount[1]}`"
        draft.wrong((*path, "price"), text)
    if price is not None and draft.get(float, *path, "usd_per_hour") is not None:
        draft.wrong((*path, "usd_per_hour"), f"contradicts {dotted(path)}.price: keep one of the two")
    if draft.get(float, *path, "discount") and price is None:
        draft.wrong((*path, "discount"), f"is taken off a list price: add {dotted(path)}.price")


def check_track(draft: Draft) -> None:
    """Trackers and options that exist, and no secrets: the suite is copied into the run folder."""
    for name in draft.items("track"):
        if name not in TRACKERS:
            place = draft.key_place("track", name)
            draft.wrong(("track", name), f"is not a tracker: {hint(name, TRACKERS)}", place)
        options = TRACKERS[name].options if name in TRACKERS else None
        for key, node in draft.items("track", name).items():
            if SECRET_KEY.search(key) or holds_password(str(node.value)):
                cure = "a suite is stored with its results: give it in the tracker's environment variable"
                draft.wrong(
                    ("track", name, key), f"holds a secret; {cure}", draft.key_place("track", name, key)
                )
            elif options is not None and key not in options:
                text = f"{TRACKERS[name].title} takes no such option: {hint(key, options)}"
                draft.wrong(("track", name, key), text, draft.key_place("track", name, key))
