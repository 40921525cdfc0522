"""Files as public archives, survey tools and instruments write them: read as they are meant, or refused
with a command that works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.datasets.catalog import load_dataset
from harness.init.find import find
from harness.init.look import Seen, look
from harness.record import DataError

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(*paths: str, target: str | None = None, **given: Any) -> Seen:
    return look(find(paths), given, target)


def refused(*paths: str) -> str:
    with pytest.raises(DataError) as caught:
        seen(*paths)
    return "\n".join(caught.value.mistakes)


def typed(said: str) -> None:
    """What a message says to type, typed."""
    found = re.search(r"`python (?:-W ignore )?-c \"(.*?)\"`", said, re.DOTALL)
    assert found, said
    command = [sys.executable, "-W", "ignore", "-c", found[1].replace('\\"', '"')]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr


def rows(path: str, names: str, lines: list[str], encoding: str = "utf-8") -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in [*([names] if names else []), *lines]), encoding)


def test_units_under_the_line_of_names_are_refused_with_a_command_that_takes_them_out() -> None:
    values = [(i * 0.5, *RNG.uniform(1, 9, 2).round(3)) for i in range(80)]
    rows("run.csv", "Time;Temp;Yield\n[s];[°C];%", [";".join(map(str, row)) for row in values])
    said = refused("run.csv")
    assert "row 1 under the line of names holds '[s]', '[°C]', '%' where all others hold numbers" in said
    typed(said)
    read = seen("run_rows.csv")
    assert read.args["target"] == "Yield" and read.train_rows + read.test_rows == 80
    assert sum(load_dataset("tabular_csv", read.args).train.targets) > 0


def test_questions_and_marks_under_the_names_of_a_survey_are_rows_of_no_answers() -> None:
    lines = [f"2021-03-01 10:{i % 60:02d}:00,{20 + i % 40},{('Yes', 'No')[i % 2]}" for i in range(60)]
    above = (
        'StartDate,Q1,Q2\nStart Date,"How old, in years?",Recommend?\n"{""ImportId"":""a""}","{""b"":1}",x'
    )
    rows("survey.csv", above, lines)
    said = refused("survey.csv")
    assert "rows 1 to 2 under the line of names hold 'Start Date'" in said and "missing:" not in said
    typed(said)
    assert seen("survey_rows.csv").counts == {"Yes": 30, "No": 30}


def test_names_that_stand_below_another_line_are_put_in_its_place() -> None:
    lines = [f"{i},{RNG.integers(9)},{RNG.integers(2)}" for i in range(60)]
    rows("cards.csv", ",X1,Y\nID,LIMIT_BAL,default next month", lines)
    said = refused("cards.csv")
    found = re.search(r"put `(\.set_axis.*?)` before `\.to_csv`", said)
    assert found
    typed(said.replace(".to_csv(", f"{found[1]}.to_csv(", 1))
    assert seen("cards_rows.csv").args["target"] == "default next month"


def test_marks_for_nothing_in_the_first_row_are_no_units() -> None:
    lines = ["?,?,1", *(f"{i * 0.5},{RNG.integers(90)},{i % 2}" for i in range(80))]
    rows("gaps.csv", "a,b,label", lines)
    assert seen("gaps.csv").args["missing"] == ["?"]


def test_a_first_row_of_a_class_and_a_sentence_is_no_line_of_names() -> None:
    text = "Stocks fell on Monday as prices of {} rose and fell again in New York."
    words = ["Oil", "Rain", "Chess", "Wool", "Tea", "Rice", "Gold", "Milk"]
    titles = [f"{one} and {other}" for one in words for other in words]
    rows("news.csv", "", [f'"{1 + i % 4}","{titles[i]}","{text.format(titles[i])}"' for i in range(60)])
    assert "has no line of names, it begins with 1, Oil and Oil" in refused("news.csv")
    question = "How likely are you to recommend us to any of your friends?"
    answers = [f'{i % 3},"{text.format(titles[i])}"' for i in range(60)]
    rows("form.csv", f'"score","{question}"', answers)  # a question above answers is a name
    assert seen("form.csv").args["label"] == "score"


def test_numbers_that_stand_twice_in_the_first_line_are_a_row_and_years_are_names() -> None:
    rows("letters.csv", "", [f"{'ABC'[i % 3]},{i % 7},{i % 5},3,3" for i in range(1, 60)])
    assert "has no line of names, it begins with B, 1, 1, 3" in refused("letters.csv")
    rows("years.csv", "land,2019,2020,2019,2020", ["a,1,2,3,4"] * 9)
    assert "2 column names more than once: '2019', '2020'" in refused("years.csv")


@pytest.mark.parametrize("sign", ["\t", ",", " "])
def test_a_class_in_front_of_numbers_is_named_as_the_answer(sign: str) -> None:
    values = [[str(1 + i % 3), *(f"{x:.6f}" for x in RNG.normal(size=6))] for i in range(60)]
    rows("shapes.tsv", "", [sign.join(row) for row in values])
    said = refused("shapes.tsv")
    assert "for instance target, x1, x2, …" in said
    typed(said)
    read = seen("shapes_named.csv")
    assert read.args["target"] == "target" and read.counts == {"1": 20, "2": 20, "3": 20}


def test_tabs_beside_commas_are_refused_as_two_separators() -> None:
    lines = [f"PC,Y{i % 30},AT{i}\t{i}.5 \t{i}.0" for i in range(40)]
    rows("eurostat.tsv", "unit,age,geo\\time\t2019 \t2018", lines)
    said = refused("eurostat.tsv")
    assert "has tabs between some of its cells and ',' between others" in said
    typed(said)
    assert seen("eurostat_one.csv").args["target"] == "2018"


def test_a_flag_behind_a_number_is_no_decimal_comma() -> None:
    lines = [f'{40 + i / 7:.4f},"{10000 + i * 3},5"' for i in range(60)]
    rows("weather.csv", "lat,pressure", lines)
    assert "'lat' has a decimal point: if the comma is one too" in refused("weather.csv")
    rows("amounts.csv", "a;b", [f"{i % 7};{i * 3},5" for i in range(60)])
    assert seen("amounts.csv").args["decimal"] == ","


def test_what_each_rater_said_is_left_out_and_the_gold_label_is_the_answer() -> None:
    kinds = ["entailment", "neutral", "contradiction"]
    said = "A man plays the guitar {} times on the street of a city"
    lines = [
        f"{said.format(i)}\t{kinds[i % 3]}\t{kinds[i % 3]}\t{kinds[(i + i % 2) % 3]}\t" for i in range(60)
    ]
    rows("pairs.tsv", "sentence1\tgold_label\tlabel1\tlabel2\tlabel3", lines)
    read = seen("pairs.tsv")
    assert read.args["label"] == "gold_label" and read.args["text"] == "sentence1"
    assert any(line.startswith("'label1' and 'label2' are labels of the same rows") for line in read.said)


def test_an_answer_is_neither_a_column_that_is_mostly_empty_nor_one_of_names() -> None:
    lines = [
        f'{("ham", "spam")[i % 2]},"Free call number {i} now for a prize",{"" if i % 9 else "so"}'
        for i in range(60)
    ]
    rows("spam.csv", "v1,v2,", lines)
    assert seen("spam.csv").args["target"] == "v1"
    cars = [f"{i * 0.37:.2f},{1 + i % 3},car {i // 2 * 2 if i % 9 == 0 else i}" for i in range(60)]
    rows("mpg.csv", "mpg,origin,car name", cars)
    assert seen("mpg.csv").args["target"] == "origin"


def test_dates_without_a_name_number_no_rows_and_visits_of_a_record_stay_together() -> None:
    hours = pd.date_range("2020-01-01", periods=60, freq="h").astype(str)
    rows("load.csv", ",MT_1,MT_2", [f"{hour},{RNG.uniform():.3f},{RNG.uniform():.3f}" for hour in hours])
    assert not any("numbers the rows" in line for line in seen("load.csv").said)
    rows("cap.csv", "record_id,bp,outcome", [f"{i // 3},{90 + i * 7 % 50},{i % 2}" for i in range(90)])
    assert seen("cap.csv").args["group"] == "record_id"


def test_a_column_without_a_value_whose_name_has_a_number_is_read() -> None:
    rows("q.csv", "age,q1,q2,bought", [f"{20 + i % 30},{i % 7},,{i % 2}" for i in range(60)])
    assert seen("q.csv").args["features"] == ["age", "q1"]
