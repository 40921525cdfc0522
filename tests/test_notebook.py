"""examples/notebook.ipynb: every cell is executed, on made-up measurements and, slowly, on a real run."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest

import harness
from harness.analysis.criteria import limits_of
from tests.report_samples import make_records, make_run, make_suite

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"


def cells() -> list[str]:
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert all(not cell.get("outputs") for cell in stored["cells"]), "clear the outputs: they go stale"
    return ["".join(cell["source"]) for cell in stored["cells"] if cell["cell_type"] == "code"]


def shown_by(sources: list[str]) -> Iterator[Any]:
    """Execute cells as a notebook does; what the last expression of each gives."""
    names: dict[str, Any] = {}
    for source in sources:
        *before, last = ast.parse(source).body
        exec(compile(ast.Module(before, []), "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = ast.Assign([ast.Name("_shown", ast.Store())], last.value)
            exec(compile(ast.fix_missing_locations(ast.Module([shown], [])), "cell", "exec"), names)
            value = names["_shown"]
            if hasattr(value, "_repr_html_") and (page := value._repr_html_()) is not None:
                assert "<table" in page
            if value is not None:
                yield value
        else:
            exec(compile(ast.Module([last], []), "cell", "exec"), names)


@pytest.fixture(autouse=True)
def no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_every_cell_after_the_run_works_on_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = harness.Run(make_run(tmp_path, make_records(), make_suite()))
    monkeypatch.setattr(harness, "run", lambda suite, out: run, raising=False)
    shown = list(shown_by(cells()))
    assert "trials" in shown[0] and shown[1] is run
    assert set(shown[2].index) == set(run.tradeoffs.index)
    said = capsys.readouterr().out
    assert f"{run.recommendation.verdict} {run.recommendation.choice}" in said
    assert run.recommend(where=["accuracy >= 0.97"]).verdict in said
    plotted = shown[3].axes[0]
    assert {text.get_text() for text in plotted.texts} == set(run.tradeoffs.index)
    assert len(shown[4].lines) == run.history("small_cnn")["seed"].nunique()
    assert ((shown[5] >= 0) & (shown[5] <= 1)).all().all() and len(shown[5]) > 1
    assert (shown[6]["min"] <= shown[6]["max"]).all() and len(shown[6]) > 1
    assert shown[7] == () or shown[7] == []
    assert shown[8].is_file()


def test_a_run_shows_the_figures_it_was_decided_by(tmp_path: Path) -> None:
    run = harness.Run(make_run(tmp_path, make_records(), make_suite()))
    page = run._repr_html_()
    decided_by = {run.suite.decision.objective.split()[1], *(c.metric for c in limits_of(run.suite))}
    heads = page[page.index("<thead>") : page.index("</thead>")].count("<th>")
    assert heads >= 2 + len(decided_by)
    row = next(r for r in run.evidence.rows if r.variant == run.recommendation.choice)
    assert f"<th>{row.variant}</th>" in page


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "suites").mkdir()
    text = (NOTEBOOK.parent.parent / "suites" / "quickstart.yaml").read_text(encoding="utf-8")
    (tmp_path / "suites" / "quickstart.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_LOCKS", str(tmp_path / "locks"))
    shown = list(shown_by(cells()))
    assert set(shown[2].index) >= {"small_cnn/onnx", "vit/torch", "logistic/sklearn"}
    assert shown[2].loc["small_cnn/onnx", "accuracy"] > 0.9
    assert shown[8].is_file()
