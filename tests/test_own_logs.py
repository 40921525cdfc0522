"""Logs as people have them: times, ids, separators, what counts as interest."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from harness.datasets import interactions_csv
from harness.datasets.interactions import Interactions
from harness.record import DataError

N = 60
START = datetime.datetime(2024, 1, 28, 6, tzinfo=datetime.UTC)
MOMENTS = [START + datetime.timedelta(hours=12 * i) for i in range(N)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def log(
    path: Path, moment: Callable[[datetime.datetime], str], separator: str = ",", head: bool = True
) -> Path:
    names = ["user", "item", "time"]
    rows = [[f"u{i % 7}", f"i{i % 5}", moment(at)] for i, at in enumerate(MOMENTS)]
    lines = [separator.join(row) for row in ([names] if head else []) + rows]
    (path / "log.csv").write_text("\n".join(lines) + "\n")
    return path / "log.csv"


def load(path: Path, **args: Any) -> Interactions:
    return interactions_csv.load(path=str(path), **args)


def cures(error: DataError) -> dict[str, Any]:
    """What the message says to write, all together; of two for one key the first."""
    found: dict[str, Any] = {}
    for part in re.findall(r"`(\w+: [^`]+)`", str(error)):
        found = {**yaml.safe_load(part), **found}
    return found


def days(data: Interactions) -> np.ndarray:
    return data.events.time


EXACT = np.array([at.timestamp() / 86400 for at in MOMENTS])
DATES = np.floor(EXACT)
SECONDS = EXACT * 86400

WRITTEN: dict[str, tuple[Callable[[datetime.datetime], str], dict[str, Any], np.ndarray]] = {
    "seconds": (lambda t: f"{t.timestamp():.0f}", {}, EXACT),
    "fractions": (lambda t: f"{t.timestamp():.3f}", {}, EXACT),
    "milliseconds": (lambda t: f"{t.timestamp() * 1e3:.0f}", {"time_unit": "ms"}, EXACT),
    "microseconds": (lambda t: f"{t.timestamp() * 1e6:.0f}", {"time_unit": "us"}, EXACT),
    "nanoseconds": (lambda t: f"{int(t.timestamp()) * 10**9}", {"time_unit": "ns"}, EXACT),
    "days as numbers": (lambda t: f"{t:%Y%m%d}", {}, DATES),
    "minutes as numbers": (lambda t: f"{t:%Y%m%d%H%M}", {}, EXACT),
    "seconds as numbers": (lambda t: f"{t:%Y%m%d%H%M%S}", {}, EXACT),
    "iso days": (lambda t: f"{t:%Y-%m-%d}", {}, DATES),
    "zone in words": (lambda t: f"{t:%Y-%m-%d %H:%M:%S} UTC", {}, EXACT),
    "Z or an offset": (
        lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ") if t.hour == 6 else t.isoformat(), {}, EXACT),
    "offsets of two places": (
        lambda t: t.astimezone(datetime.timezone(datetime.timedelta(hours=t.day % 3))).isoformat(), {}, EXACT
    ),
    "fractions in some": (
        lambda t: t.isoformat() if t.hour == 6 else t.strftime("%Y-%m-%dT%H:%M:%S.000001Z"), {},
        EXACT + np.array([t.hour != 6 for t in MOMENTS]) * 1e-6 / 86400),
    "american": (lambda t: f"{t:%m/%d/%Y %H:%M}", {}, EXACT),
    "british": (lambda t: f"{t:%d/%m/%Y %H:%M}", {}, EXACT),
    "german": (lambda t: f"{t:%d.%m.%Y %H:%M}", {}, EXACT),
    "half days": (lambda t: f"{t:%m/%d/%Y %I:%M %p}", {}, EXACT),
    "named": (lambda t: f"{t:%y|%d|%m %H}", {"time_format": "%y|%d|%m %H"}, EXACT),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_times_are_read_as_they_are_written(tmp_path: Path, name: str) -> None:
    moment, args, wanted = WRITTEN[name]
    np.testing.assert_allclose(days(load(log(tmp_path, moment), **args)), wanted, atol=1e-9)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_counts_of_smaller_units_are_refused_with_the_cure(tmp_path: Path, unit: str) -> None:
    path = log(tmp_path, WRITTEN[{"ms": "milli", "us": "micro", "ns": "nano"}[unit] + "seconds"][0])
    with pytest.raises(
        DataError, match=r"lies in the year \d+: divide \w+seconds by 10+, or write"
    ) as caught:
        load(path)
    assert cures(caught.value) == {"time_unit": unit}
    np.testing.assert_allclose(days(load(path, **cures(caught.value))), EXACT, atol=1e-9)


def test_a_log_by_days_and_one_by_numbers_of_days_are_cut_alike(tmp_path: Path) -> None:
    first = load(log(tmp_path, lambda t: f"{t:%Y-%m-%d}"))
    assert np.array_equal(days(first), days(load(log(tmp_path, lambda t: f"{t:%Y%m%d}"))))


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (
            lambda t: f"{t.month:02d}/{t.month:02d}/2024" if t.day > 12 else f"{t:%m/%d/%Y}",
            "may begin with the day",
        ),
        (
            lambda t: t.isoformat() if t.hour == 6 else f"{t:%Y-%m-%dT%H:%M:%S}",
            "some times name their zone and some do",
        ),
        (lambda t: "soon" if t == MOMENTS[3] else t.isoformat(), r":5: a time is neither .*: 'soon'"),
        (lambda t: f"{t:%Y-%m-%d %H:%M:%S} CEST", "neither unix seconds nor ISO 8601"),
        (lambda t: "" if t == MOMENTS[3] else t.isoformat(), r":5: no time"),
    ],
)
def test_times_that_can_be_misread_are_refused(
    tmp_path: Path, moment: Callable[[datetime.datetime], str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(log(tmp_path, moment))


def test_an_order_is_taken_as_seconds_and_plan_says_so(tmp_path: Path) -> None:
    path = log(tmp_path, lambda t: str(MOMENTS.index(t)))
    assert len(load(path).events) == N
    assert "0 to 59: an order rather than moments" in interactions_csv.notes(path=str(path))[0]
    assert days(load(path, time_unit="days")).tolist() == list(range(N))
    assert not interactions_csv.notes(path=str(path), time_unit="days", mask_seen=False)


@pytest.mark.parametrize("separator", [",", "\t", "::", ";", "|"])
@pytest.mark.parametrize("head", [True, False])
def test_separators_are_found_and_names_are_asked_for(tmp_path: Path, separator: str, head: bool) -> None:
    path = log(tmp_path, lambda t: f"{t.timestamp():.0f}", separator, head)
    if head:
        assert len(load(path).events) == N
        return
    with pytest.raises(DataError, match="has no line of names, it begins with u0, i0, 17") as caught:
        load(path)
    assert cures(caught.value) == {"names": ["user", "item", "time"]}
    data = load(path, **cures(caught.value))
    assert len(data.events) == N and len(data.users.ids) == 7 and len(data.catalogue.ids) == 5


ROWS: dict[str, Callable[[int], tuple[str, ...]]] = {
    "MIND's": lambda i: (f"U{i * 7919 % 90000}", f"N{i * 31 % 700}", f"11/{i % 28 + 1}/2019 9:05:58 AM"),
    "hashes": lambda i: (f"{i * 2654435761 % 2**32:08x}-a", f"{i * 40503:08x}-b", f"2024-05-{i % 28 + 1:02}"),
    "without times": lambda i: (f"U{i * 7919 % 90000}", f"N{i * 31 % 700}"),
    "common words": lambda i: (("ann", "eve")[i % 2], ("tea", "milk")[i % 2], f"2024-0{i % 9 + 1}-01"),
    "seconds": lambda i: (f"user-{i}", f"B0{i * 31:08}", str(1_700_000_000 + i)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("named", [True, False])
def test_a_log_without_a_line_of_names_never_loses_its_first_row(
    kind: str, named: bool, tmp_path: Path
) -> None:
    """Ids of letters and digits were taken for names, which the cure even asked to be written."""
    path, rows = tmp_path / "log.tsv", [ROWS[kind](i) for i in range(N)]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    roles = dict(zip(("user", "item", "time"), rows[0], strict=False)) if named else {}
    timed = {} if len(rows[0]) > 2 else {"time": None, "split": "random"}
    with pytest.raises(DataError, match="has no line of names, it begins with") as caught:
        load(path, **roles, **timed)
    names = cures(caught.value)["names"]
    assert names == ["user", "item", "time"][: len(rows[0])]
    data = load(
        path, names=names, **timed, **({"time_format": "%m/%d/%Y %I:%M:%S %p"} if kind == "MIND's" else {})
    )
    assert len(data.events) == N and len(data.users.ids) == len({row[0] for row in rows})


def test_where_words_may_be_names_or_a_row_both_cures_are_said(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "ann,bread\n" + "".join(f"{['bob', 'eve', 'kim'][i % 3]},{'ab'[i % 2]}\n" for i in range(N))
    )
    with pytest.raises(
        DataError, match="if that line is a row already, name the columns: `names: .user, item.`"
    ):
        load(path, time=None, split="random")


def test_article_numbers_with_blanks_are_ids(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = (f"U{i % 7},0 986 494 {i % 5}00,2024-05-{i % 28 + 1:02}\n" for i in range(N))
    path.write_text("user,item,time\n" + "".join(rows))
    assert len(load(path).catalogue.ids) == 5


def test_a_column_that_is_not_there_is_named_by_its_role(tmp_path: Path) -> None:
    """The cure for `user: user_id` was to write `user_id: user`."""
    path = log(tmp_path, lambda t: f"{t.timestamp():.0f}")
    with pytest.raises(DataError, match="has no column user_id; .* for instance user: user$"):
        load(path, user="user_id")


def test_names_for_a_file_that_has_a_line_of_them_are_refused(tmp_path: Path) -> None:
    """Without times the line of names was one choice more, of a user called user."""
    path = tmp_path / "log.csv"
    path.write_text("who,what\n" + "".join(f"U{i % 7},N{i % 5}\n" for i in range(N)))
    for names in (["user", "item"], ["who", "what"]):
        with pytest.raises(DataError, match="has a line of names, who, what: leave `names` out"):
            load(path, names=names, user=names[0], item=names[1], time=None, split="random")


def test_rows_of_several_items_are_refused_by_the_line_that_they_stand_in(tmp_path: Path) -> None:
    path = tmp_path / "behaviors.tsv"
    line = "{0}\tU{1}\t11/9/2019 9:05:58 AM\tN{2} N{3}{5}\tN{2}-1 N{3}-0{4}\n"
    path.write_text(
        "".join(line.format(i + 1, i % 7, i % 5, i % 3, " N9-0" * (i % 2), " N9" * (i % 2)) for i in range(N))
    )
    with pytest.raises(DataError, match="'N0 N0' holds several items: write a row for each") as caught:
        load(path)
    assert cures(caught.value)["names"] == ["column1", "user", "time", "column4", "column5"]
    with pytest.raises(DataError, match=r"behaviors.tsv:1: the item 'N0-1 N0-0' holds several: write a row"):
        load(path, names=["column1", "user", "time", "column4", "item"], time_format="%m/%d/%Y %I:%M:%S %p")


def test_a_log_of_ratings_without_names_says_all_that_is_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text("".join(f"{i % 9}::{i % 6}::{i % 5 + 1}::{1_700_000_000 + i * 9000}\n" for i in range(N)))
    with pytest.raises(DataError, match="has no line of names") as caught:
        load(path)
    data = load(path, **cures(caught.value))
    assert len(data.events) == N * 2 // 5  # four and five of five stars


def test_a_log_without_times_is_cut_at_random(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,count\n" + "".join(f"u{i % 7},i{i % 5},{i % 4}\n" for i in range(N)))
    with pytest.raises(DataError, match="has no column time; it has user, item, count") as caught:
        load(path)
    assert cures(caught.value)["time"] is None and cures(caught.value)["split"] == "random"
    for split in ("global_time", "leave_one_out"):
        with pytest.raises(DataError, match="goes by time: write `split: random`"):
            load(path, time=None, split=split)
    assert len(load(path, time=None, split="random").events) == N


IDS: dict[str, tuple[Callable[[int], str], int]] = {
    "leading zeros": (lambda i: f"{'00' if i % 2 else ''}{i % 5}", 10),
    "like floats": (lambda i: ("1e5", "100000", "1E5", "100000.0")[i % 4], 4),
    "words for nothing": (lambda i: ("NA", "null", "None", "nan")[i % 4], 4),
    "long numbers": (lambda i: f"90071992547409{93 + i % 3}", 3),
    "with blanks around": (lambda i: (" a", "a ", "b")[i % 3], 2),
    "whole": (lambda i: str(i % 6), 6),
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("column", ["user", "item"])
def test_ids_are_text(tmp_path: Path, name: str, column: str) -> None:
    cell, count = IDS[name]
    rows = []
    for i in range(N):
        both = {"user": f"u{i % 5}", "item": f"i{i % 5}", column: cell(i)}
        rows.append(f"{both['user']},{both['item']},{1_700_000_000 + i * 50000}\n")
    (tmp_path / "log.csv").write_text("user,item,time\n" + "".join(rows))
    data = load(tmp_path / "log.csv")
    ids = data.users.ids if column == "user" else data.catalogue.ids
    assert len(ids) == count and sorted(map(str, ids)) == sorted({cell(i).strip() for i in range(N)})
    codes = data.events.user if column == "user" else data.events.item
    assert [str(ids[code]) for code in codes] == [cell(i).strip() for i in range(N)]


def events(path: Path, words: tuple[str, ...], column: str = "event") -> Path:
    (path / "log.csv").write_text(
        f"user,item,time,{column}\n"
        + "".join(
            f"u{i % 7},i{i % 5},{1_700_000_000 + i * 50000},{words[i % len(words)]}\n" for i in range(N)
        )
    )
    return path / "log.csv"


def test_refunds_are_no_interest(tmp_path: Path) -> None:
    path = events(tmp_path, ("cart", "refund", "remove_from_cart"))
    data = load(path)
    assert len(data.events) == N // 3
    said = f"{2 * N // 3} of {N} events are no interest and are left out (refund, remove_from_cart)"
    assert said in interactions_csv.notes(path=str(path))[0]
    assert len(load(path, positive=["cart", "refund"]).events) == 2 * N // 3


def test_views_that_do_not_count_are_told(tmp_path: Path) -> None:
    path = events(tmp_path, ("view", "view", "purchase"))
    assert len(load(path).events) == N // 3
    said = f"{2 * N // 3} of {N} events only show an item, which is no choice, and are left out (view)"
    assert said in interactions_csv.notes(path=str(path))[0]
    assert not interactions_csv.notes(path=str(path), positive=["view", "purchase"], mask_seen=False)


@pytest.mark.parametrize(
    "words", [("add", "storno"), ("Kauf", "Klick", "Rückgabe"), ("1", "2", "3"), ("buy", "")]
)
def test_events_that_nobody_knows_are_asked_for(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = events(tmp_path, words)
    with pytest.raises(DataError, match="say which are interest, for instance `positive: ") as caught:
        load(path)
    assert str(cures(caught.value)["positive"][0]) == words[0]
    assert len(load(path, positive=[words[0]]).events) == N // len(words)
    with pytest.raises(DataError, match="no row has the event 'order' of positive: there are"):
        load(path, positive=["order"])


@pytest.mark.parametrize(("top", "cure"), [(5, 4), (10, 8), (100, 80)])
def test_low_ratings_are_no_interest(tmp_path: Path, top: int, cure: float) -> None:
    path = events(tmp_path, tuple(str(round(top * k / 5, 1)) for k in range(1, 6)), "rating")
    with pytest.raises(DataError, match="and a low rating is no interest") as caught:
        load(path)
    assert cures(caught.value) == {"at_least": cure}
    assert len(load(path, at_least=cure).events) == 2 * N // 5
    assert len(load(path, at_least=0).events) == len(load(path, rating=None).events) == N
    assert len(load(events(tmp_path, ("1", "5"), "stars"), rating="stars", at_least=4).events) == N // 2


def test_a_mark_of_two_values_is_no_grade(tmp_path: Path) -> None:
    assert len(load(events(tmp_path, ("1", "1"), "rating")).events) == N


def test_a_weight_counts_where_popularity_is_counted(tmp_path: Path) -> None:
    from harness.tasks.recommendation.loop import FitSettings
    from harness.tasks.recommendation.retrieval import popularity
    from harness.tasks.recommendation.retrieval.base import Lesson

    path = events(tmp_path, ("0", "7", "1"), "count")
    data = load(path, weight="count")
    assert len(data.events) == 2 * N // 3  # what counts nothing is no event
    lesson = Lesson(data.catalogue, data.users, data.events, True, float(days(data)[-1]), FitSettings())
    wanted = np.zeros(5)
    for i in range(N):
        wanted[i % 5] += (0, 7, 1)[i % 3]
    assert popularity.fit(lesson).weights["counts"].tolist() == wanted.tolist()
    said = interactions_csv.notes(path=str(path), weight="count")
    assert any(
        "weight 'count' counts where popularity is counted; other recommenders" in note for note in said
    )
    with pytest.raises(DataError, match=r"log\.csv:3: column 'count' has 'many', which is not a number"):
        load(events(tmp_path, ("1", "many"), "count"), weight="count")
    with pytest.raises(DataError, match=r"log\.csv:3: a weight is missing or negative"):
        load(events(tmp_path, ("1", "-1"), "count"), weight="count")


def test_all_that_is_wrong_with_a_log_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time,event,rating\n" + "".join(
        f"{'' if i == 4 else 'u'},i{i},soon,thing,{i % 5}\n" for i in range(N)))  # fmt: skip
    with pytest.raises(DataError) as caught:
        load(tmp_path / "log.csv")
    text = str(caught.value)
    assert len(caught.value.mistakes) == 4
    for part in ("holds 'thing'", "a low rating is no interest", "neither unix seconds", ":6: no user"):
        assert part in text


def test_a_parquet_log_is_read_like_a_csv_one(tmp_path: Path) -> None:
    table = pa.table(
        {
            "user": pa.array([i % 7 for i in range(N)]),
            "item": pa.array([f"i{i % 5}" for i in range(N)]).dictionary_encode(),
            "time": pa.array(MOMENTS, pa.timestamp("us", "Europe/Berlin")),
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    data = load(tmp_path / "log.parquet")
    np.testing.assert_allclose(days(data), EXACT)
    assert data.users.ids.tolist() == list(range(7))


# ------------------------------------------------------------------- columns that nothing was said of


@pytest.mark.parametrize(
    ("column", "words", "rows"),
    [
        ("event_type", ("view", "cart", "purchase"), 2 * N // 3),
        ("behavior", ("pv", "buy", "fav", "cart"), 3 * N // 4),
        ("Action", ("Add to cart", "Remove from cart"), N // 2),
    ],
)
def test_events_under_a_name_that_is_not_looked_for_are_asked_about_and_the_cures_work(
    tmp_path: Path, column: str, words: tuple[str, ...], rows: int
) -> None:
    path = events(tmp_path, words, column)
    with pytest.raises(DataError, match="is not looked at, so that every row would count") as caught:
        load(path)
    args = cures(caught.value)
    assert args == {"event": column}
    if column == "behavior":
        with pytest.raises(DataError, match="say which are interest") as caught:
            load(path, **args)
        args["positive"] = ["buy", "fav", "cart"]
    assert len(load(path, **args).events) == rows


@pytest.mark.parametrize(
    ("column", "words", "rows"),
    [
        ("Rating", ("1", "2", "3", "4", "5"), 2 * N // 5),
        ("stars", ("1", "2.5", "5"), N // 3),
        ("clicked", ("0", "0", "1"), N // 3),
        ("is_click", ("true", "false"), N // 2),
        ("feedback", ("-1", "1", "0"), N // 3),
        ("rating", ("0", "1", "0"), N // 3),
        ("star_rating", ("1", "3", "4", "5"), N // 2),
        ("Book-Rating", ("0", "7", "8", "10"), N // 2),
        ("review/overall", ("1", "2.5", "5"), N // 3),
        ("preference", ("1", "2.5", "5"), N // 3),
        ("not_skipped", ("0", "1", "0"), N // 3),
        ("watch_time", ("0", "3", "30", "300"), N // 2),
        ("msPlayed", ("0", "0", "0", "700", "0", "0", "0", "250000"), N // 4),
        ("watch_ratio", ("0.1", "0.9", "1.4", "2"), N // 2),
        ("duration", ("1", "5", "20", "60"), N // 2),
    ],
)
def test_grades_and_answers_that_were_not_named_are_asked_about_and_the_cures_work(
    tmp_path: Path, column: str, words: tuple[str, ...], rows: int
) -> None:
    path = events(tmp_path, words, column)
    with pytest.raises(DataError) as caught:
        load(path)
    assert len(load(path, **cures(caught.value)).events) == rows
    assert len(load(path, rating=None).events) == N  # stated: every row is interest


@pytest.mark.parametrize(
    ("column", "words", "rows"),
    [
        ("returned", ("0", "1", "0"), 2 * N // 3),
        ("is_refund", ("True", "False"), N // 2),
        ("order_cancelled", ("", "yes", ""), 2 * N // 3),
        ("skipped", ("n", "y"), N // 2),
        ("status", ("completed", "refunded", "shipped"), 2 * N // 3),
        ("Financial Status", ("paid", "partially_refunded"), N // 2),
        ("orderStatus", ("Shipped - Returned to Seller", "Delivered", "Cancelled"), N // 3),
    ],
)
def test_marks_and_states_of_what_was_not_kept_are_asked_about_and_the_cure_leaves_it_out(
    tmp_path: Path, column: str, words: tuple[str, ...], rows: int
) -> None:
    path = events(tmp_path, words, column)
    with pytest.raises(DataError, match="is not looked at, so that every row would count") as caught:
        load(path)
    assert len(load(path, **cures(caught.value)).events) == rows
    assert len(load(path, event=column, positive=list(words)).events) == N


def test_a_mark_beside_named_events_is_asked_about(tmp_path: Path) -> None:
    path = events(tmp_path, ("buy,1", "buy,0"), "event,returned")
    with pytest.raises(DataError, match="column 'returned' holds .*: drop the rows that were not wanted"):
        load(path)


def test_codes_in_a_column_of_events_are_asked_about(tmp_path: Path) -> None:
    path = events(tmp_path, ("1", "2", "1", "4"), "behavior_type")
    with pytest.raises(DataError, match=r"holds '1' \(30 rows\).* with those alone that are") as caught:
        load(path)
    assert cures(caught.value) == {"event": "behavior_type", "positive": ["1", "2", "4"]}
    assert len(load(path, event="behavior_type", positive=["2", "4"]).events) == N // 2


@pytest.mark.parametrize(
    "column", ["avg_rating", "rating_count", "movie_rating", "status", "type", "duration", "view_time"]
)
def test_what_is_said_of_an_item_or_a_user_is_no_grade_of_a_choice(tmp_path: Path, column: str) -> None:
    words = ("0", "cancelled", "5", "4", "1") if column in ("status", "type") else tuple("02541")
    if column == "view_time":  # a moment, that differs among an item's rows
        words = ("1700000000", "1700000007", "1700000100", "1700001000")
    assert len(load(events(tmp_path, words, column)).events) == N  # an item's own: five items take turns


def test_a_value_far_above_all_grades_stands_for_none_and_is_no_favourite(tmp_path: Path) -> None:
    path = events(tmp_path, ("-9.5", "99", "3", "8", "7.5"), "rating")
    for at_least in (None, 5):
        with pytest.raises(DataError, match=r"has 99 in 12 rows and else goes from -9\.5 to 8: where 99"):
            load(path, at_least=at_least)
    assert len(load(path, at_least=99).events) == N // 5


def test_times_that_a_spreadsheet_has_shortened_are_refused_and_round_ones_are_not(tmp_path: Path) -> None:
    for args, scale in (({}, 1), ({"time_unit": "ms"}, 1000)):
        path = log(tmp_path, lambda t, scale=scale: f"{t.timestamp() * scale:.2E}")
        with pytest.raises(DataError, match=r"log\.csv:2: the time '1\.71E\+\d+' was shortened"):
            load(path, **args)
    exact = load(log(tmp_path, lambda t: f"{t.timestamp():.9E}"))
    np.testing.assert_allclose(days(exact), EXACT)
    some = log(tmp_path, lambda t: "1.7e+09" if t.hour == 6 and t.day == 28 else f"{t.timestamp():.0f}")
    assert len(load(some).events) == N  # so R writes a round one


@pytest.mark.parametrize("column", ["is_mobile", "position", "page"])
def test_other_columns_of_a_log_are_left_aside(tmp_path: Path, column: str) -> None:
    assert len(load(events(tmp_path, ("0", "1"), column)).events) == N


@pytest.mark.parametrize(
    ("column", "args"), [("quantity", {}), ("price", {}), ("plays", {"weight": "plays"})]
)
def test_what_was_given_back_is_no_interest_and_plan_says_so(
    tmp_path: Path, column: str, args: dict[str, Any]
) -> None:
    path = events(tmp_path, ("2", "3", "-1"), column)
    assert len(load(path, **args).events) == 2 * N // 3
    said = f"{N // 3} of {N} rows have a negative '{column}'"
    assert any(note.startswith(said) for note in interactions_csv.notes(path=str(path), **args))


def test_ratings_that_are_no_numbers_are_refused_though_nothing_was_said_of_them(tmp_path: Path) -> None:
    for words in (("good", "bad"), ("4", "three")):
        with pytest.raises(DataError, match=r"log\.csv:\d: column 'rating' has '\w+', which is not a number"):
            load(events(tmp_path, words, "rating"))


def test_orders_are_known_by_what_they_are_called(tmp_path: Path) -> None:
    path = events(tmp_path, ("view", "cart", "purchase"))
    assert load(path).events.bought.sum() == N // 3
    assert load(path, bought="cart").events.bought.sum() == N // 3
    with pytest.raises(DataError, match="no row has the event 'sold' of bought"):
        load(path, bought="sold")
    path = events(tmp_path, ("order", "cart", "purchase"))
    assert load(path).events.bought.sum() == 2 * N // 3
    assert "orders are the events 'order', 'purchase'" in interactions_csv.notes(path=str(path))[0]


def test_prices_are_read_or_refused(tmp_path: Path) -> None:
    data = load(events(tmp_path, ("€ 9.50", "€ 9.50"), "price"))
    assert data.catalogue.price.tolist() == [9.5] * 5
    for wrong in ('"9,50"', "cheap", "$ 3"):
        with pytest.raises(DataError, match=r"log\.csv:\d: column 'price' has .* which is no number"):
            load(events(tmp_path, ("€ 9.50", wrong), "price"))


# ----------------------------------------------------------------------------------------- ids and times


def ids(path: Path, user: Callable[[int], str], item: Callable[[int], str] = "i{}".format) -> Path:
    (path / "log.csv").write_text(
        "user,item,time\n"
        + "".join(f"{user(i)},{item(i % 5)},{1_700_000_000 + i * 50000}\n" for i in range(N))
    )
    return path / "log.csv"


def test_an_id_is_the_same_with_and_without_the_zero_that_a_program_wrote_behind_it(tmp_path: Path) -> None:
    data = load(ids(tmp_path, lambda i: f"{i % 6}.0" if i < N // 2 else f"{i % 6}"))
    assert data.users.ids.tolist() == list(range(6))
    assert len(load(ids(tmp_path, lambda i: f"v{i % 6}.0")).users.ids) == 6  # a version is no number
    (tmp_path / "items.csv").write_text("item,category\n" + "".join(f"{i},c{i}\n" for i in range(5)))
    data = load(ids(tmp_path, "u{}".format, "{}.0".format), items_path=str(tmp_path / "items.csv"))
    assert data.catalogue.ids.tolist() == list(range(5))


def test_a_table_of_items_that_calls_them_otherwise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,category\nI0,c\nI1,c\n")
    with pytest.raises(DataError, match="items are called 'I0' here and 'i0' in the log"):
        load(ids(tmp_path, "u{}".format), items_path=str(tmp_path / "items.csv"))


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (lambda i: f"1.2345{i % 6}E+12", r":2: the user '1\.23450E\+12' was shortened by a spreadsheet"),
        (lambda i: " " if i > 57 else "u", r":60: no user \(2 such rows\); drop"),
    ],
)
def test_what_is_no_id_is_refused(tmp_path: Path, user: Callable[[int], str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(ids(tmp_path, user))


def test_plan_says_what_is_odd_about_ids_and_rows(tmp_path: Path) -> None:
    path = ids(tmp_path, lambda i: "guest" if i % 2 else ("U2", "u2", "null")[i // 2] if i < 6 else f"u{i}")
    rows = path.read_text().splitlines()
    others = [f"x{i},i0,1700000000" for i in range(40)]
    path.write_text("\n".join([*rows, rows[-1], *others]) + "\n")
    said = "\n".join(interactions_csv.notes(path=str(path)))
    assert "1 user id differs from another one in case only" in said
    assert re.search(r"\d+% of the rows are of one user, 'guest'", said)
    assert "user 'null' (1 row) is taken as an id" in said
    assert f"1 of {N + 41} rows repeat another one in every cell" in said


@pytest.mark.parametrize("none", ["0", "-1", "20240115"])
def test_a_time_that_stands_for_none_or_is_of_another_unit_is_refused(tmp_path: Path, none: str) -> None:
    with pytest.raises(DataError, match=rf"the time {none} lies in the year 19\d\d and others in 2024"):
        load(log(tmp_path, lambda t: none if t == MOMENTS[3] else f"{t.timestamp():.0f}"))


def test_a_log_of_which_no_row_counts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'n' is 0 in every row"):
        load(events(tmp_path, ("0", "0"), "n"), weight="n")


def test_a_log_of_one_time_is_refused_by_plan_and_the_cure_cuts_it(tmp_path: Path) -> None:
    path = log(tmp_path, lambda _: "2024-01-28T06:00:00Z")
    with pytest.raises(DataError, match="'time' has the same time in all rows") as caught:
        load(path)
    found = load(path, **cures(caught.value))
    assert len(found.events) == N and found.protocol.split == "random"
    assert load(path, split="leave_one_out").protocol.split == "leave_one_out"  # the last one is drawn


@pytest.mark.parametrize("pattern", ["%m/%d/%y", "%d-%b-%Y"])
def test_the_pattern_that_is_proposed_reads_the_times(tmp_path: Path, pattern: str) -> None:
    path = log(tmp_path, lambda at: at.strftime(pattern))
    try:
        found = load(path)
    except DataError as error:
        found = load(path, **cures(error))
    assert np.array_equal(np.floor(days(found)), DATES)


def test_a_column_that_is_named_already_is_not_proposed_for_another(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,thing,when\nu1,i1,2024-01-01\n")
    with pytest.raises(DataError, match="for instance item: thing"):
        load(path)


def _shaped(path: Path, rows: list[tuple[str, str, int]], **args: Any) -> str:
    """What plan says of users, items and hours."""
    lines = [f"{user},{item},{1_700_000_000 + 3600 * hour}" for user, item, hour in rows]
    (path / "log.csv").write_text("\n".join(["user,item,time", *lines]))
    return " ".join(interactions_csv.notes(path=str(path / "log.csv"), **args))


def test_choices_of_what_users_had_before_are_told_unless_they_are_asked_for(tmp_path: Path) -> None:
    rows = [(f"u{k % 20}", f"i{k % 20 + 20 * (k // 20 % 5)}", k) for k in range(200)]  # everything twice
    assert "50% of the choices are of an item that the same user had" in _shaped(tmp_path, rows)
    assert "choices are" not in _shaped(tmp_path, rows, mask_seen=False)
    assert "choices are" not in _shaped(tmp_path, rows[:100])


def test_users_of_one_visit_cut_by_time_are_told_to_be_strangers_and_the_cure_works(
    tmp_path: Path,
) -> None:
    rows = [(f"visit {k // 4}", f"i{k % 31}", k) for k in range(400)]
    said = _shaped(tmp_path, rows)
    assert "90% of the 10 users of the test part have no earlier choice" in said
    assert "strangers" not in _shaped(tmp_path, rows, split="leave_one_out")
    assert "strangers" not in _shaped(tmp_path, [(f"u{k % 9}", f"i{k % 31}", k) for k in range(400)])


def test_items_that_nobody_had_chosen_before_the_test_part_are_told(tmp_path: Path) -> None:
    rows = [(f"u{k % 9}", f"i{k % 31}" if k < 360 or k % 2 else f"new {k}", k) for k in range(400)]
    assert "50% of the choices of the test part are of items that nobody had chosen" in _shaped(
        tmp_path, rows
    )
    assert "nobody" not in _shaped(tmp_path, rows[:360])


def test_several_groups_in_a_cell_are_told_to_be_one(tmp_path: Path) -> None:
    genres = ("Action|Comedy", "Drama", "Action")
    lines = [f"u{k % 9},i{k % 31},{1_700_000_000 + 3600 * k},{genres[k % 31 % 3]}" for k in range(99)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time,genres", *lines]))
    path = str(tmp_path / "log.csv")
    said = " ".join(interactions_csv.notes(path=path, category="genres"))
    assert "column 'genres' holds several in a cell, for instance 'Action|Comedy': each of the 3 comb" in said
    assert "several in a cell" not in " ".join(interactions_csv.notes(path=path))


@pytest.mark.parametrize(
    ("column", "words", "yes"),
    [
        ("liked", ("yes", "no"), ["yes"]),
        ("feedback", ("up", "down"), ["up"]),
        ("swipe", ("right", "left"), ["right"]),
        ("response", ("gekauft", "nein", "gemerkt"), ["gekauft", "gemerkt"]),
    ],
)
def test_answers_in_words_are_asked_about_and_the_cure_keeps_those_that_say_yes(
    tmp_path: Path, column: str, words: tuple[str, ...], yes: list[str]
) -> None:
    path = events(tmp_path, words, column)
    with pytest.raises(
        DataError, match=rf"column '{column}' holds .* so that every row would count"
    ) as error:
        load(path)
    found = cures(error.value)
    assert sorted(found["positive"]) == sorted(yes)
    assert len(load(path, **found).events) == N * len(yes) // len(words)


@pytest.mark.parametrize(
    "cells", [("milk,bread", "milk", "bread"), ("[1, 2]", "[1]", "[2]"), ("a|b", "a", "b")]
)
def test_baskets_in_a_cell_are_no_items(tmp_path: Path, cells: tuple[str, ...]) -> None:
    lines = [f'u{k % 7},"{cells[k % 3]}",{1_700_000_000 + k}' for k in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *lines]))
    with pytest.raises(
        DataError, match=r"log\.csv:2: the item '.*' holds several, which stand alone elsewhere"
    ):
        load(tmp_path / "log.csv")


def test_a_title_with_commas_is_an_item(tmp_path: Path) -> None:
    titles = ("Milk, 1 l", "Milk, 2 l", "Juice, 1 l", "Bread")
    lines = [f'u{k % 7},"{titles[k % 4]}",{1_700_000_000 + k}' for k in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *lines]))
    assert len(load(tmp_path / "log.csv").catalogue) == 4


@pytest.mark.parametrize("wrong", ["2031-01-01", "1999-01-01"])
def test_a_few_times_far_from_all_others_are_refused_where_the_log_is_cut_by_time(
    tmp_path: Path, wrong: str
) -> None:
    rows = [f"u{k % 17},i{k % 5},2024-0{1 + k % 6}-1{k % 9}" for k in range(150)]
    rows[40] = f"u1,i1,{wrong}"
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *rows]))
    with pytest.raises(
        DataError, match=rf"log\.csv:42: the time {wrong} \(one row\) lies [\d,]+ days from all"
    ):
        load(tmp_path / "log.csv")
    assert len(load(tmp_path / "log.csv", split="leave_one_out").events) == 150
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *rows[:40], *rows[41:]]))
    assert len(load(tmp_path / "log.csv").events) == 149


def test_a_test_part_of_far_more_or_fewer_choices_than_its_share_of_time_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"

    def notes(days: np.ndarray, **args: Any) -> str:
        rows = [f"u{k % 17},i{k % 5},{1_700_000_000 + int(day * 86400)}" for k, day in enumerate(days)]
        path.write_text("\n".join(["user,item,time", *rows]))
        return " ".join(interactions_csv.notes(path=str(path), **args))

    shares = np.linspace(0, 1, 300)
    said = notes(100 * shares**4)  # fades out
    assert "the last 10% of the time, the test part, holds" not in said
    said = notes(100 * shares**8)
    assert re.search(
        r"the test part, holds 1% of the choices \(4; 296 are learnt from\): `test: 0\.57`", said
    )
    assert "the test part, holds" not in notes(100 * shares**8, test=0.57)
    assert "the test part, holds" not in notes(100 * shares)
    assert "write `split: leave_one_out`" in notes(np.sort(100 - 100 * np.linspace(0, 1, 300) ** 9)[-299:])
