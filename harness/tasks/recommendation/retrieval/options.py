"""What a suite may say of a retriever and its index, checked without torch or FAISS."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.suite.model_ref import OWN, parse_model

INDEXES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "flat": ({}, {}),
    "ivf": ({"nlist": 0}, {"nprobe": 16}),
    "ivf_pq": ({"nlist": 0, "subquantizers": 16, "bits": 8, "refine": 0}, {"nprobe": 16}),
    "hnsw": ({"m": 32, "ef_construction": 100}, {"ef_search": 64}),
    "hnswlib": ({"m": 32, "ef_construction": 100}, {"ef_search": 64}),
    "usearch": ({"m": 32, "ef_construction": 100}, {"ef_search": 64}),
}
"""Kind → (how it is built, how it is asked), with defaults; nlist 0 follows the number of items.
refine: so many times the wanted items are found by their codes, and ranked by their vectors, kept for it."""
LIBRARIES = {"hnswlib": "hnswlib", "usearch": "usearch"}
"""Kind → the library that builds it, where that is not FAISS; the extra `ann` brings them."""
SHARES = ("recall", "inserts", "filter")
OPEN = ("nlist", "refine")
"""Options that may be 0."""

_HERE = Path(__file__).parent
_FOLDERS = {"retrieval": _HERE, "ranking": _HERE.parent / "ranking"}
_MODELS = {
    "retrieval": (
        "popularity", "item_knn", "ease", "matrix_factorization", "implicit_als", "lightgcn", "sasrec",
        "two_tower",
    ),
    "ranking": ("none", "logistic", "wide_and_deep", "lambdamart", "transformer"),
}  # fmt: skip
_INDEXED = ("matrix_factorization", "implicit_als", "lightgcn", "sasrec", "two_tower")
_NEEDS = {"implicit_als": ("implicit", "als"), "lambdamart": ("lightgbm", "boosting")}
"""Model → the library that fits it, and the extra that brings it."""
_STAGE_KEYS = {
    "retrieval": ("model", "index", "candidates"),
    "ranking": ("model", "position_bias", "optimize", "price_weight", "unshown", "epochs", "lr"),
}


@dataclass(frozen=True)
class IndexSpec:
    """One index: its kind, how it is built, how it is asked, and the other ways to try (`sweep`).

    Args:
        recall: of exact search, for which the effort of a search is chosen; 0 where it is given.
        inserts: share of the items, the newest, by whose later insertion the index is tried; 0 for none.
        filter: share of the items, at random, to which a search is confined on trial; 0 for none.
    """

    kind: str
    build: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, int] = field(default_factory=dict)
    sweep: tuple[int, ...] = ()
    recall: float = 0.0
    inserts: float = 0.0
    filter: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sweep", tuple(self.sweep))

    @property
    def lifted(self) -> bool:
        """Whether vectors are stored with a coordinate that makes them equally long."""
        return "length" in self.build


def read_index(given: str | Mapping[str, Any]) -> IndexSpec:
    """`flat`, or `{hnsw: {m: 32, ef_search: 64, sweep: [16, 32, 64]}}`, or `{hnsw: {recall: 0.95}}`.

    Raises:
        ValueError: what is wrong, with the cure.
    """
    if isinstance(given, str):
        given = {given: {}}
    if len(given) != 1:
        raise ValueError(f"index takes one kind ({', '.join(INDEXES)}), not {len(given)}")
    kind, options = next(iter(given.items()))
    if kind not in INDEXES:
        raise ValueError(
            f"index {kind!r} is unknown{_nearest(kind, INDEXES)}; there are {', '.join(INDEXES)}"
        )
    package = LIBRARIES.get(kind)
    if package and find_spec(package) is None:
        raise ValueError(f"index {kind} needs {package}: pip install -c constraints.txt -e '.[ann]'")
    options = dict(options or {})
    sweep = tuple(options.pop("sweep", ()))
    shares = _shares(kind, options)
    build, query = INDEXES[kind]
    for name, value in options.items():
        if name not in build and name not in query:
            known = [*build, *query, *(("sweep", *SHARES) if query else ())]
            raise ValueError(
                f"index {kind} has no {name!r}{_nearest(name, known)}; it takes {', '.join(known)}"
            )
        if not isinstance(value, int) or value < (0 if name in OPEN else 1):
            raise ValueError(f"index {kind}: {name} must be a positive whole number, not {value!r}")
    if sweep and not query:
        raise ValueError(f"index {kind} is asked in one way only: leave out sweep")
    if shares and not query:
        raise ValueError(f"index {kind} answers exactly: leave out {next(iter(shares))}")
    if "recall" in shares and (given_effort := [name for name in query if name in options]):
        raise ValueError(f"index {kind}: recall chooses {given_effort[0]}: give one of the two")
    chosen = {name: options.get(name, default) for name, default in (build | query).items()}
    return IndexSpec(kind, {n: chosen[n] for n in build}, {n: chosen[n] for n in query}, sweep, **shares)


def _shares(kind: str, options: dict[str, Any]) -> dict[str, float]:
    """Takes the options that are shares out of an index's options."""
    shares = {name: options.pop(name) for name in SHARES if name in options}
    for name, value in shares.items():
        if isinstance(value, bool) or not isinstance(value, float) or not 0 < value < 1:
            raise ValueError(
                f"index {kind}: {name} must lie between 0 and 1, for instance 0.9, not {value!r}"
            )
    return shares


