"""What SECURITY.md promises: nothing of a run folder is unpickled, and no secret is written into one."""

from __future__ import annotations

import ast
import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.predictions import read_predictions
from harness.reading import read_suite
from harness.record import HarnessError, SuiteError
from harness.store.files import open_files
from harness.store.runs import open_run
from harness.trial.trial import run_trial
from tests.fake_trials import chain, fake_dispatch
from tests.small_suites import ROOT, harness, write_suite

SOURCES = sorted((ROOT / "harness").rglob("*.py"))
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
SECRETS = {
    name: f"do-not-store-{n}"
    for n, name in enumerate(
        (
            "WANDB_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "MLFLOW_TRACKING_PASSWORD",
            "HF_TOKEN",
            "RAY_SECRET",
            "OMP_KEY",
        )
    )
}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Every call with its dotted name."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def keyword(call: ast.Call, name: str) -> str:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "harness")))
def test_no_source_loads_pickles_or_unsafe_yaml_or_evaluates_text(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not UNSAFE_MODULES & {name.split(".")[0] for name in names}
    for name, call in calls(tree):
        assert name not in ("eval", "exec", "os.system", "yaml.load", "yaml.unsafe_load", "yaml.full_load")
        if name in ("np.load", "numpy.load"):
            assert keyword(call, "allow_pickle") in ("", "False")
        if name == "torch.load":
            assert keyword(call, "weights_only") == "True"
        assert keyword(call, "shell") in ("", "False")


class Bomb:
    """What a stranger would hide in a file: unpickling it writes a marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


def test_a_pickle_in_a_run_folder_is_refused_and_not_run(tmp_path: Path) -> None:
    from harness.analysis.kept import read_evidence
    from harness.analysis.outputs import stored_suite
    from harness.datasets.shop.outcomes import Funnel
    from harness.tasks.recommendation.online import load_funnel

    marker = tmp_path / "it-ran"
    content = pickle.dumps(Bomb(marker))
    run = open_run(tmp_path, "tiny", "0123456789abcdef")
    run.write_bytes("trials/score-0/predictions.parquet", content)
    with pytest.raises(Exception, match="(?i)parquet"):
        read_predictions(run.read_bytes("trials/score-0/predictions.parquet"))
    run.write_text("suite.yaml", f"!!python/object/apply:pathlib.Path.touch [{marker}]\n")
    with pytest.raises(HarnessError):
        stored_suite(run)
    hidden = io.BytesIO()
    fields = ("user", "past", "session", "document", *Funnel.__dataclass_fields__)
    np.savez(hidden, **{name: np.array([Bomb(marker)], dtype=object) for name in fields})
    run.write_bytes("evidence.npz", hidden.getvalue())
    assert read_evidence(run) is None, "it counts as missing and is made again"
    run.write_bytes("online.npz", hidden.getvalue())
    with pytest.raises(ValueError, match="allow_pickle"):
        load_funnel(Path(run.url) / "online.npz")
    assert not marker.exists()


def files_with(folder: Path, secrets: list[str]) -> list[str]:
    return [
        f"{path.relative_to(folder)}: {secret}"
        for path in folder.rglob("*")
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]


def test_a_trials_files_hold_no_secret_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    run = open_run(tmp_path, "tiny", "0123456789abcdef")
    run_trial(chain("cnn")[0], run, lambda info: None, dispatch=fake_dispatch)
    assert any(tmp_path.rglob("record.json"))
    assert files_with(tmp_path, list(SECRETS.values())) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_file_of_a_whole_run_and_nothing_it_says_holds_a_secret(tmp_path: Path) -> None:
    ended = harness(tmp_path, "run", write_suite(tmp_path), "--json", **SECRETS)
    assert ended.code == 0, ended.err
    assert files_with(tmp_path / "results", list(SECRETS.values())) == []
    assert not [s for s in SECRETS.values() if s in ended.out + ended.err]


@pytest.mark.parametrize(
    "track",
    [
        "mlflow: {uri: 'https://me:hunter2@mlflow.example'}",
        "wandb: {project: p, api_key: hunter2}",
        "wandb: {token: hunter2}",
    ],
)
def test_a_secret_in_a_suite_is_refused_with_its_line_and_not_repeated(tmp_path: Path, track: str) -> None:
    suite = write_suite(tmp_path)
    suite.write_text(suite.read_text() + f"track:\n  {track}\n")
    with pytest.raises(SuiteError) as caught:
        read_suite(suite)
    lines = len(suite.read_text().splitlines())
    assert f"tiny.yaml:{lines}: track." in str(caught.value) and "holds a secret" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_url_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(HarnessError, match="holds a password") as caught:
        open_files("s3://me:hunter2@bucket/results")
    assert "hunter2" not in str(caught.value)
