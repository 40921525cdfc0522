"""The ten items that the recommender in this folder gives a user.

    python predict.py requests.jsonl       # a JSON object a line: {"user": 17}, {"history": ["B07X", "C3"]},
                                           # {"user": 17, "session": ["B07X"], "time": 19876.5}
    python predict.py --history B07X C3    # who chose these items, oldest first
    python predict.py --check              # does it answer here as it did in the harness?

`user` is answered by the past that is stored here; a `history` stands for it, whoever asks; `session` are
clicks of this visit; `time` is in days, the day of deployment where it is absent. One JSON object a request
is printed: the items, best first, and the ids that were not known. From Python: `from predict import load`,
then `load()([{…}])`. What must be installed is in requirements.txt.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MODEL = HERE / "model"
KEYS = ("user", "history", "session", "time")
LATEST_DAY = 84_000.0
"""Days since 1970, in the year 2199: what lies later was counted in a smaller unit."""
AGREE = 0.99
"""Share of the checked places that must hold the same item: equal scores may stand in another order."""

Request = Mapping[str, Any]
Recommend = Callable[[Sequence[Request]], list[dict[str, Any]]]


def load(threads: int = 1, top: int = 10) -> Recommend:
    """Requests → for each its items, best first, at most `top`, and the ids that are not known."""
    about = json.loads((MODEL / "pipeline.json").read_text())
    pipeline = read_pipeline(about, threads)
    users, items = ({str(one) for one in ids.tolist()} for ids in (pipeline.user_ids, pipeline.item_ids))

    def recommend(requests: Sequence[Request]) -> list[dict[str, Any]]:
        for number, request in enumerate(requests, 1):
            refuse(request, number, float(about["settings"]["now"]))
        asked, codes = pipeline.told(requests)
        ranked = asked.answer(codes).ranked[:, :top]
        ids = pipeline.item_ids
        return [
            {
                "items": [ids[code].item() for code in row if code >= 0],
                **remarks(request, users, items, about),
            }
            for row, request in zip(ranked, requests, strict=True)
        ]

    return recommend


def refuse(request: object, number: int, now: float) -> None:
    """Refuse what is no request.

    Args:
        now: the day of deployment.
    Raises:
        ValueError: what is wrong with it, and the cure.
    """
    if not isinstance(request, Mapping):
        raise ValueError(f'request {number} is no JSON object: write for instance {{"user": 17}}')
    for key, value in request.items():
        if key not in KEYS:
            raise ValueError(f"request {number} has {key!r}, which nothing reads: it takes {', '.join(KEYS)}")
        if key in ("history", "session") and (isinstance(value, str) or not isinstance(value, Sequence)):
            raise ValueError(f"request {number}: {key} is {value!r}: give a list of item ids")
        if key == "time" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"request {number}: time is {value!r}: give days as the log counts them")
        if key == "time" and value > LATEST_DAY > now:
            raise ValueError(
                f"request {number}: time is {value!r}: give days since 1970, as {now:.2f} of the deployment; "
                "divide seconds by 86400"
            )


def remarks(request: Request, users: set[str], items: set[str], about: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request was not known, and what the model makes nothing of."""
    named = [*request.get("history", ()), *request.get("session", ())]
    unknown = list(dict.fromkeys(item for item in named if str(item) not in items))
    found: dict[str, Any] = {"unknown": unknown} if unknown else {}
    is_stranger = str(request.get("user")) not in users
    if is_stranger and "user" in request and "history" not in request:
        found["note"] = "this user is not known here: answered as somebody without a past"
    if is_stranger and "history" in request and not about["reads_histories"]:
        found["note"] = (
            "this model knows its users by name and makes nothing of a history: answered as the mean user"
        )
    return found


def read_pipeline(about: Mapping[str, Any], threads: int) -> Any:
    """What answers, from the folder `model`."""
    answering, served = part("answering"), part("served")
    tables = arrays("tables")
    stored = {
        name.removeprefix("history_"): tables.pop(name) for name in list(tables) if name[:8] == "history_"
    }
    name, options = about["retriever"]["name"], about["retriever"]["options"]
    is_network = (MODEL / "tower.onnx").exists()
    return answering.Answering(
        settings=about["settings"],
        **tables,
        history=part("history").History(**stored),
        knowledge=part("features").Knowledge.load(arrays("knowledge")),
        retriever=Tower(name, options, threads)
        if is_network
        else served.load(name, arrays("retriever"), options),
        index=read_index(about["index"], threads) if about["index"] else None,
        ranker=read_ranker(about["ranker"], threads) if about["ranker"] else None,
    )