def is_own(model: object) -> bool:
    """Whether a stage's model is a user's own, `module:function`."""
    return isinstance(model, str) and parse_model(model).kind == OWN


def check_candidate(retrieval: Mapping[str, Any] | None, ranking: Mapping[str, Any] | None) -> None:
    """Check a candidate of a recommendation suite; reads the models' signatures, imports none.

    Raises:
        ValueError: what is wrong, with the cure.
    """
    if not retrieval or "model" not in retrieval:
        raise ValueError(
            "a recommendation candidate needs retrieval, for instance "
            "{retrieval: {model: two_tower, index: flat, candidates: 1000}, ranking: {model: none}}"
        )
    _check_stage("retrieval", retrieval)
    _check_stage("ranking", ranking or {"model": "none"})
    candidates = retrieval.get("candidates", 100)
    if not isinstance(candidates, int) or candidates < 10:
        raise ValueError(f"retrieval.candidates must be 10 or more, not {candidates!r}: the page shows ten")
    if "index" in retrieval:
        if retrieval["model"] not in _INDEXED and not is_own(retrieval["model"]):
            raise ValueError(
                f"retrieval model {retrieval['model']} scores all items and has no index: "
                f"leave out index, or use {' or '.join(_INDEXED)}"
            )
        read_index(retrieval["index"])
    bias = (ranking or {}).get("position_bias", "feature")
    if bias not in ("none", "feature", "ipw"):
        raise ValueError(f"ranking.position_bias {bias!r} is unknown: none, feature or ipw")
    aim = (ranking or {}).get("optimize", "clicks")
    if aim not in ("clicks", "margin"):
        raise ValueError(f"ranking.optimize {aim!r} is unknown: clicks or margin")
    if (ranking or {}).get("model") == "lambdamart":
        _check_order(ranking or {})


def _check_order(ranking: Mapping[str, Any]) -> None:
    """LambdaMART learns an order: nothing that needs a probability of a click can be added to it."""
    if ranking.get("optimize") == "margin" or ranking.get("price_weight"):
        name = "price_weight" if ranking.get("price_weight") else "optimize: margin"
        raise ValueError(
            f"ranking.{name} needs a ranker of log-odds, and lambdamart learns an order alone: leave it "
            "out, or use logistic, wide_and_deep or transformer"
        )
    if "epochs" in ranking:
        raise ValueError("ranking model lambdamart has no epochs: write trees, for instance trees: 300")


def _check_stage(stage: str, given: Mapping[str, Any]) -> None:
    model = given.get("model")
    if stage == "retrieval" and is_own(model):
        known = (*_STAGE_KEYS[stage], "args")
        for name in given:
            if name not in known:
                text = f"it takes {', '.join(known)}; arguments of your own function stand under args"
                raise ValueError(f"{stage} model {model} has no {name!r}{_nearest(name, known)}; {text}")
        return
    if model not in _MODELS[stage]:
        known = _MODELS[stage]
        raise ValueError(
            f"{stage} model {model!r} is unknown{_nearest(str(model), known)}; there are {', '.join(known)}"
        )
    package, extra = _NEEDS.get(str(model), ("", ""))
    if package and find_spec(package) is None:
        cure = f"pip install -c constraints.txt -e '.[{extra}]'"
        raise ValueError(f"{stage} model {model} needs {package}: {cure}")
    allowed = [*_STAGE_KEYS[stage], *model_arguments(stage, str(model))]
    for name in given:
        if name not in allowed:
            near = _nearest(name, allowed)
            raise ValueError(f"{stage} model {model} has no {name!r}{near}; it takes {', '.join(allowed)}")


def model_arguments(stage: str, model: str) -> tuple[str, ...]:
    """The keywords of a model's `fit` or `build`, read from its source."""
    path = _FOLDERS[stage] / f"{model}.py"
    if not path.is_file():
        return ()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name in ("fit", "build"):
            return tuple(argument.arg for argument in node.args.kwonlyargs)
    return ()


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
