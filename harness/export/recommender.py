"""A retriever, its index and a ranker as a folder that answers users without the harness, and without torch.

DIR/model/            arrays, the index as its library writes it, networks as ONNX, trees as LightGBM's text
DIR/recommender/      the code that was measured: NumPy and SciPy alone
DIR/predict.py        requests in, items out
DIR/check.json        requests, and the harness's own answers to them
DIR/signature.json    what it takes and gives
DIR/requirements.txt  what must be installed, in the versions that were measured
DIR/README.md         the model card
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import exported
from harness.tasks import recommendation

if TYPE_CHECKING:
    from harness.tasks.recommendation.pipeline import Pipeline

CODE = ("answering.py", "features.py", "history.py", "order.py", "served.py")
TABLES = ("user_ids", "item_ids", "eligible", "retire", "ties")
CHECKED = 50
"""Users in check.json; a fifth of them is asked for by history alone as well."""

BY_NAME = ("matrix_factorization", "lightgcn", "own")
"""Retrievers that know their users by name, and make nothing of the history of another."""

_NETWORKS = ("two_tower", "sasrec")
_PACKAGES = {"hnswlib": "hnswlib", "usearch": "usearch"}


def write_recommender(artifact: Path, folder: Path) -> tuple[str, ...]:
    """Everything but the card and the list of packages.

    Args:
        artifact: a pipeline as `Pipeline.save` writes it. folder: is there, and empty.
    Returns:
        the packages that it needs.
    Raises:
        TrialError: a network has no ONNX form.
    """
    from harness.tasks.recommendation.pipeline import Pipeline

    pipeline = Pipeline.load(artifact)
    about = json.loads((artifact / "pipeline.json").read_text())
    model = folder / "model"
    model.mkdir()
    tables = {
        name: getattr(pipeline, name) for name in ("user_ids", "item_ids", "eligible", "retire", "ties")
    }
    tables |= {f"history_{name}": value for name, value in vars(pipeline.history).items() if name != "user"}
    np.savez(model / "tables.npz", allow_pickle=False, **tables)
    shutil.copyfile(artifact / "knowledge.npz", model / "knowledge.npz")
    packages = ["numpy", "scipy", *_write_retriever(pipeline, about, artifact, model)]
    packages += _write_ranker(pipeline, model)
    about["reads_histories"] = pipeline.retriever.name not in BY_NAME
    (model / "pipeline.json").write_text(json.dumps(about, indent=1) + "\n")
    _write_code(pipeline, folder)
    requests = check_requests(pipeline)
    answers = _answers(pipeline, requests)
    (folder / "check.json").write_text(json.dumps({"requests": requests, "expected": answers}) + "\n")
    signature = {
        "takes": {
            "user": "id",
            "history": "[item ids], oldest first",
            "session": "[item ids]",
            "time": "days",
        },
        "gives": {"items": "[item ids], best first", "unknown": "[ids that are not known]"},
        "reads_histories": about["reads_histories"],
        "users": len(pipeline.user_ids),
        "items": len(pipeline.item_ids),
        "items_on_sale": int(pipeline.eligible.sum()),
        "leaves_out_seen_items": bool(pipeline.settings["mask_seen"]),
    }
    (folder / "signature.json").write_text(json.dumps(signature, indent=1) + "\n")
    return tuple(dict.fromkeys(packages))


def check_requests(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Known users, some of them again by their history alone, a click of a visit, and somebody unknown."""
    history, ids = pipeline.history, pipeline.item_ids
    known = np.flatnonzero(np.diff(history.starts) > 0)
    users = (
        known[np.linspace(0, len(known) - 1, min(CHECKED, len(known))).astype(int)] if len(known) else known
    )
    found: list[dict[str, Any]] = [{"user": pipeline.user_ids[user].item()} for user in users]
    for user in users[::5]:
        items = history.item[history.starts[user] : history.starts[user + 1]]
        found.append({"history": [ids[item].item() for item in items]})
    clicked = ids[int(np.flatnonzero(pipeline.eligible)[0])].item()
    return [*found, {**(found[0] if found else {}), "session": [clicked]}, {"history": []}]


