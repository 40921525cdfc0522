"""A recommender leaves the harness: its folder answers as the harness does, without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.export.folder import export_variant, smoke_test
from harness.export.recommender import check_requests, write_recommender
from harness.record import HarnessError
from harness.tasks.recommendation.pipeline import Pipeline
from harness.tasks.recommendation.task import Answerer
from tests.runs_here import run_here
from tests.test_recommendation_pipeline import _fit, _two_tastes

ALONE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from predict import load
print(json.dumps(load()(json.loads(sys.stdin.read()))))
print(json.dumps([name for name in ("harness", "torch", "ray") if name in sys.modules]))
"""


def ask(folder: Path, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The exported folder's answers, by a program of its own that has neither the harness nor torch."""
    command = [sys.executable, "-I", "-c", ALONE, str(folder)]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, loaded = map(json.loads, done.stdout.splitlines())
    assert loaded == []
    return answers


def written(folder: Path, retrieval: dict[str, Any], ranking: dict[str, Any] | None = None) -> Pipeline:
    """A small pipeline, saved and exported to `folder / "deploy"`."""
    pipeline = _fit(_two_tastes(), {"candidates": 20, **retrieval}, ranking).pipeline
    pipeline.save(folder / "artifact")
    (folder / "deploy").mkdir()
    write_recommender(folder / "artifact", folder / "deploy")
    return Pipeline.load(folder / "artifact")


def pipeline_pasts(pipeline: Pipeline) -> list[np.ndarray]:
    """Each user's items, oldest first."""
    return np.split(pipeline.history.item, pipeline.history.starts[1:-1])


def harness_answers(pipeline: Pipeline, requests: list[dict[str, Any]]) -> list[list[int]]:
    codes = Answerer(pipeline)(requests)
    return [[pipeline.item_ids[code].item() for code in row if code >= 0] for row in codes]


@pytest.mark.parametrize(
    ("retrieval", "ranking"),
    [
        pytest.param(
            {"model": "two_tower", "dim": 8, "index": {"hnsw": {"m": 8}}},
            {"model": "wide_and_deep"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"model": "sasrec", "dim": 8}, {"model": "transformer", "dim": 8}, marks=pytest.mark.slow
        ),
        (
            {"model": "matrix_factorization", "dim": 8, "index": {"ivf": {"nlist": 1}}},
            {"model": "lambdamart"},
        ),
        ({"model": "ease"}, {"model": "logistic"}),
        ({"model": "item_knn"}, None),
        ({"model": "popularity"}, None),
        ({"model": "implicit_als", "dim": 8}, None),
    ],
    ids=lambda given: given["model"] if given else "unranked",
)
def test_fifty_users_are_answered_as_by_the_harness(
    retrieval: dict[str, Any], ranking: dict[str, Any] | None, tmp_path: Path
) -> None:
    pipeline = written(tmp_path, retrieval, ranking)
    history, ids = pipeline.history, pipeline.item_ids
    pasts = [
        ids[history.item[lo:hi]].tolist() for lo, hi in zip(history.starts, history.starts[1:], strict=False)
    ]
    users = [{"user": user} for user in pipeline.user_ids[:50].tolist()]
    told = [{"history": past} for past in pasts[:50]]
    visits = [{"user": user["user"], "session": past[:2]} for user, past in zip(users, pasts, strict=False)]
    requests = [*users, *told, *visits, {"user": "nobody"}, {"history": []}]
    found = [answer["items"] for answer in ask(tmp_path / "deploy", requests)]
    assert found == harness_answers(pipeline, requests)
    assert all(len(items) == 10 for items in found)


def test_a_told_history_is_answered_as_the_same_past_that_is_stored(tmp_path: Path) -> None:
    pipeline = written(tmp_path, {"model": "ease"})
    history, ids = pipeline.history, pipeline.item_ids
    for user in (3, 4):
        past = ids[history.item[history.starts[user] : history.starts[user + 1]]].tolist()
        known = pipeline.user_ids[user].item()
        by_id, by_history, mixed = ask(
            tmp_path / "deploy", [{"user": known}, {"history": past}, {"history": past, "user": known}]
        )
        assert by_id["items"] == by_history["items"] == mixed["items"]
        assert not set(by_history["items"]) & set(past)


def test_what_is_not_known_is_named_and_what_is_no_request_is_refused(tmp_path: Path) -> None:
    written(tmp_path, {"model": "matrix_factorization", "dim": 4})
    one, two, three = ask(
        tmp_path / "deploy", [{"history": [7, "zzz", 8, "zzz"]}, {"user": "nobody"}, {"user": 1001}]
    )
    assert one["unknown"] == ["zzz"] and "knows its users by name" in one["note"]
    assert "answered as somebody without a past" in two["note"] and set(three) == {"items"}
    for line, text in (
        ('{"histroy": [7]}', "has 'histroy', which nothing reads: it takes user, history"),
        ('{"history": "7"}', "give a list of item ids"),
        ('{"user": 1001, "time": 1700000000}', "give days since 1970, as .* divide seconds by 86400"),
        ("[7]", "is no JSON object"),
        ("{", ":1: no JSON"),
    ):
        (tmp_path / "requests.jsonl").write_text(line + "\n")
        command = [sys.executable, "-I", tmp_path / "deploy" / "predict.py", tmp_path / "requests.jsonl"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and re.search(text, done.stderr) and "Traceback" not in done.stderr


def test_a_recommender_that_answers_otherwise_is_found_out(tmp_path: Path) -> None:
    pipeline = written(tmp_path, {"model": "item_knn"})
    assert "as the harness did" in smoke_test(tmp_path / "deploy", ("torch",))
    stored = json.loads((tmp_path / "deploy" / "check.json").read_text())
    assert len(stored["requests"]) == len(check_requests(pipeline)) >= 50
    stored["expected"] = [items[::-1] for items in stored["expected"]]
    (tmp_path / "deploy" / "check.json").write_text(json.dumps(stored))
    with pytest.raises(HarnessError, match="places hold the item that the harness answered"):
        smoke_test(tmp_path / "deploy", ("torch",))


SUITE = """\
name: log
task: recommendation
data: {name: interactions_csv, args: {path: log.csv}}
training: {seeds: [0], epochs: 1}
candidates:
  knn: {retrieval: {model: item_knn, candidates: 20}, ranking: {model: logistic}}
serving: {rounds: 1, scenarios: {single_stream: {seconds: 0.2, min_calls: 20, max_calls: 200}}}
decision: {objective: "maximize ndcg@10"}
"""


def test_a_variant_of_a_log_is_exported_with_its_card(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"u{user},i{2 * rng.integers(20) + user % 2},{1_700_000_000 + 3600 * int(rng.integers(2000))}"
        for user in range(60)
        for _ in range(12)
    ]
    (tmp_path / "log.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    (tmp_path / "log.yaml").write_text(SUITE)
    run = run_here(tmp_path / "log.yaml", tmp_path / "results", kinds="train score")
    said = export_variant(run, "knn/torch", tmp_path / "deploy")
    assert "the same item in" in said
    card = (tmp_path / "deploy" / "README.md").read_text()
    assert "Retrieval by `item_knn` (candidates=20), ranking by `logistic`" in card
    assert "60 users, 40 items" in card and "| NDCG@10" in card and "predict.py | `" in card
    packages = (tmp_path / "deploy" / "requirements.txt").read_text().split()
    assert [name.partition("==")[0] for name in packages] == ["numpy", "scipy", "onnxruntime"]
    command = [sys.executable, "-I", tmp_path / "deploy" / "predict.py", "--history", "i2", "i4", "nix"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert answer["unknown"] == ["nix"] and not {"i2", "i4"} & set(answer["items"])
    assert sum(int(item[1:]) % 2 == 0 for item in answer["items"]) >= 7, "even items go with even ones"
