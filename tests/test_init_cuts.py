"""How `init` cuts what is not drawn row by row: series, and owners that are few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.datasets.series import TimeSeries, has_later_classes, series_of
from tests.first_suites import First, sales, subjects


def test_a_row_for_each_day_and_store_is_a_series_that_is_tested_on_its_latest_fifth(first: First) -> None:
    sales(12).sample(frac=1, random_state=0).to_csv("sales.csv", index=False)
    code, said, suite = first("sales.csv")
    assert code == 0, said
    assert suite["data"]["split"] == {"by": "time", "column": "date"}
    assert "group" not in suite["data"], "what these twelve stores sell next is asked"
    assert suite["data"]["target"] == "sales" and "a row for each 'date' and 'store': a series" in said
    code, said, suite = first("sales.csv", "--set", "group=store")
    assert code == 0 and suite["data"]["group"] == "store" and "split" not in suite["data"]


def test_one_series_is_known_by_its_even_steps_and_events_are_none() -> None:
    days = pd.bdate_range("2022-01-03", periods=200)
    frame = pd.DataFrame({"day": days.strftime("%d.%m.%Y"), "lag": range(200), "y": range(200)})
    assert series_of(frame, ["day", "lag"]) == TimeSeries("day")
    months = pd.DataFrame({"month": pd.date_range("2000-01-31", periods=60, freq="ME").strftime("%Y-%m-%d")})
    assert series_of(months, ["month"]) == TimeSeries("month")
    rng = np.random.default_rng(1)
    events = pd.to_datetime("2022-01-01") + pd.to_timedelta(np.sort(rng.choice(90_000, 200)), "min")
    assert series_of(pd.DataFrame({"at": events.strftime("%Y-%m-%d %H:%M:%S")}), ["at"]) is None
    orders = pd.DataFrame(
        {"day": rng.choice(days.strftime("%Y-%m-%d"), 900), "city": rng.integers(0, 9, 900)}
    )
    assert series_of(orders, ["day", "city"]) is None, "several of a day and a city"


def test_years_of_countries_are_series_and_ages_and_months_are_none() -> None:
    rows = [(country, year) for country in "ABCDEFGH" for year in range(1990, 2020)]
    frame = pd.DataFrame(rows, columns=["country", "year"])
    assert series_of(frame, ["country", "year"]) == TimeSeries("year", ("country",))
    assert series_of(frame.rename(columns={"year": "age"}), ["country", "age"]) is None
    two = pd.DataFrame(
        [(d, s, i) for d in range(2000, 2012) for s in "ab" for i in "xyz"], columns=list("tsi")
    )
    assert series_of(two.rename(columns={"t": "year"}), ["year", "s", "i"]) == TimeSeries("year", ("s", "i"))
    assert series_of(two, ["t", "s", "i"], known="t") == TimeSeries("t", ("s", "i"))


@pytest.mark.parametrize(
    ("thing", "amount"), [("store_id", "sold_pieces"), ("product", "sales"), ("ticker", "n_traded")]
)
def test_what_is_sold_of_a_product_a_day_is_no_user_of_a_recommender(
    thing: str, amount: str, first: First
) -> None:
    frame = sales(25, 60)[["date", "store", "sales"]].rename(columns={"store": thing, "sales": amount})
    frame[thing] = "T" + frame[thing].astype(str)
    frame.to_csv("sold.csv", index=False)
    code, said, suite = first("sold.csv")
    assert code == 0 and "a log of" not in said, said
    assert suite["task"] == "tabular_regression" and suite["data"]["target"] == amount


@pytest.mark.parametrize("called", [lambda i: i + 1, lambda i: f"S{i + 1:02d}"], ids=["numbers", "texts"])
def test_six_subjects_are_no_feature_and_each_of_them_is_tested_on(
    called: Callable[[int], Any], first: First
) -> None:
    subjects(6, called).to_csv("eeg.csv", index=False)
    code, said, suite = first("eeg.csv")
    assert code == 0, said
    assert suite["data"]["group"] == "subject" and suite["data"]["split"] == {"by": "group", "folds": 5}
    assert "of 6 a fifth would tell little: each is tested on, in folds" in said


def test_few_kinds_under_the_name_of_an_owner_are_no_owners(first: First) -> None:
    subjects(4, lambda i: ("maths", "music", "art", "sport")[i]).to_csv("marks.csv", index=False)
    code, _, suite = first("marks.csv")
    assert code == 0 and "group" not in suite["data"]
    subjects(4, lambda i: i + 1).rename(columns={"subject": "family"}).to_csv("bank.csv", index=False)
    assert "group" not in first("bank.csv")[2]["data"], "so many are in it"
    subjects(3, lambda i: i + 1).rename(columns={"subject": "session"}).to_csv("runs.csv", index=False)
    assert "group" not in first("runs.csv")[2]["data"], "the first session of each is no session of one"


def test_series_whose_classes_come_in_runs_are_not_cut_by_time() -> None:
    at = pd.date_range("2024-01-01", periods=100, freq="min").strftime("%Y-%m-%d %H:%M:%S")
    frame = pd.DataFrame(
        {"at": at, "runs": np.repeat(["sit", "walk", "run", "stand"], 25), "turns": ["a", "b"] * 50}
    )
    frame["early"] = np.where(np.arange(100) < 30, frame.turns, "a")
    assert has_later_classes(frame, "at", "runs") and has_later_classes(frame, "at", "early")
    assert not has_later_classes(frame, "at", "turns")