def _answers(pipeline: Pipeline, requests: Sequence[dict[str, Any]]) -> list[list[Any]]:
    from harness.tasks.recommendation.pipeline import PAGE

    asked, codes = pipeline.told(requests)
    ranked = asked.answer(codes).ranked[:, :PAGE]
    return [[pipeline.item_ids[code].item() for code in row if code >= 0] for row in ranked]


def _write_retriever(
    pipeline: Pipeline, about: dict[str, Any], artifact: Path, model: Path
) -> tuple[str, ...]:
    """Its arrays, its network and its index; what they need."""
    retriever, needed = pipeline.retriever, []
    if pipeline.index is not None:
        vectors = np.ascontiguousarray(retriever.item_vectors(), np.float32)
        np.save(model / "item_vectors.npy", vectors)
        np.save(model / "index_items.npy", pipeline.index.items)
        about["index"] = {**asdict(pipeline.index.spec), "dim": int(vectors.shape[1])}
        file = next(artifact.glob("index.*"))
        shutil.copyfile(file, model / file.name)
        needed.append(_PACKAGES.get(pipeline.index.spec.kind, "faiss-cpu"))
    if retriever.name not in _NETWORKS:
        shutil.copyfile(artifact / "retriever.npz", model / "retriever.npz")
        return tuple(needed)
    about["retriever"]["options"]["max_history"] = _write_tower(retriever, model)
    return (*needed, "onnxruntime")


def _write_tower(retriever: Any, model: Path) -> int:
    """The user's network as ONNX; how many items of a past it takes."""
    import torch

    from harness.runtimes.exporting import export_network

    path = model / "tower.onnx"
    if retriever.name == "sasrec":
        length = len(retriever.weights["place"])

        class Newest(torch.nn.Module):
            def __init__(self, encoder: torch.nn.Module) -> None:
                super().__init__()
                self.encoder = encoder

            def forward(self, tokens: torch.Tensor) -> torch.Tensor:
                found: torch.Tensor = self.encoder(tokens)[:, -1]
                return found

        export_network(Newest(retriever.encoder).eval(), [np.ones((2, length), np.int64)], [{0: "n"}], path)
        return length - 1
    length = int(retriever.settings["max_history"])
    np.savez(model / "retriever.npz", allow_pickle=False, interest=retriever.weights["interest"])
    codes, items = np.ones(2, np.int64), np.ones((2, length), np.int64)
    given: list[np.ndarray] = [codes, codes, items, np.zeros((2, length), np.float32)]
    export_network(retriever.tower, given, [{0: "n"}] * 4, path)
    return length


def _write_ranker(pipeline: Pipeline, model: Path) -> tuple[str, ...]:
    """Its network as ONNX or its trees; what they need."""
    from harness.runtimes.exporting import export_network
    from harness.tasks.recommendation.features import FEATURES, RECENT

    if pipeline.ranker is None:
        return ()
    if pipeline.ranker.spec["model"] == "lambdamart":
        (model / "ranker.txt").write_bytes(pipeline.ranker.arrays()["text"].tobytes())
        return ("lightgbm",)
    n, k = 2, 3
    numbers, category = np.zeros((n, k, len(FEATURES)), np.float32), np.zeros((n, k), np.int64)
    recent, floats = np.zeros((n, RECENT), np.int64), np.zeros((n, RECENT), np.float32)
    lists, requests = {0: "n", 1: "k"}, {0: "n"}
    export_network(
        pipeline.ranker.network, [numbers, category, recent, floats, floats],
        [lists, lists, requests, requests, requests], model / "ranker.onnx",
    )  # fmt: skip
    return ("onnxruntime",)


def _write_code(pipeline: Pipeline, folder: Path) -> None:
    home = Path(str(recommendation.__file__)).parent
    code = folder / "recommender"
    code.mkdir()
    (code / "__init__.py").write_text('"""How the recommender answers."""\n')
    for name in CODE:
        shutil.copyfile(home / name, code / name)
    if pipeline.index is not None:
        library = _PACKAGES.get(pipeline.index.spec.kind, "faiss")
        shutil.copyfile(home / "retrieval" / "searchers" / f"{library}.py", code / "searcher.py")
    shutil.copyfile(Path(str(exported.__file__)).parent / "recommend.py", folder / "predict.py")
