"""`harness init`: from files to a suite that runs, or to what is wrong with them and the cure."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from harness.cli.cures import as_options
from harness.cli.main import main
from harness.init.effort import SHARE, Effort, best_fit, ladder
from harness.init.find import find
from harness.init.tables import roles
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.record import DataError
from tests.small_suites import harness

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`python -m harness init …` in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["init", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def photos(folder: Path, each: int = 12, classes: tuple[str, ...] = ("apple", "leaf", "sky")) -> Path:
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 80, (40, 52, 3)) + np.eye(3, dtype=int)[number % 3] * 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.jpg")
    return folder


def customers(path: Path, rows: int = 300) -> Path:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(rows, 2)).round(3), columns=["spend", "visits"])
    frame.insert(0, "id", np.arange(1, rows + 1))
    frame["signed"] = (
        pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D")
    ).strftime("%Y-%m-%d")
    frame["plan"] = rng.choice(["basic", "pro"], rows)
    frame["churned"] = np.where(frame.visits + rng.normal(size=rows) > 0.5, "yes", "no")
    frame.loc[rng.random(rows) < 0.1, "spend"] = np.nan
    frame.to_csv(path, index=False)
    return path


def log(path: Path, rows: int = 1500) -> Path:
    rng = np.random.default_rng(2)
    user = rng.integers(0, 90, rows)
    frame = {
        "userId": user,
        "productId": user % 7 * 10 + rng.integers(0, 20, rows),
        "timestamp": 17 * 10**8 + 60 * np.arange(rows),
    }
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


WORDS = ("slow", "good", "dear", "crash", "love", "bill", "sync", "late", "team", "phone")
NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, in_channels=3, width=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, 2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * width, num_classes),
        )

    def forward(self, x):
        return self.net(x)
"""


def test_a_folder_of_photos_becomes_a_suite_that_says_to_what_size_they_are_shrunk(
    init: Run, tmp_path: Path
) -> None:
    photos(tmp_path / "photos")
    code, out, err = init("photos")
    assert code == 0, err
    assert "a folder of 36 images in 3 classes" in err and "apple 12" in err
    suite = read_suite("photos.yaml")
    assert suite.task == "image_classification" and suite.data.args["size"] == 32
    assert "shrunk to 32×32; 40 keeps more and takes 2 times as long" in Path("photos.yaml").read_text()
    assert {"logistic", "small_cnn"} <= set(suite.candidates)
    assert "python -m harness run photos.yaml --budget 10m" in out
    assert plan_trials(suite)


def test_a_table_is_read_for_what_is_predicted_what_numbers_rows_what_is_missing_and_what_is_a_date(
    init: Run, tmp_path: Path
) -> None:
    customers(tmp_path / "customers.csv")
    code, _, err = init("customers.csv")
    assert code == 0, err
    assert "predicts 'churned'" in err and "'id' numbers the rows: left out" in err
    assert (
        "'signed' (2021-01-" in err
        and ") holds dates: rows" in err
        and "holes: spend" in err
        and "2 classes: no " in err
    )
    suite = read_suite("customers.yaml")
    assert suite.question == "Which model should we ship to predict churned?"
    stream = suite.serving.scenarios.single_stream
    assert stream is not None and stream.min_calls is not None
    assert stream.min_calls * suite.serving.rounds >= 662, "a p99 needs them"
    assert suite.data.args["features"] == ["spend", "visits", "signed", "plan"]
    assert suite.decision.objective == "maximize accuracy"


def test_a_table_with_a_column_of_texts_is_predicted_from_all_of_its_columns(
    init: Run, tmp_path: Path
) -> None:
    frame = pd.read_csv(customers(tmp_path / "customers.csv"))
    rng = np.random.default_rng(4)
    frame["comment"] = [" ".join(rng.choice(WORDS, 6)) for _ in range(len(frame))]
    frame.to_csv(tmp_path / "customers.csv", index=False)
    code, _, err = init("customers.csv")
    assert code == 0, err
    assert "'comment' holds texts: predicted from by the words in them" in err
    assert read_suite("customers.yaml").data.args["features"] == [
        "spend", "visits", "signed", "plan", "comment",
    ]  # fmt: skip
    code, _, err = init("customers.csv", "--set", "text=comment", "-o", "texts.yaml")
    assert code == 0, err
    assert "from the texts in 'comment' alone" in err
    assert read_suite("texts.yaml").task == "text_classification"


