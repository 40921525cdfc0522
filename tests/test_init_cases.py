"""First suites for data that goes wrong quietly: each runs as it is meant, or the trouble is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageDraw

from harness.cli.main import main
from harness.datasets.catalog import load_dataset
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from tests.small_suites import harness

Case = tuple[int, str, dict[str, Any]]
"""Exit code, what was said, and the suite that was written (empty where none was)."""
First = Callable[..., Case]


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> First:
    """`init …`, and that what was written is a suite with trials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))

    def call(*arguments: str) -> Case:
        Path("first.yaml").unlink(missing_ok=True)
        code = main(["init", *arguments, "-o", "first.yaml", "--force", "--budget", "2m"])
        said = capsys.readouterr().err
        file = Path("first.yaml")
        written = yaml.safe_load(file.read_text()) if code == 0 else {}
        assert code == 2 or (written and plan_trials(read_suite(file))), said
        assert code == 0 or not file.exists()
        return code, said, written

    return call


def loaded(suite: dict[str, Any]) -> Any:
    args = dict(suite["data"])
    return load_dataset(args.pop("name"), {k: v for k, v in args.items() if k != "size"})


def table(path: str, **columns: Any) -> Path:
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    pd.DataFrame(columns).to_csv(file, index=False)
    return file


def visits(owners: range, rng: np.random.Generator) -> dict[str, Any]:
    """Ten visits of each owner, whose answer is the owner's."""
    owner = np.repeat(np.array(owners), 10)
    size = rng.normal(size=1000)
    return {
        "customer": owner,
        "size": (size[owner] + rng.normal(0, 0.001, len(owner))).round(4),
        "late": np.where(owner % 3 == 0, "yes", "no"),
    }


def test_answers_written_otherwise_in_the_test_file_are_named_with_a_map_of_labels(first: First) -> None:
    speed = np.arange(120.0)
    table("cars/train.csv", speed=speed, risk=np.where(speed > 60, "high", "low"))
    table("cars/test.csv", speed=speed[::2], risk=np.where(speed[::2] > 60, "High ", "Low "))
    code, said, _ = first("cars")
    assert code == 2 and "no training row has the label" in said
    assert "where they are the same write `--set 'labels={Low: low, High: high}'`" in said
    code, _, suite = first("cars", "--set", "labels={Low: low, High: high}")
    assert code == 0 and loaded(suite).task.class_names == ("high", "low")


def test_a_folder_that_holds_a_suite_alone_says_how_to_run_it(first: First) -> None:
    Path("work").mkdir()
    Path("work/mine.yaml").write_text("name: mine\n")
    code, said, _ = first("work")
    assert code == 2 and re.search(
        r"holds no images and no tables, only mine\.yaml.* run \S*mine\.yaml", said
    )


