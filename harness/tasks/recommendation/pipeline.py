"""Retriever, index and ranker as one deployable: requests in, ten items out.

    encode the user → search the index → describe the candidates → rank them → the best ten

On disk it is arrays, one file of the index's library and JSON; nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from harness.datasets.interactions import Catalogue
from harness.tasks.recommendation.answering import Answering
from harness.tasks.recommendation.features import Knowledge
from harness.tasks.recommendation.history import History
from harness.tasks.recommendation.metrics import tie_keys
from harness.tasks.recommendation.ranking.fit import Ranker, load_ranker
from harness.tasks.recommendation.retrieval import OWN, RETRIEVERS
from harness.tasks.recommendation.retrieval.index import load_index
from harness.tasks.recommendation.retrieval.options import LIBRARIES
from harness.tasks.recommendation.served import Index

PAGE = 10


@dataclass(frozen=True)
class Pipeline(Answering):
    """A fitted pipeline that can be kept."""

    index: Index | None
    ranker: Ranker | None

    def size_bytes(self) -> int:
        """Of everything that is deployed: retriever, index, ranker, statistics, histories."""
        arrays = [
            *self.retriever.arrays().values(),
            *self.knowledge.arrays().values(),
            *vars(self.history).values(),
        ]
        arrays += list(self.ranker.arrays().values()) if self.ranker else []
        return sum(int(a.nbytes) for a in arrays) + (self.index.size_bytes if self.index else 0)

    def save(self, folder: Path) -> None:
        """Write the pipeline: pipeline.json, arrays as .npz, the index as its library writes it."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "settings": dict(self.settings),
            "retriever": {"name": self.retriever.name, "options": self.retriever.options()},
            "index": asdict(self.index.spec) if self.index else None,
            "ranker": {"spec": dict(self.ranker.spec), "num_categories": self.ranker.num_categories}
            if self.ranker
            else None,
        }
        (folder / "pipeline.json").write_text(json.dumps(about, indent=1))
        tables = {name: getattr(self, name) for name in ("user_ids", "item_ids", "eligible", "retire")}
        _store(
            folder / "tables.npz",
            {**tables, **{f"history_{k}": v for k, v in _columns(self.history).items()}},
        )
        _store(folder / "knowledge.npz", self.knowledge.arrays())
        _store(folder / "retriever.npz", self.retriever.arrays())
        if self.ranker:
            _store(folder / "ranker.npz", self.ranker.arrays())
        if self.index:
            self.index.save(_index_file(folder, self.index.spec.kind))
            np.save(folder / "index_items.npy", self.index.items)

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Pipeline:
        """The inverse of `save`."""
        about = json.loads((folder / "pipeline.json").read_text())
        tables = _arrays(folder / "tables.npz")
        history = History(**{f: tables[f"history_{f}"] for f in History.__dataclass_fields__})
        module = import_module(RETRIEVERS.get(about["retriever"]["name"], OWN))
        retriever = module.load(_arrays(folder / "retriever.npz"), about["retriever"]["options"])
        ranker, spec, index = about["ranker"], about["index"], None
        if spec:
            items, dim = np.load(folder / "index_items.npy"), retriever.item_vectors().shape[1]
            index = load_index(_index_file(folder, spec["kind"]), items, spec, dim, threads)
        return cls(
            settings=about["settings"],
            **{name: tables[name] for name in ("user_ids", "item_ids", "eligible", "retire")},
            ties=tie_keys(len(tables["item_ids"]), int(about["settings"]["seed"])),
            history=history,
            knowledge=Knowledge.load(_arrays(folder / "knowledge.npz")),
            retriever=retriever,
            index=index,
            ranker=load_ranker(ranker["spec"], ranker["num_categories"], _arrays(folder / "ranker.npz"))
            if ranker
            else None,
        )

    def asked(self, **query: int) -> Pipeline:
        """The same pipeline with its index asked another way."""
        assert self.index is not None
        return replace(self, index=self.index.asked(**query))


def eligible_items(catalogue: Catalogue, deploy: float) -> np.ndarray:
    """What may be recommended from `deploy` on: what is on sale then."""
    return np.asarray((catalogue.available_from <= deploy) & (deploy < catalogue.available_until))


def _index_file(folder: Path, kind: str) -> Path:
    return folder / f"index.{LIBRARIES.get(kind, 'faiss')}"


def _columns(history: History) -> dict[str, np.ndarray]:
    return {name: getattr(history, name) for name in History.__dataclass_fields__}


def _store(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)
