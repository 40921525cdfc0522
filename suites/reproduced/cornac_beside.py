"""Cornac's models as recommenders of one's own, fitted by Cornac itself in an environment of its own.

    python3 -m venv .venv-cornac && .venv-cornac/bin/pip install cornac==3.0.1     (`make cornac` does it)

Its Python is `$CORNAC_PYTHON`, or `.venv-cornac/bin/python` of this repository. What Cornac scores is ranked
and judged by the harness: figures that agree say that split, masks and metrics mean the same in both.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FIT = """
import json, sys
import numpy as np
import cornac

folder, asked = sys.argv[1], json.loads(sys.argv[2])
log = np.load(f"{folder}/log.npz")
triples = list(zip(log["user"].tolist(), log["item"].tolist(), log["rating"].tolist()))
data = cornac.data.Dataset.build(triples, fmt="UIR", seed=asked["args"].get("seed"))
model = getattr(cornac.models, asked["model"])(**asked["args"]).fit(data)
scores = np.full((int(log["num_users"]), int(log["num_items"])), np.nan, np.float32)
items = np.array(list(data.iid_map))
for user, code in data.uid_map.items():
    scores[user, items] = model.score(code)[: len(items)]
np.save(f"{folder}/scores.npy", scores)
"""


class Cornac:
    """One of Cornac's models.

    Args:
        model: a class of `cornac.models`. args: its keywords. shuffle_seed: the rows are handed over in the
            order that numpy's permutation of the whole log with this seed gives them, as RatioSplit does.
        rows: of the whole log, test part included.
    """

    def __init__(self, *, model: str, args: dict[str, Any], shuffle_seed: int, rows: int) -> None:
        self.asked = {"model": model, "args": args}
        self.shuffle_seed, self.rows = shuffle_seed, rows
        self.scores = np.empty((0, 0), np.float32)

    def fit(self, log: Any) -> None:
        place = np.empty(self.rows, int)
        place[np.random.RandomState(self.shuffle_seed).permutation(self.rows)] = np.arange(self.rows)
        order = np.argsort(place[log.row])
        python = os.environ.get("CORNAC_PYTHON", str(ROOT / ".venv-cornac" / "bin" / "python"))
        if not Path(python).exists():
            raise ValueError(f"there is no {python}: `make cornac` makes it, or set CORNAC_PYTHON")
        with tempfile.TemporaryDirectory() as folder:
            rows = {name: getattr(log, name)[order] for name in ("user", "item", "rating")}
            np.savez(Path(folder) / "log.npz", **rows, num_users=log.num_users, num_items=log.num_items)
            command = [python, "-c", FIT, folder, json.dumps(self.asked)]
            ended = subprocess.run(command, check=False, capture_output=True, text=True)
            if ended.returncode:
                raise ValueError(f"Cornac failed: {ended.stderr.strip()[-500:]}")
            scores = np.load(Path(folder) / "scores.npy")
        self.scores = np.where(np.isnan(scores), np.nanmin(scores) - 1, scores)

    def score(self, users: np.ndarray) -> np.ndarray:
        return self.scores[users]