def test_pictures_cut_out_of_their_background_are_laid_on_one_and_it_is_said(first: First) -> None:
    for number, kind in enumerate(("star", "bar")):
        Path("logos", kind).mkdir(parents=True)
        for i in range(12):
            shape = Image.new("L", (24, 24), 0)
            ImageDraw.Draw(shape).rectangle((i // 2, 4, 12 + i // 2, 6 + 12 * number), fill=255)
            picture = Image.new("RGB", (24, 24), (90, 20, 20))
            picture.putalpha(shape)
            picture.save(Path("logos", kind, f"{i}.png"))
    code, said, suite = first("logos")
    assert code == 0 and "have transparent pixels: they are laid on white" in said
    assert len(np.unique(loaded(suite).train.inputs.reshape(-1, 3 * 24 * 24), axis=0)) > 2


@pytest.mark.parametrize("names", [("TRAIN", "TEST"), ("training", "tst"), ("Train", "Testing")])
def test_folders_of_parts_are_no_classes(names: tuple[str, str], first: First) -> None:
    rng = np.random.default_rng(6)
    for part, count in zip(names, (20, 6), strict=True):
        for side, kind in enumerate(("left", "right")):
            folder = Path("shots", part, kind)
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 60, (16, 16, 3))
                pixels[:, side * 8 : side * 8 + 8] += 150
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{part}{i}.png")
    code, _, suite = first("shots")
    data = loaded(suite)
    assert code == 0
    assert (data.task.class_names, len(data.train), len(data.test)) == (("left", "right"), 40, 12)


def test_decimal_commas_of_two_files_whose_values_never_meet_are_numbers(first: First) -> None:
    rng = np.random.default_rng(7)
    for part, start in (("train", 0.25), ("test", 0.75)):
        flow = rng.choice(np.arange(start, 9, 1.0), 200)
        cells = [
            f"{x};{2 * x + e:.2f}".replace(".", ",")
            for x, e in zip(flow, rng.normal(0, 0.1, 200), strict=True)
        ]
        Path("pump").mkdir(exist_ok=True)
        Path(f"pump/{part}.csv").write_text("\n".join(["flow;power", *cells]))
    code, said, suite = first("pump")
    assert code == 0 and suite["task"] == "tabular_regression" and suite["data"]["decimal"] == ","
    assert 'written so that it can be read: `decimal: ","`' in said


def test_owners_that_stand_in_both_files_are_said_and_owners_of_one_divide_the_rows(first: First) -> None:
    rng = np.random.default_rng(8)
    rows = pd.DataFrame(visits(range(60), rng)).sample(frac=1, random_state=0)
    Path("shared").mkdir()
    rows[:450].to_csv("shared/train.csv", index=False)
    rows[450:].to_csv("shared/test.csv", index=False)
    code, said, suite = first("shared")
    assert code == 0 and "group" not in suite["data"]
    assert (
        "the test file has rows of the same: if others are to be predicted, give all rows in one file" in said
    )
    assert "150 of 150 test rows have a value of column 'customer' that training rows have too" in said
    table("apart/train.csv", **visits(range(40), rng))
    table("apart/test.csv", **visits(range(40, 60), rng))
    code, said, suite = first("apart")
    assert code == 0 and suite["data"]["group"] == "customer"
    assert "its rows stay on one side of every split" in said


def test_a_column_that_gives_the_answer_away_is_warned_of_in_what_is_said_and_in_the_suite(
    first: First,
) -> None:
    rng = np.random.default_rng(9)
    hint = rng.normal(size=500)
    cost = (50 + 9 * hint + rng.normal(0, 5, 500)).round(2)
    table(
        "jobs.csv", hint=hint.round(3), noise=rng.normal(size=500).round(3), paid=cost * 1.07 + 3, cost=cost
    )
    code, said, _ = first("jobs.csv", "--target", "cost")
    assert code == 0 and "giveaway column: column 'paid' alone tells the answer" in said
    assert "WARNING giveaway column: column 'paid'" in Path("first.yaml").read_text()
    kind = np.sort(rng.integers(0, 3, 500))
    table("sorted.csv", row=np.arange(500), hint=(hint + kind).round(3), kind=np.array(["a", "b", "c"])[kind])
    code, said, suite = first("sorted.csv")
    assert code == 0 and "'row' numbers the rows: left out" in said and suite["data"]["features"] == ["hint"]
    assert "the file is sorted by the answer" in said


def log(
    path: str, time: Callable[[int], str], mark: str = ",", head: bool = True, **more: Callable[[int], str]
) -> None:
    rng = np.random.default_rng(10)
    lines = [mark.join(["user", "item", "time", *more])] if head else []
    for i in range(600):
        user, item = rng.integers(1, 41), rng.integers(1, 26)
        lines.append(mark.join([str(user), str(item), time(i), *(one(i) for one in more.values())]))
    Path(path).write_text("\n".join(lines) + "\n")


TIMES: dict[str, Callable[[int], str]] = {
    "days as whole numbers": lambda i: f"{date(2023, 3, 1) + timedelta(days=i // 10):%Y%m%d}",
    "with the zone's name": lambda i: f"{date(2023, 3, 1) + timedelta(days=i // 10)} 0{i % 10}:00:00 UTC",
    "in several forms": lambda i: (
        f"{date(2023, 3, 1) + timedelta(days=i // 10)}T0{i % 10}:00:00{('Z', '+00:00')[i % 2]}"
    ),
    "seconds": lambda i: str(1_677_600_000 + 8640 * i),
}


@pytest.mark.parametrize("form", TIMES)
@pytest.mark.parametrize("mark", [",", ";"])
def test_times_of_a_log_are_moments_however_they_are_written(form: str, mark: str, first: First) -> None:
    log("clicks.csv", TIMES[form], mark)
    code, said, suite = first("clicks.csv")
    assert code == 0, said
    args = dict(suite["data"])
    from harness.datasets.catalog import dataset_module

    times = np.asarray(dataset_module(args.pop("name")).load(**args).events.time, dtype=float)
    spread = times.max() - times.min()
    assert 55 * 86_400 < spread * (86_400 if spread < 100 else 1) < 65 * 86_400


@pytest.mark.parametrize("mark", ["\t", "::", ","])
def test_a_log_without_a_line_of_names_is_known_by_its_columns(mark: str, first: First) -> None:
    log("u.dat", lambda i: str(i % 5 + 1), mark, head=False, when=TIMES["seconds"])
    code, said, suite = first("u.dat")
    assert code == 0 and suite["data"]["names"] == ["user", "item", "rating", "time"], said
    assert suite["data"]["at_least"] == 4


def test_a_log_without_times_is_cut_at_random_and_one_of_an_order_is_said_to_be_one(first: First) -> None:
    log("counts.csv", lambda i: "x", plays=lambda i: str(i % 7 + 1))
    pd.read_csv("counts.csv").drop(columns="time").to_csv("counts.csv", index=False)
    code, said, suite = first("counts.csv")
    assert code == 0 and (suite["data"]["time"], suite["data"]["split"]) == (None, "random")
    assert suite["data"]["weight"] == "plays" and "it has no times" in said
    log("order.csv", str)
    assert "an order rather than moments" in first("order.csv")[1]


@pytest.mark.parametrize(
    ("user", "item"), [("household_id", "product_id"), ("CustomerID", "StockCode"), ("userID", "artistID")]
)
def test_a_log_is_known_by_what_its_owners_call_users_and_items(user: str, item: str, first: First) -> None:
    log("sales.csv", TIMES["seconds"], quantity=lambda i: str(i % 7 + 1), store=lambda i: str(i % 3))
    pd.read_csv("sales.csv").rename(columns={"user": user, "item": item}).to_csv("sales.csv", index=False)
    code, said, suite = first("sales.csv")
    assert code == 0 and suite["task"] == "recommendation", said
    assert (suite["data"]["user"], suite["data"]["item"]) == (user, item)


def test_a_file_of_recbole_is_a_log_and_its_ratings_are_asked_about(first: First) -> None:
    log("ml.inter", TIMES["seconds"], "\t", rating=lambda i: str(i % 5 + 1))
    kinds = {
        "user": "user_id:token",
        "item": "item_id:token",
        "rating": "rating:float",
        "time": "timestamp:float",
    }
    pd.read_csv("ml.inter", sep="\t").rename(columns=kinds).to_csv("ml.inter", sep="\t", index=False)
    code, said, suite = first("ml.inter")
    assert code == 0, said
    wanted = {**kinds, "at_least": 4}
    assert {key: suite["data"].get(key) for key in wanted} == wanted


def test_a_log_of_visits_is_asked_for_the_last_choice_of_each(first: First) -> None:
    log("visits.csv", TIMES["seconds"])
    frame = pd.read_csv("visits.csv").drop(columns="user")
    frame["SessionId"] = np.arange(len(frame)) // 4
    frame.to_csv("visits.csv", index=False)
    code, said, suite = first("visits.csv")
    assert code == 0 and suite["data"]["split"] == "leave_one_out", said
    assert "asked is the last choice of each" in said


def test_pieces_of_single_purchases_make_no_item_more_popular(first: First) -> None:
    """Ten thousand litres in one row are one purchase; a row for each pair of user and item counts pieces."""
    log("sales.csv", TIMES["seconds"], quantity=lambda i: str(10_000 if i % 50 == 0 else 1))
    assert "weight" not in first("sales.csv")[2]["data"]
    frame = pd.read_csv("sales.csv").drop_duplicates(["user", "item"])
    frame.to_csv("pairs.csv", index=False)
    assert first("pairs.csv")[2]["data"]["weight"] == "quantity"


def test_ids_of_a_log_are_texts_and_what_is_taken_back_is_no_interest(first: First) -> None:
    log("shop.csv", TIMES["seconds"], event=lambda i: ("buy", "buy", "return")[i % 3])
    frame = pd.read_csv("shop.csv", dtype=str)
    frame["user"] = frame.user.str.zfill(3).where(frame.index % 2 == 0, frame.user)
    frame.to_csv("shop.csv", index=False)
    code, said, _ = first("shop.csv")
    assert code == 0 and "a log of 400 interactions" in said
    assert "200 of 600 events are no interest and are left out (return)" in said
    users = frame[frame.event == "buy"].user.nunique()
    assert f"of {users} users" in said and users > 41


def test_several_labels_in_a_cell_are_named(first: First) -> None:
    kinds = ["cat", "dog", "cat;dog", "bird", "cat;bird"]
    rows = [f"a picture number {i} of the animals,{kinds[i % 5]}" for i in range(100)]
    Path("animals.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    code, said, _ = first("animals.csv")
    assert code == 2 and "several labels in one cell" in said and 'label_separator: ";"' in said


def test_a_folder_of_several_tables_names_them_and_the_two_that_belong_together(first: First) -> None:
    x = np.arange(60)
    for name in ("all", "train", "test", *(f"month{i}" for i in range(9))):
        table(f"work/{name}.csv", x=x / 7, late=x % 2)
    code, said, _ = first("work")
    assert code == 2 and "holds 12 tables, all.csv," in said and ", …: give one of them" in said
    assert re.search(r"or both parts of one: \S*work/train\.csv \S*work/test\.csv", said)
    code, said, suite = first("work/test.csv", "work/train.csv")
    assert (
        code == 0
        and suite["data"]["path"] == "work/train.csv"
        and suite["data"]["test_path"] == "work/test.csv"
    )
    assert "two tables whose names say train and test" in first("work/all.csv", "work/test.csv")[1]


NETS = """
from torch import nn


class Ends(nn.Module):
    def __init__(self, in_features, last):
        super().__init__()
        self.net, self.last = nn.Linear(in_features, 1), last

    def forward(self, x):
        return self.net(x).squeeze() if self.last is None else self.net(x).squeeze(self.last)


def build(task):
    return Ends(task.input_shape[0], LAST)
"""


@pytest.mark.parametrize("last", [None, -1])
def test_a_network_that_drops_the_batch_of_one_row_is_named_before_a_suite_is_written(
    last: int | None, first: First
) -> None:
    rng = np.random.default_rng(11)
    x = rng.normal(size=(200, 2)).round(3)
    table("t.csv", a=x[:, 0], b=x[:, 1], y=(x.sum(1) + rng.normal(0, 0.5, 200)).round(2))
    Path("nets.py").write_text(NETS.replace("LAST", str(last)))
    code, said, _ = first("t.csv", "nets.py")
    assert code == (2 if last is None else 0), said
    assert ("nets:build answers two rows with shape (2,), and one with ()" in said) == (last is None)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", ["owners", "decimals", "log", "pictures"])
def test_a_suite_that_is_written_for_such_data_runs(case: str, first: First, tmp_path: Path) -> None:
    if case == "owners":
        table("given.csv", **visits(range(60), np.random.default_rng(12)))
    elif case == "decimals":
        Path("given.csv").write_text("a;b;y\n" + "".join(f"{i},5;{i % 7};{2 * i},25\n" for i in range(200)))
    elif case == "log":
        log("given.csv", TIMES["days as whole numbers"], ";")
    else:
        test_pictures_cut_out_of_their_background_are_laid_on_one_and_it_is_said(first)
        Path("logos").rename("given")
    assert first("given" if case == "pictures" else "given.csv")[0] == 0
    ended = harness(tmp_path, "run", "first.yaml", "--smoke", timeout_s=800)
    assert ended.code == 0, ended.err


def test_a_log_is_known_by_what_is_in_its_columns_where_their_names_do_not_say_it(first: First) -> None:
    rng = np.random.default_rng(13)
    listener, song = rng.integers(0, 60, 900), rng.integers(0, 40, 900)
    when = pd.date_range("2024-03-01", periods=900, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    columns = {"listener": [f"u_{i:03x}" for i in listener], "spotify_uri": [f"trk:{i}" for i in song]}
    table("plays.csv", **columns, played_at=when)
    code, said, suite = first("plays.csv")
    assert code == 0 and "a log of 900 interactions of 60 users with 40 items" in said
    assert "columns: users 'listener', items 'spotify_uri', times 'played_at' (--target COLUMN" in said
    assert {k: suite["data"][k] for k in ("user", "item", "time")} == {
        "user": "listener", "item": "spotify_uri", "time": "played_at",
    }  # fmt: skip
    assert first("plays.csv", "--target", "spotify_uri")[2]["task"] == "tabular_classification"
    table("named.csv", user=columns["listener"], item=columns["spotify_uri"], viewed_on=when)
    code, said, suite = first("named.csv")
    assert code == 0 and suite["data"]["time"] == "viewed_on" and "it has no times" not in said


@pytest.mark.parametrize("beside", ["a measure", "kinds", "floats", "no time"])
def test_a_table_with_ids_and_days_is_no_log_where_something_else_can_be_predicted(
    beside: str, first: First
) -> None:
    rng = np.random.default_rng(14)
    shop, part = rng.integers(100, 140, 600), rng.integers(0, 30, 600)
    columns: dict[str, Any] = {"branch": shop, "part": [f"p{i}" for i in part]}
    if beside != "no time":
        columns["day"] = pd.date_range("2024-01-01", periods=600).strftime("%Y-%m-%d")
    if beside == "a measure":
        columns["sold"] = rng.integers(0, 400, 600)
    elif beside == "kinds":
        columns["part"] = [("bolt", "nut", "pin")[i % 3] for i in part]
    elif beside == "floats":
        columns["part"] = rng.normal(size=600).round(1)
    table("sales.csv", **columns)
    code, said, suite = first("sales.csv")
    assert code == 0, said
    assert suite["task"].startswith("tabular_")


def test_texts_that_name_the_rows_are_left_out_whatever_their_column_is_called(first: First) -> None:
    rng = np.random.default_rng(15)
    size = rng.gamma(6, 12, 200).round(1)
    numbers = [f"FL-{i:05}" for i in range(200)]
    numbers[7] = numbers[3]  # listed twice
    table("flats.csv", listing_no=numbers, size=size, rent=(size * 9 + rng.normal(0, 40, 200)).round())
    code, said, suite = first("flats.csv")
    assert code == 0 and suite["data"]["features"] == ["size"], said
    assert "'listing_no' is text of 199 different values in 200 rows, a name of the row: left out" in said
    words = [" ".join(rng.choice(list("abcdefghij"), 6)) for _ in range(200)]
    table("notes.csv", ref=numbers, note=words, kind=np.where(size > 70, "large", "small"))
    code, said, suite = first("notes.csv")
    assert code == 0 and suite["task"] == "text_classification", said
    code, said, _ = first("flats.csv", "--set", "features=[listing_no, size]")
    assert code == 2 and "which are no categories" in said, "as the user said, or not at all"


def test_a_network_for_one_number_may_end_in_one_column(first: First) -> None:
    rng = np.random.default_rng(16)
    x = rng.normal(size=(200, 2)).round(3)
    table("t.csv", a=x[:, 0], b=x[:, 1], y=(x.sum(1) + rng.normal(0, 0.5, 200)).round(2))
    net = "from torch import nn\n\n\nclass Line(nn.Module):\n    def __init__(self, in_features):\n"
    net += "        super().__init__()\n        self.a = nn.Linear(in_features, 1)\n\n"
    Path("one_column.py").write_text(net + "    def forward(self, x):\n        return self.a(x)\n")
    code, said, suite = first("t.csv", "one_column.py")
    assert code == 0 and "line" in suite["candidates"], said
    assert "nn.Flatten(0))  # (rows, 1) → (rows,)" in Path("one_column_builder.py").read_text()
    builder = "\n\ndef build(task):\n    return Line(2)\n"
    Path("two_dims.py").write_text(f"{net}    def forward(self, x):\n        return self.a(x)\n{builder}")
    code, said, _ = first("t.csv", "two_dims.py")
    assert code == 2 and "one value per example; where it ends in one column, write `.squeeze(-1)`" in said


def loans(rows: int = 240) -> dict[str, Any]:
    """Columns whose names have words of owners in them, and are none, as in Kaggle's credit risk data."""
    rng = np.random.default_rng(11)
    age, income = rng.integers(20, 60, rows), rng.integers(20_000, 90_000, rows)
    return {
        "person_age": age,
        "person_income": income,
        "account_length": rng.integers(1, 120, rows),
        "customers": rng.integers(50, 90, rows),
        "amount_paid": rng.permutation(np.arange(1000, 1000 + 7 * rows, 7)),
        "loan_status": (age * 1000 > income).astype(int),
    }


def test_what_an_owner_has_is_no_owner_and_what_is_paid_no_id(first: First) -> None:
    table("loans.csv", **loans())
    code, said, suite = first("loans.csv")
    assert code == 0 and "group" not in suite["data"] and "features" not in suite["data"]
    assert loaded(suite).train.inputs.dtype.names == tuple(loans())[:-1]
    assert "numbers the rows" not in said


@pytest.mark.parametrize(
    "name",
    [
        "person",
        "PersonID",
        "person_no",
        "User ID",
        "store_nbr",
        "id_customer",
        "user1",
        "patient_identifier",
        "customer_guid",
        "user_id_hash",
        "userids",
    ],
)
def test_owners_are_known_by_what_they_are_called_alone(name: str, first: First) -> None:
    columns = loans()
    table("loans.csv", **{name: np.arange(240) // 6 + 1000}, **columns)
    assert first("loans.csv")[2]["data"]["group"] == name


@pytest.mark.parametrize("name", ["PassengerId", "order_id", "rowid", "ID", "objectGUID"])
def test_ids_of_rows_are_left_out_however_they_are_written(name: str, first: First) -> None:
    rng = np.random.default_rng(12)
    table("loans.csv", **{name: rng.permutation(np.arange(7, 7 + 3 * 240, 3))}, **loans())
    code, said, _ = first("loans.csv")
    assert code == 0 and f"{name!r} numbers the rows: left out" in said


def test_a_test_file_without_answers_is_left_aside_and_names_what_is_predicted(first: First) -> None:
    rng = np.random.default_rng(13)
    hour = rng.integers(0, 24, 300)
    casual = rng.integers(0, 40, 300)
    rows = pd.DataFrame({"hour": hour, "warm": rng.normal(size=300).round(2), "casual": casual})
    rows = rows.assign(registered=hour * 3 + rng.integers(0, 9, 300), count=0)
    rows["count"] = rows["casual"] + rows["registered"]
    Path("bikes").mkdir()
    rows[:200].to_csv("bikes/train.csv", index=False)
    rows.loc[200:, ["hour", "warm"]].to_csv("bikes/test.csv", index=False)
    rows.loc[200:, ["count"]].to_csv("bikes/sample_submission.csv", index=False)
    code, said, _ = first("bikes")
    assert code == 2 and "or both parts of one: " in said
    code, said, suite = first("bikes/train.csv", "bikes/test.csv")
    assert code == 0 and "predicts 'count', which test.csv has not" in said
    assert "test.csv has no 'count', so that nothing can be tested on it: left aside; a part" in said
    assert "test.csv has no 'casual', 'registered' either, not known when one predicts: left out" in said
    data = loaded(suite)
    assert (len(data.train) + len(data.test), data.train.inputs.dtype.names) == (200, ("hour", "warm"))


def test_the_answer_of_a_competition_is_what_the_test_file_lacks_whatever_stands_last(first: First) -> None:
    columns = loans()
    rows = pd.DataFrame({"Risk": columns.pop("loan_status"), **columns})
    Path("risk").mkdir()
    rows.to_csv("risk/train.csv", index=False)
    rows[:50].drop(columns="Risk").to_csv("risk/test.csv", index=False)
    code, _, suite = first("risk")
    assert code == 0 and suite["data"]["target"] == "Risk" and "test_path" not in suite["data"]


def test_measurements_over_time_are_no_log_of_who_chose_what(first: First) -> None:
    rng = np.random.default_rng(14)
    when = [f"2024-01-{1 + i // 96:02d} {i // 4 % 24:02d}:{i % 4 * 15:02d}:00" for i in range(900)]
    level = [*np.round(rng.normal(20, 1, 890), 1), *["nil"] * 10]
    table("cgm.csv", datetime=when, isig=level, glucose=rng.integers(80, 180, 900))
    code, said, _ = first("cgm.csv", "--set", "missing=[nil]")
    assert code == 0 and "a log of" not in said and "predicts 'glucose'" in said


def test_a_table_with_blanks_between_its_cells_is_told_how_to_say_so(first: First) -> None:
    Path("status.csv").write_text("t status sex\n" + "".join(f"{i * i} {i % 2} {i % 3}\n" for i in range(60)))
    code, said, _ = first("status.csv")
    assert code == 2 and "is the separator right? `--set 'separator= '`" in said
    code, _, suite = first("status.csv", "--set", "separator= ")
    assert code == 0 and suite["data"]["target"] == "sex"
    Path("rates.csv").write_text("-0.00313 0.083\n" * 60)
    code, said, _ = first("rates.csv")
    assert code == 2 and "put one in front, for instance x1, target" in said


@pytest.mark.parametrize("parts", [["train", "train", "test"], ["train", "train", "Val", "test"]])
def test_a_column_that_says_which_part_a_row_is_of_is_no_answer_and_its_parts_can_be_taken(
    parts: list[str], first: First
) -> None:
    columns = {**loans(), "split": [parts[i % len(parts)] for i in range(240)]}
    table("loans.csv", **columns)
    code, said, suite = first("loans.csv")
    assert code == 0 and suite["data"]["target"] == "loan_status" and "split" not in suite["data"]["features"]
    assert (
        "'split' says which part a row is of: left out; where it says train and test, `split: {by: " in said
    )
    file = Path("first.yaml")
    file.write_text(
        yaml.safe_dump({**suite, "data": {**suite["data"], "split": {"by": "predefined", "column": "split"}}})
    )
    assert plan_trials(read_suite(file))


def test_yes_and_no_in_a_column_that_is_called_train_is_no_answer(first: First) -> None:
    table("loans.csv", **{**loans(), "train": [i % 4 > 0 for i in range(240)]})
    code, said, suite = first("loans.csv")
    assert code == 0 and suite["data"]["target"] == "loan_status" and "'train' says which part a row" in said


def test_what_was_tested_or_trained_is_no_part(first: First) -> None:
    columns = loans()
    columns["is_tested_positive"] = np.arange(240) % 3 == 0
    del columns["loan_status"]
    table("loans.csv", **columns)
    code, said, suite = first("loans.csv")
    assert code == 0 and suite["data"]["target"] == "is_tested_positive" and "which part a row" not in said


def test_lists_and_structs_of_a_parquet_file_are_refused_by_name_and_no_crash(first: First) -> None:
    rows = [{"a": i, "resps": [["x"] * (i % 3)], "doc": {"q": "?"}, "acc": float(i % 2)} for i in range(60)]
    pd.DataFrame(rows).to_parquet("samples.parquet")
    code, said, _ = first("samples.parquet")
    assert code == 2 and "column 'resps' holds lists" in said
    code, _, suite = first("samples.parquet", "--set", "features=[a]")
    assert code == 0 and suite["data"]["target"] == "acc"


def test_what_a_tracker_measured_is_the_answer_and_the_name_of_a_run_is_none(first: First) -> None:
    rng = np.random.default_rng(15)
    rate = rng.uniform(0.001, 0.1, 80).round(4)
    runs = {"run_id": [f"{i:032x}" for i in range(80)], "metrics.accuracy": 1 - rate, "params.lr": rate}
    table(
        "runs.csv", **runs, **{"tags.mlflow.runName": [f"bold-cat-{chr(97 + i % 26)}{i}" for i in range(80)]}
    )
    code, said, suite = first("runs.csv")
    assert code == 0 and suite["data"]["target"] == "metrics.accuracy" and "the last of the metrics" in said
    trials = {"number": range(80), "value": 1 - rate, "params_lr": rate, "state": ["COMPLETE"] * 80}
    table("trials.csv", **trials)
    assert first("trials.csv")[2]["data"]["target"] == "value"
    table(
        "named.csv", size=rate, price_of_it=rate * 2, town=[f"town {chr(97 + i % 26)}{i}" for i in range(80)]
    )
    assert first("named.csv")[2]["data"]["target"] == "price_of_it"


def test_a_shops_log_takes_its_stars_for_ratings_and_asks_which_orders_were_kept(first: First) -> None:
    rng = np.random.default_rng(0)
    people, goods = rng.integers(0, 40, 400), rng.integers(0, 50, 400)
    stars, days = rng.integers(1, 6, 400), [f"2024-0{1 + k % 9}-1{k % 7}" for k in range(400)]
    own = {"customer_id": people, "product_id": goods, "review_date": days}
    table("amazon.csv", **own, star_rating=stars, avg_rating=goods % 7)
    _, said, suite = first("amazon.csv")
    assert (suite["data"]["rating"], suite["data"]["at_least"]) == ("star_rating", 4)
    assert f"a log of {(stars >= 4).sum()} interactions" in said
    table("orders.csv", **own, status=[("completed", "cancelled", "refunded")[star % 3] for star in stars])
    code, said, _ = first("orders.csv")
    assert code == 2 and "--set event=status" in said and "'positive=[completed]'" in said
    assert "which positive is about" not in said
    table("plays.csv", **own, watch_time=stars * 7)
    code, said, _ = first("plays.csv")
    assert code == 2 and "--set rating=watch_time" in said and "--set at_least=21" in said
    assert "which at_least is about" not in said  # how long is long is asked, and nothing taken of the answer


def test_what_an_amount_was_before_is_no_answer_of_another_rater(first: First) -> None:
    amounts = np.random.default_rng(15).normal(50, 9, 202).round(2)
    table("sales.csv", y_1=amounts[1:-1], y_2=amounts[:-2], m=np.arange(200) % 12, y=amounts[2:])
    code, _, suite = first("sales.csv", "--target", "y")
    assert code == 0 and set(loaded(suite).train.inputs.dtype.names) == {"y_1", "y_2", "m"}