def read_index(spec: Mapping[str, Any], threads: int) -> Any:
    """An index as its library wrote it."""
    is_lifted = "length" in spec["build"]
    told = SimpleNamespace(**spec, lifted=is_lifted)
    file = next(MODEL.glob("index.*"))
    searcher = part("searcher").load(file, told, spec["dim"] + is_lifted, threads)
    return part("served").Index(told, np.load(MODEL / "index_items.npy"), searcher)


class Tower:
    """The network that makes a vector of a user."""

    def __init__(self, name: str, options: Mapping[str, Any], threads: int) -> None:
        self.name, self.options = name, options
        self.arrays = arrays("retriever")
        self.run = network(MODEL / "tower.onnx", threads)

    def encode(self, requests: Any, history: Any) -> np.ndarray:
        served = part("served")
        length = int(self.options["max_history"])
        if self.name == "sasrec":
            return self.run(served.tokens_of(history.recent(requests, length)[0]))
        return self.run(*served.tower_inputs(self.arrays["interest"], length, requests, history))


def read_ranker(about: Mapping[str, Any], threads: int) -> Any:
    """What scores candidates: a network, or LightGBM's trees."""
    features = part("features")
    if (MODEL / "ranker.txt").exists():
        import lightgbm

        trees = lightgbm.Booster(model_file=MODEL / "ranker.txt")

        def logits(facts: Any) -> np.ndarray:
            rows = facts.numbers.reshape(-1, facts.numbers.shape[-1])
            scores = np.asarray(trees.predict(rows, num_threads=threads), np.float32)
            return scores.reshape(facts.numbers.shape[:-1])
    else:
        run = network(MODEL / "ranker.onnx", threads)

        def logits(facts: Any) -> np.ndarray:
            return run(facts.numbers, facts.category, facts.recent, facts.recent_price, facts.in_visit)

    return SimpleNamespace(score=lambda facts: features.adjusted(about["spec"], logits(facts), facts))


def network(path: Path, threads: int) -> Callable[..., np.ndarray]:
    """An ONNX file on the CPU: arrays in the order of its inputs → its output; inputs it has no use for are
    not among them."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    used = {item.name for item in session.get_inputs()}

    def run(*given: np.ndarray) -> np.ndarray:
        fed = {f"input_{n}": np.ascontiguousarray(one) for n, one in enumerate(given) if f"input_{n}" in used}
        return np.asarray(session.run(None, fed)[0])

    return run


def arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file; none where it is not there."""
    path = MODEL / f"{name}.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def part(name: str) -> ModuleType:
    """A module of the folder `recommender`, by its path: `python -I` and imports from anywhere find it."""
    package = f"exported_recommender_{abs(hash(HERE)):x}"
    if package not in sys.modules:
        home = HERE / "recommender"
        found = importlib.util.spec_from_file_location(
            package, home / "__init__.py", submodule_search_locations=[str(home)]
        )
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[package] = module
        found.loader.exec_module(module)
    return importlib.import_module(f"{package}.{name}")


def check(recommend: Recommend) -> str:
    """Answer the requests of check.json and compare with the harness's own answers.

    Raises:
        ValueError: too many differ.
    """
    stored = json.loads((HERE / "check.json").read_text())
    found = [answer["items"] for answer in recommend(stored["requests"])]
    pairs = list(zip(found, stored["expected"], strict=True))
    places = sum(max(len(mine), len(theirs)) for mine, theirs in pairs)
    same = sum(a == b for mine, theirs in pairs for a, b in zip(mine, theirs, strict=False))
    if not places or same < AGREE * places:
        raise ValueError(f"only {same} of {places} places hold the item that the harness answered")
    return f"answers {len(found)} requests as the harness did: the same item in {same} of {places} places"


def read(path: Path) -> list[Any]:
    """Requests from a file, one JSON object a line."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f'{path}:{number}: no JSON ({error}): write {{"user": 17}}') from None
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", nargs="?", type=Path, help="requests, a JSON object a line")
    parser.add_argument(
        "--history", nargs="+", metavar="ITEM", help="items that somebody chose, oldest first"
    )
    parser.add_argument("--check", action="store_true", help="compare with the harness's own answers")
    parser.add_argument("--top", type=int, default=10, help="items to answer, at most (10)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if (options.check, options.file is not None, options.history is not None).count(True) != 1:
        parser.error("give a file, --history, or --check")
    try:
        if options.check:
            print(check(load(options.threads)))
            return 0
        requests = [{"history": options.history}] if options.history else read(options.file)
        for answer in load(options.threads, options.top)(requests):
            print(json.dumps(answer))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
