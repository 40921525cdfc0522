"""A table of items beside a log: what is known of items, and items that nobody has chosen yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.datasets import interactions_csv
from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.record import DataError
from harness.tasks.recommendation.asking import user_requests
from harness.tasks.recommendation.fitting import cut_data, fit_pipeline
from harness.tasks.recommendation.loop import FitSettings
from harness.tasks.recommendation.retrieval.texts import text_features
from tests.test_own_logs import load, log


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def items(folder: Path, text: str) -> dict[str, Any]:
    (folder / "items.csv").write_text(text)
    return {"items_path": str(folder / "items.csv")}


TABLE = (
    "item,category,department,price,margin,rating\n"
    "i3,shoes,sport,19.90,0.5,\n"
    "i0,shoes,sport,,0.25,4\n"
    "new,bags,travel,80,,3.5\n"
)


def test_a_table_of_items_without_a_line_of_names_is_told_to_have_none(tmp_path: Path) -> None:
    path = log(tmp_path, lambda at: str(at.timestamp()))
    with pytest.raises(DataError, match=r"items\.csv has no line of names, it begins with i0, shoes: write"):
        load(path, **items(tmp_path, "".join(f"i{i},{('shoes', 'bags')[i % 2]}\n" for i in range(5))))


def test_items_are_what_their_table_says_and_those_without_choices_belong_to_the_catalogue(
    tmp_path: Path,
) -> None:
    path = log(tmp_path, lambda at: str(at.timestamp()))
    plain, told = load(path), load(path, **items(tmp_path, TABLE))
    catalogue = told.catalogue
    assert catalogue.ids.tolist() == ["i0", "i1", "i2", "i3", "i4", "new"]
    np.testing.assert_allclose(catalogue.price, [np.nan, np.nan, np.nan, 19.9, np.nan, 80], rtol=1e-6)
    np.testing.assert_allclose(catalogue.margin, [0.25, np.nan, np.nan, 0.5, np.nan, np.nan])
    np.testing.assert_allclose(catalogue.rating, [4, np.nan, np.nan, np.nan, np.nan, 3.5])
    groups = catalogue.category.tolist()
    assert groups[0] == groups[3] and groups[1] == groups[2] == groups[4] and len(set(groups)) == 3
    assert len(set(catalogue.department.tolist())) == 3
    named = [plain.catalogue.ids[plain.events.item], catalogue.ids[told.events.item]]
    np.testing.assert_array_equal(*named)
    said = interactions_csv.notes(path=str(path), **items(tmp_path, TABLE))
    assert any("of 6 items 3 stand in" in note and "5 were chosen" in note for note in said)


def test_what_the_log_says_of_an_item_counts_where_its_table_is_silent(tmp_path: Path) -> None:
    path = log(tmp_path, lambda at: str(at.timestamp()))
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0] + ",price", *(f"{row},7.5" for row in rows[1:])]) + "\n")
    price = load(path, **items(tmp_path, TABLE)).catalogue.price
    np.testing.assert_allclose(price, [7.5, 7.5, 7.5, 19.9, 7.5, 80], rtol=1e-6)


def test_all_that_is_wrong_with_a_table_of_items_comes_at_once_with_its_lines(tmp_path: Path) -> None:
    path = log(tmp_path, lambda at: str(at.timestamp()))
    table = "item,price,margin\ni0,cheap,0.5\n,3,0.1\ni0,3,35\n"
    with pytest.raises(DataError) as raised:
        load(path, **items(tmp_path, table))
    said = str(raised.value)
    for wanted in (
        "items.csv:2: price is no number: 'cheap'", "items.csv:3: no item",
        "items.csv:4: item 'i0' stands there twice", "items.csv:4: margin lies outside 0 to 1: '35'",
    ):  # fmt: skip
        assert wanted in said
    with pytest.raises(DataError, match="items.csv"):
        load(path, **items(tmp_path, "product,price\ni0,3\n"))
    with pytest.raises(DataError, match="none.csv: correct `items_path`"):
        load(path, items_path=str(tmp_path / "none.csv"))


def test_a_changed_table_of_items_is_another_training(tmp_path: Path) -> None:
    log(tmp_path, lambda at: str(at.timestamp()))
    file = tmp_path / "suite.yaml"
    file.write_text(
        "name: shop\ntask: recommendation\n"
        "data: {name: interactions_csv, args: {path: log.csv, items_path: items.csv}}\n"
        "candidates:\n  pop: {retrieval: {model: popularity}}\ndecision: {objective: maximize ndcg@10}\n"
    )
    ids = []
    for text in (TABLE, TABLE.replace("0.25", "0.26")):
        items(tmp_path, text)
        ids.append([trial.id for trial in plan_trials(read_suite(file)) if trial.kind == "train"])
    assert ids[0] != ids[1]


def test_two_towers_recommend_an_item_that_nobody_chose_to_those_who_like_its_category(
    tmp_path: Path,
) -> None:
    """Even users choose shoes, odd ones bags; one new item of each is known from its table alone."""
    rng = np.random.default_rng(0)
    rows = ["user,item,time"]
    for user in range(60):
        kind = "bag" if user % 2 else "shoe"
        rows += [
            f"{user},{kind}{n},{1_700_000_000 + 86_400 * int(rng.integers(0, 40))}"
            for n in rng.permutation(15)[:9]
        ]
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    table = ["item,category"] + [f"{kind}{n},{kind}" for kind in ("bag", "shoe") for n in range(16)]
    data = load(tmp_path / "log.csv", **items(tmp_path, "\n".join(table) + "\n"))
    fit = fit_pipeline(
        cut_data(data, 0.1, 0), {"model": "two_tower", "dim": 16, "candidates": 32}, None,
        FitSettings(epochs=15, batch_size=64, lr=0.01), lambda _: None,
    )  # fmt: skip
    users = np.arange(60)
    ranked = fit.pipeline.answer(user_requests(users, fit.pipeline.settings["now"])).ranked
    codes = {name: int(np.flatnonzero(data.catalogue.ids == name)[0]) for name in ("bag15", "shoe15")}
    place = {name: (ranked == code).argmax(1) for name, code in codes.items()}
    odd = (data.users.ids.astype(int) % 2).astype(bool)
    right = np.where(odd, place["bag15"] < place["shoe15"], place["shoe15"] < place["bag15"])
    assert right.mean() > 0.9


def test_what_is_written_of_items_is_read_and_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    path = log(tmp_path, lambda at: str(at.timestamp()))
    table = 'item,title,description\ni0,Trail runner,"Light, for wet ground"\ni3,,  \nnew,Bag,\n'
    found = load(path, **items(tmp_path, table)).catalogue
    assert found.text.tolist() == ["Trail runner Light, for wet ground", "", "", "", "", "Bag"]
    assert load(path).catalogue.text.tolist() == [""] * 5
    assert found.rows(np.array([0, 5])).text.tolist() == [found.text[0], "Bag"]


def test_texts_of_like_words_are_near_and_no_text_is_nothing() -> None:
    texts = np.array(["red running shoes", "blue running shoes", "", "leather handbag", "small handbag", "!"])
    found = text_features(texts, 0)
    near = found @ found.T / found.shape[1]
    shared, own = np.log(6 / 3) + 1, np.log(6 / 2) + 1  # weights of words that two and one of five texts hold
    assert near[3, 4] == pytest.approx(shared**2 / (shared**2 + own**2), abs=1e-4)
    assert near[0, 1] == pytest.approx(2 * shared**2 / (2 * shared**2 + own**2), abs=1e-4)
    assert abs(near[0, 3]) < 1e-6
    assert (found[2] == 0).all() and (found[5] == 0).all()
    np.testing.assert_allclose((found[[0, 1, 3, 4]] ** 2).sum(1), found.shape[1], rtol=1e-4)
    assert text_features(np.array(["", "one"]), 0).shape == (2, 0)
    assert text_features(np.array(["!", "?", "a"]), 0).shape == (3, 0)


def test_two_towers_find_an_item_that_nobody_chose_by_its_words(tmp_path: Path) -> None:
    """Even users choose what runs, odd ones what carries; the new items are known by their titles alone."""
    rng = np.random.default_rng(0)
    words = {"a": ["running", "trail", "sole"], "b": ["leather", "strap", "pocket"]}
    rows = ["user,item,time"]
    for user in range(60):
        rows += [
            f"{user},{'ab'[user % 2]}{n},{1_700_000_000 + 86_400 * int(rng.integers(0, 40))}"
            for n in rng.permutation(15)[:9]
        ]
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    table = ["item,title"]
    table += [
        f"{kind}{n},{words[kind][n % 3]} {words[kind][(n + 1) % 3]} no{n}" for kind in "ab" for n in range(16)
    ]
    data = load(tmp_path / "log.csv", **items(tmp_path, "\n".join(table) + "\n"))
    assert len(np.unique(data.catalogue.category)) == 1
    fit = fit_pipeline(
        cut_data(data, 0.1, 0), {"model": "two_tower", "dim": 16, "candidates": 32}, None,
        FitSettings(epochs=15, batch_size=64, lr=0.01), lambda _: None,
    )  # fmt: skip
    ranked = fit.pipeline.answer(user_requests(np.arange(60), fit.pipeline.settings["now"])).ranked
    place = {
        kind: (ranked == int(np.flatnonzero(data.catalogue.ids == f"{kind}15")[0])).argmax(1) for kind in "ab"
    }
    odd = (data.users.ids.astype(int) % 2).astype(bool)
    assert np.where(odd, place["b"] < place["a"], place["a"] < place["b"]).mean() > 0.85