def test_texts_beside_nothing_but_dates_are_judged_alone_and_the_dates_are_named(
    init: Run, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({
        "day": pd.date_range("2024-01-01", periods=200).strftime("%Y-%m-%d"),
        "text": [" ".join(rng.choice(WORDS, 6)) for _ in range(200)],
        "label": rng.choice(["a", "b"], 200),
    })  # fmt: skip
    frame.to_csv(tmp_path / "posts.csv", index=False)
    code, _, err = init("posts.csv", "--budget", "3m")
    assert code == 0, err
    assert read_suite("posts.yaml").task == "text_classification"
    assert "from the texts in 'text' alone; 'day' is left out" in err


def test_a_table_saved_by_a_german_excel_is_read_and_it_is_said_how(init: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    rows = ["Ort;Wohnfläche;Preis"]
    for i in range(120):
        rows.append(
            f"{('Köln', 'Berlin')[i % 2]};{40 + i},5;{rng.integers(100, 900)}.{rng.integers(100, 999)},00"
        )
    (tmp_path / "wohnungen.csv").write_bytes("\r\n".join(rows).encode("cp1252"))
    code, _, err = init("wohnungen.csv")
    assert code == 0, err
    assert "`encoding: cp1252` (wohnungen.csv is not utf-8" in err and "'Wohnfläche'" in err
    assert str(tmp_path) not in err, "a path is said as it was typed"
    args = read_suite("wohnungen.yaml").data.args
    assert (args["encoding"], args["decimal"], args["thousands"]) == ("cp1252", ",", ".")


def test_a_suite_that_is_there_is_said_before_the_data_is_read(init: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_bytes(b"")
    (tmp_path / "broken.yaml").write_text("mine\n")
    code, _, err = init("broken.csv")
    assert code == 2 and "broken.yaml is there already" in err


def test_a_rare_class_is_judged_by_how_well_it_is_ranked(init: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(900, 2)), columns=["a", "b"])
    frame["fraud"] = np.where(np.arange(900) % 30 == 0, "fraud", "legit")
    frame.to_csv(tmp_path / "cards.csv", index=False)
    assert init("cards.csv")[0] == 0
    decision = read_suite("cards.yaml").decision
    assert (decision.objective, decision.positive) == ("maximize pr_auc", "fraud")


def test_two_classes_of_which_one_is_rare_are_judged_by_how_they_are_ranked(
    init: Run, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(1500, 3)).round(3), columns=["a", "b", "c"])
    odds = np.exp(-4 + 1.2 * frame.a)
    frame["stroke"] = np.where(rng.random(1500) < odds / (1 + odds), "yes", "no")
    frame.to_csv(tmp_path / "stroke.csv", index=False)
    assert init("stroke.csv")[0] == 0
    decision = yaml.safe_load(Path("stroke.yaml").read_text())["decision"]
    share = (frame.stroke == "yes").mean()
    assert decision["objective"] == "maximize pr_auc" and decision["positive"] == "yes"
    assert decision["constraints"][0] == f"pr_auc >= {float(f'{1.5 * share:.2g}'):g}"


def test_a_log_is_known_by_its_users_items_and_times(init: Run, tmp_path: Path) -> None:
    log(tmp_path / "clicks.csv")
    code, _, err = init("clicks.csv")
    assert code == 0, err
    assert "a log of 1,500 interactions of 90 users" in err
    suite = read_suite("clicks.yaml")
    assert suite.task == "recommendation"
    args = {key: suite.data.args[key] for key in ("user", "item", "time")}
    assert args == {"user": "userId", "item": "productId", "time": "timestamp"}


def test_texts_with_labels_are_no_table_of_categories(init: Run, tmp_path: Path) -> None:
    words = np.array(["good", "bad", "fine", "poor", "great", "film", "plot", "scene", "actor"])
    rng = np.random.default_rng(4)
    rows = [" ".join(rng.choice(words, 9)) for _ in range(200)]
    pd.DataFrame({"review": rows, "mood": np.arange(200) % 2}).to_csv(tmp_path / "reviews.csv", index=False)
    code, _, err = init("reviews.csv", "--target", "mood")
    assert code == 0, err
    suite = read_suite("reviews.yaml")
    assert (suite.task, suite.data.args["text"], suite.data.args["label"]) == (
        "text_classification",
        "review",
        "mood",
    )


def test_a_network_without_a_builder_gets_one_that_asks_the_task(init: Run, tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    Path("net.py").write_text(NET)
    code, _, err = init("photos", "net.py")
    assert code == 0, err
    assert (
        "Net(num_classes=task.num_classes or 1, in_channels=task.input_shape[0])"
        in Path("net_builder.py").read_text()
    )
    assert read_suite("photos.yaml").candidates["net"].model == "net_builder:build"


def test_decimal_commas_are_written_into_the_suite_and_said(init: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    lines = [f"{a:.2f};{b:.2f};{a + b:.2f}".replace(".", ",") for a, b in rng.normal(size=(200, 2))]
    Path("power.csv").write_text("\n".join(["temp;load;power", *lines]))
    code, _, err = init("power.csv")
    assert code == 0, err
    assert 'written so that it can be read: `decimal: ","`' in err
    assert read_suite("power.yaml").data.args["decimal"] == ","
    assert read_suite("power.yaml").task == "tabular_regression"


@pytest.mark.parametrize(
    ("make", "path", "said"),
    [
        (lambda: None, "photoss", "photoss is not there: did you mean photos?"),
        (lambda: Path("empty").mkdir(), "empty", "is empty: give the folder that holds"),
        (lambda: Path("a.xlsx").touch(), "a.xlsx", "save the sheet as CSV"),
        (lambda: Path("s.yaml").write_text("name: s"), "s.yaml", "is a suite already"),
        (lambda: Path("one.csv").write_text("a\n1\n2\n"), "one.csv", "has one column, 'a'"),
        (lambda: Path("bare.csv").write_text("1,2,0\n" * 9), "bare.csv", "has no line of names"),
        (lambda: Path("none.csv").write_text("a,b,late\n"), "none.csv", "has no rows under its column names"),
        (lambda: Path("x.py").write_text("def f(a): return a"), "x.py", "has no builder"),
        (lambda: Path("t.txt").write_text("__label__a b c\n" * 5), "t.txt", "written as fastText does"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_cure_and_nothing_is_written(
    init: Run, tmp_path: Path, make: Callable[[], Any], path: str, said: str
) -> None:
    (tmp_path / "photos").mkdir()
    make()
    before = sorted(tmp_path.rglob("*"))
    code, _, err = init(path)
    assert (code, said in err) == (2, True), err
    assert sorted(p for p in tmp_path.rglob("*") if "cache" not in p.parts) == before


def test_a_folder_of_several_tables_or_of_images_in_a_heap_is_asked_about(tmp_path: Path) -> None:
    for name in ("jan.csv", "feb.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="holds 2 tables, feb.csv, jan.csv: give one of them"):
        find([str(tmp_path)])
    heap = tmp_path / "heap"
    heap.mkdir()
    Image.new("RGB", (8, 8)).save(heap / "1.png")
    (heap / "labels.csv").write_text("file,label\n1.png,cat\n")
    with pytest.raises(DataError, match="sort the images into one folder per class"):
        find([str(heap)])


def test_train_and_test_files_in_a_folder_belong_together(tmp_path: Path) -> None:
    for name in ("my_train.csv", "my_test.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    found = find([str(tmp_path)])
    assert (found.path, found.test_path) == (tmp_path / "my_train.csv", tmp_path / "my_test.csv")


def test_a_suite_that_is_there_is_not_written_over(init: Run, tmp_path: Path) -> None:
    customers(tmp_path / "customers.csv")
    Path("customers.yaml").write_text("mine")
    assert "customers.yaml is there already: -o OTHER.yaml, or --force" in init("customers.csv")[2]
    assert Path("customers.yaml").read_text() == "mine"
    assert init("customers.csv", "--force")[0] == 0


def test_a_smaller_budget_gets_less_of_everything_and_what_fits_none_is_said(
    init: Run, tmp_path: Path
) -> None:
    customers(tmp_path / "customers.csv", rows=1200)
    found = {}
    for budget in ("1h", "2m", "5s"):
        code, out, _ = init("customers.csv", "--budget", budget, "--json", "--force")
        assert code == 0
        found[budget] = json.loads(out)
    assert found["1h"]["expected_seconds"] > found["2m"]["expected_seconds"]
    assert found["2m"]["fits_budget"] and found["2m"]["expected_seconds"] <= SHARE * 120
    assert not found["5s"]["fits_budget"]


def test_the_dearest_effort_that_fits_is_taken() -> None:
    efforts = [Effort(epochs, 32) for epochs in (40, 20, 10)]
    assert best_fit(efforts, lambda e: e.epochs * 3.0, 100.0).effort.epochs == 20
    quickest = best_fit(efforts, lambda e: e.epochs * 3.0, 10.0)
    assert (quickest.effort.epochs, quickest.fits) == (10, False)


def test_no_step_of_the_ladder_leaves_out_the_baseline(init: Run, tmp_path: Path) -> None:
    from harness.init.look import look

    seen = look(find([str(customers(tmp_path / "customers.csv"))]), {})
    assert min(e.keep for e in ladder(seen, 3, 1)) == 2


def test_a_group_column_and_a_constant_one_are_seen() -> None:
    frame = pd.DataFrame(
        {"patient": np.arange(100) % 25, "ward": 1, "pulse": np.arange(100.0), "ill": np.arange(100) % 2}
    )
    found = roles(frame, Path("x.csv"))
    assert (found.target, found.group, found.constant) == ("ill", "patient", ("ward",))


def test_what_was_seen_stands_in_the_suite_as_comments(init: Run, tmp_path: Path) -> None:
    customers(tmp_path / "customers.csv")
    init("customers.csv")
    text = Path("customers.yaml").read_text()
    assert "#   predicts 'churned', by its name" in text
    assert yaml.safe_load(text)["name"] == "customers"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["photos", "customers.csv", "clicks.csv", "own"])
def test_what_init_writes_runs_to_a_page_one(kind: str, tmp_path: Path) -> None:
    given = [kind]
    if kind in ("photos", "own"):
        photos(tmp_path / "photos")
        (tmp_path / "net.py").write_text(NET)
        given = ["photos"] if kind == "photos" else ["photos", "net.py"]
    customers(tmp_path / "customers.csv")
    log(tmp_path / "clicks.csv")
    written = harness(tmp_path, "init", *given, "-o", "first.yaml", "--budget", "3m")
    assert written.code == 0, written.err
    ended = harness(tmp_path, "run", "first.yaml", "--smoke", timeout_s=800)
    assert ended.code == 0, ended.err
    assert (tmp_path / "results" / "first-smoke" / "latest" / "report.html").is_file()


def test_labels_can_be_merged_from_the_command_line_as_the_cure_says(init: Run) -> None:
    rows = [f"{i % 7},{'>50K' if i % 3 else '<=50K'}" for i in range(80)]
    Path("cut").mkdir()
    Path("cut/train.csv").write_text("age,income\n" + "\n".join(rows) + "\n")
    Path("cut/test.csv").write_text("age,income\n" + "\n".join(f"{row}." for row in rows[:40]) + "\n")
    code, _, err = init("cut", "-o", "cut.yaml")
    assert code == 2 and 'labels={"<=50K.": "<=50K"' in err
    cure = err.partition("they are the same write `")[2].partition("`")[0]
    code, _, err = init("cut", "-o", "cut.yaml", *shlex.split(cure))
    assert code == 0, err
    assert yaml.safe_load(Path("cut.yaml").read_text())["data"]["labels"] == {
        "<=50K.": "<=50K",
        ">50K.": ">50K",
    }
    code, _, err = init("cut", "-o", "cut.yaml", "--set", "labels={a: b")
    assert code == 2 and "--set labels={a: b" in err


def test_several_labels_a_row_are_refused_with_what_to_write(init: Run) -> None:
    rows = [f"text number {i} of many,{('rude|spam', 'spam', 'threat', 'rude')[i % 4]}" for i in range(80)]
    Path("t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    assert "holds several labels in one cell" in init("t.csv")[2]
    Path("holes.csv").write_text("text,label\n" + "\n".join(rows) + "\nnothing of it,\n")
    said = init("holes.csv")[2]
    assert 'label_separator: "|"' in said and "its 1 of 81 rows without any have then no label" in said
    Path("plain.csv").write_text(
        "text,label\n" + "\n".join(r.replace("|spam", "") for r in rows) + "\nnothing of it,\n"
    )
    assert "has no value in 1 of 81 rows (rows 81): fill them in" in init("plain.csv")[2]
    code, _, err = init("t.csv", "--set", "label_separator=|")
    assert code == 2 and "any number of labels a row (rude, spam, threat)" in err
    assert "task: multilabel_classification" in err


def test_lines_of_json_are_refused_with_a_command_whose_table_init_takes(init: Run, tmp_path: Path) -> None:
    rows = [{"id": f"{i:04}", "text": f"a fine film with plot {i}", "label": "ab"[i % 2]} for i in range(60)]
    (tmp_path / "reviews").mkdir()
    file = tmp_path / "reviews" / "all.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    for given in ("reviews/all.jsonl", "reviews"):
        code, _, err = init(given)
        assert code == 2 and "reviews/all.jsonl is JSON: write it as Parquet, `python -W ignore -c " in err
    exec(shlex.split(err.split("`")[1])[-1], {})
    file.unlink()
    code, _, err = init("reviews")
    assert code == 0 and "'id' numbers the rows: left out" in err, err
    assert read_suite("reviews_all.yaml").task == "text_classification"


def test_a_packed_table_is_read_as_it_is(init: Run, tmp_path: Path) -> None:
    table = customers(tmp_path / "customers.csv")
    (tmp_path / "customers.csv.gz").write_bytes(gzip.compress(table.read_bytes()))
    table.unlink()
    code, _, err = init("customers.csv.gz")
    assert code == 0 and "predicts 'churned'" in err, err
    assert read_suite("customers.yaml").data.args["path"].endswith("customers.csv.gz")


def test_a_cure_is_said_as_it_is_typed_here_and_works_when_it_is_typed(init: Run, tmp_path: Path) -> None:
    """Who has no suite yet was told to write `missing: ["k.A."]`, and not where."""
    frame = customers(tmp_path / "customers.csv")
    frame = pd.read_csv(tmp_path / "customers.csv", dtype=str)
    frame.loc[::9, "spend"] = "k.A."
    frame.to_csv(tmp_path / "customers.csv", index=False)
    code, _, said = init("customers.csv")
    assert code == 2 and "'categories=[spend]'" in said
    cure = said.partition("write `")[2].partition("`")[0]
    assert shlex.split(cure) == ["--set", 'missing=["k.A."]']
    code, _, said = init("customers.csv", *shlex.split(cure))
    assert code == 0 and "holes: spend " in said


def test_a_key_that_is_no_argument_of_the_data_is_not_said_as_one() -> None:
    said = 'write `training: {epochs: 3}`, or `decimal: ","`'
    assert as_options(said, ["tabular_csv"]) == "write `training: {epochs: 3}`, or `--set 'decimal=\",\"'`"
