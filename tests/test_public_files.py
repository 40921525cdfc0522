"""Files as public archives, survey tools and instruments write them: read as they are meant, or refused
with a command that works."""

from __future__ import annotations

import gzip
import math
import os
import pickle
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.io.wavfile
from PIL import Image
from sklearn.datasets import load_iris

from harness.datasets.catalog import load_dataset
from harness.init.find import find
from harness.init.listed import sorted_by
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
    found = re.search(r"`python (?:-W ignore )?(-c \".*?(?<!\\)\")`", said, re.DOTALL)
    assert found, said
    done = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -W ignore {found[1]}"],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def rows(path: str, names: str, lines: list[str], encoding: str = "utf-8") -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in [*([names] if names else []), *lines]), encoding)


ODD = """Bob's "best" $HOME `data`"""


def test_commands_work_for_names_that_mean_something_to_a_shell() -> None:
    rows(f"{ODD}.csv", "# written by a tool", ["a;b", *(f"{i};{i % 2}" for i in range(30))])
    typed(refused(f"{ODD}.csv"))
    assert list(pd.read_csv(f"{ODD}_rows.csv", sep=";")) == ["a", "b"]
    Path(ODD).mkdir()
    np.save(f"{ODD}/X.npy", RNG.normal(size=(30, 2)))
    np.save(f"{ODD}/y.npy", np.arange(30) % 2)
    typed(refused(ODD))
    assert pd.read_csv(f"{ODD}/X_whole.csv").shape == (30, 3)


@pytest.mark.parametrize("answers", [np.zeros(29), np.eye(30)[:, :3], np.array([None] * 30)], ids=str)
def test_answers_that_are_not_one_a_row_are_put_together_with_none(answers: np.ndarray) -> None:
    Path("apart").mkdir()
    np.save("apart/X.npy", RNG.normal(size=(30, 2)))
    np.save("apart/y.npy", answers)
    said = refused("apart")
    assert "put them together" not in said, said


def test_images_whose_classes_stand_in_parquet_come_with_a_command_that_sorts_them() -> None:
    Path("heap").mkdir()
    for k in range(6):
        Image.fromarray(RNG.integers(0, 255, (8, 8), np.uint8)).save(f"heap/{k}.png")
    table = pd.DataFrame({"file": [f"{k}.png" for k in range(6)], "label": ["cat", "dog"] * 3})
    table.to_parquet("heap/labels.parquet")
    typed(refused("heap"))
    assert sorted(p.parent.name for p in Path("heap_sorted").rglob("*.png")) == ["cat"] * 3 + ["dog"] * 3


def test_images_that_a_table_cannot_tell_apart_are_sorted_by_no_command() -> None:
    """Of `1.png` in two folders a command would take the last."""
    for k, part in enumerate(["a", "b"] * 3):
        Path("heap", part).mkdir(parents=True, exist_ok=True)
        Path(f"heap/{part}/{k // 2}.png").touch()
    rows("heap/labels.csv", "file,label", ["0.png,cat", "1.png,dog", "2.png,cat"])
    folder, table = Path("heap"), Path("heap/labels.csv")
    images = sorted(folder.rglob("*.png"))
    assert "copy(" in sorted_by(folder, images[:3], [table])
    assert sorted_by(folder, images, [table]) == ""


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


def test_arrays_and_tables_of_other_programs_come_with_a_command_that_works() -> None:
    x, y = RNG.normal(size=(60, 3)), np.arange(60) % 2
    pictures = RNG.integers(0, 255, (60, 8, 8)).astype("u1")
    np.savez("rows.npz", X=x, y=y)
    np.savez("digits.npz", x_train=pictures, y_train=y, x_test=pictures[:20], y_test=y[:20])
    scipy.io.savemat("heart.mat", {"X": x, "y": y[:, None], "names": ["a"]})
    scipy.io.savemat("house_32x32.mat", {"X": np.moveaxis(pictures, 0, -1), "y": y[:, None]})
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    frame.to_stata("old.dta", write_index=False)
    frame.to_stata("new.dta", write_index=False, version=118)
    Path("bunch.pkl").write_bytes(pickle.dumps(load_iris()))
    for file in ("rows.npz", "heart.mat", "old.dta", "new.dta", "bunch.pkl"):
        typed(refused(file))
        made = seen(str(Path(file).with_suffix(".parquet")))
        assert made.train_rows + made.test_rows in (60, 150) and made.commonest <= 0.5
    typed(refused("digits.npz"))
    assert (seen("digits_images").train_rows, seen("digits_images").test_rows) == (60, 20)
    typed(refused("house_32x32.mat"))
    assert seen("house_32x32_images").counts == {"0": 30, "1": 30}
    Path("any.pkl").write_bytes(pickle.dumps({"data": [1]}, protocol=2))
    assert "is pickled Python: reading it runs whatever it holds" in refused("any.pkl")


def test_mnist_as_it_is_downloaded_becomes_a_folder_of_images() -> None:
    Path("raw").mkdir()
    for part, many in (("train", 40), ("t10k", 20)):
        for kind, shape in (("images-idx3", (many, 8, 8)), ("labels-idx1", (many,))):
            values = (np.arange(math.prod(shape)) % 2).astype("u1").tobytes()
            head = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape)
            Path(f"raw/{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values))
    typed(refused("raw"))
    made = seen("raw_images")
    assert (made.train_rows, made.test_rows) == (40, 20) and made.counts == {"0": 30, "1": 30}


def test_rows_whose_answers_stand_in_another_file_are_put_together() -> None:
    for part, many in (("train", 60), ("test", 30)):
        values = [" ".join(f"{x: .5e}" for x in RNG.normal(size=3)) for _ in range(many)]
        rows(f"har data/{part}/X_{part}.txt", "", [f"  {row} " for row in values])
        rows(f"har data/{part}/y_{part}.txt", "", [str(1 + i % 3) for i in range(many)])
        rows(f"har data/{part}/subject_{part}.txt", "", [f"{many}{i // 4}" for i in range(many)])
    said = refused("har data")
    typed(said)
    given = shlex.split(said.rpartition("and give ")[2])
    read = seen(*given)
    assert read.args["group"] == "subject" and (read.train_rows, read.test_rows) == (60, 30)
    assert set(pd.read_csv(given[0])) == {"x0", "x1", "x2", "target", "subject"}


def test_rows_and_answers_that_pandas_wrote_keep_their_names() -> None:
    frame = pd.DataFrame({"age": np.arange(60), "city": ["Rome", "Oslo", "Bonn"] * 20})
    Path("apart").mkdir()
    frame.to_csv("apart/X.csv", index=False)
    pd.DataFrame({"left": ["yes", "no"] * 30}).to_csv("apart/y.csv", index=False)
    said = refused("apart")
    typed(said)
    whole = pd.read_csv(said.rpartition("and give ")[2].strip())
    assert len(whole) == 60 and list(whole) == ["age", "city", "target"] and whole["city"][0] == "Rome"


def test_tables_of_one_form_are_put_into_one_with_the_file_that_each_row_is_of() -> None:
    for patient in range(12):
        lines = [f"{60 + i}|{36 + i / 9:.1f}|{(patient + i) % 2}" for i in range(9)]
        rows(f"visits/p{patient}.psv", "HR|Temp|SepsisLabel", lines)
    said = refused("visits")
    assert "visits holds 12 tables, " in said and "or all in one, as their columns are the same" in said
    typed(said)
    read = seen("visits_whole.csv", group="file")
    assert read.args["target"] == "SepsisLabel" and read.train_rows + read.test_rows == 108
    assert seen("visits/p0.psv").test_rows


def test_sounds_are_refused_and_not_a_table_of_their_names() -> None:
    for kind in ("dog", "rain"):
        for i in range(12):
            Path(f"sounds/{kind}").mkdir(parents=True, exist_ok=True)
            wave = RNG.normal(size=4000) * (9000 if kind == "dog" else 300)
            scipy.io.wavfile.write(f"sounds/{kind}/{i}.wav", 8000, wave.astype("int16"))
    typed(refused("sounds"))
    assert seen("sounds_images").counts == {"dog": 12, "rain": 12}
    shutil.move("sounds/dog", "clips")
    rows("clips/labels.csv", "filename,target", [f"{i}.wav,{i % 2}" for i in range(12)])
    assert "12 sounds: sounds are not read" in refused("clips")


def test_time_series_and_keels_tables_come_with_a_command() -> None:
    values = [",".join(f"{x:.4f}" for x in RNG.normal(size=5)) for _ in range(60)]
    lines = [f"{one}:{values[-i]}:{('walk', 'run')[i % 2]}" for i, one in enumerate(values)]
    rows("move.ts", "@problemName move\n@classLabel true walk run\n@data", lines)
    typed(refused("move.ts"))
    assert seen("move.csv").counts == {"walk": 30, "run": 30} and len(pd.read_csv("move.csv").columns) == 11
    above = "@relation k\n@attribute a real [0.0, 9.0]\n@attribute class{u, v}\n@inputs a\n@data"
    rows("k.dat", above, [f"{i / 7:.2f}, {'uv'[i % 2]}" for i in range(60)])
    typed(refused("k.dat"))
    assert seen("k.csv").counts == {"u": 30, "v": 30}


def test_texts_without_an_ending_and_tables_that_no_ending_calls_so_are_known() -> None:
    for i in range(40):
        rows(f"news/{('sci.space', 'rec.autos')[i % 2]}/{49000 + i}", "", [f"Über die Reise {i}"], "latin-1")
    typed(refused("news"))
    assert seen("news.csv").args["label"] == "label"
    rows("SMSSpam", "", [f"{('ham', 'spam')[i % 2]}\tcall me at number {i} today" for i in range(40)])
    assert "holds texts and labels, and no line of names" in refused("SMSSpam")
    rows("sst/train.tsv", "sentence\tlabel", [f"a film of {i} good ideas\t{i % 2}" for i in range(60)])
    rows("sst/dev.tsv", "sentence\tlabel", [f"a film of {i} bad ideas\t{i % 2}" for i in range(30)])
    read = seen("sst/train.tsv", "sst/dev.tsv")
    assert (read.train_rows, read.test_rows) == (60, 30) and "dev.tsv is what is tested on" in read.said


def picture(path: str, shade: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, shade, (8, 8, 3)).astype("u1")).save(path)


def test_folders_that_number_one_heap_are_no_classes_and_a_table_says_which_there_are() -> None:
    for i in range(40):
        picture(f"skin/HAM_images_part_{1 + i // 20}/ISIC_{i:04d}.jpg", 250)
    assert "which are no classes" in refused("skin")
    kinds = [f"HAM_{i // 2},ISIC_{i:04d},{('nv', 'mel')[i // 2 % 2]},histo" for i in range(40)]
    rows("skin/metadata.csv", "lesion_id,image_id,dx,dx_type", kinds)
    said = refused("skin")
    assert "several images have one 'lesion_id'" in said
    typed(said)
    assert seen("skin_sorted").counts == {"nv": 20, "mel": 20}


def test_images_in_a_heap_are_sorted_by_columns_of_which_one_is_1_and_folders_of_classes_stay() -> None:
    for i in range(30):
        picture(f"isic/input/ISIC_{i:04d}.jpg", 250)
        picture(f"pets/{('cat', 'dog')[i % 2]}/{i}.png", 250)
    marks = ["1.0,0.0,0.0", "0.0,1.0,0.0", "0.0,0.0,1.0"]
    rows("isic/truth.csv", "image,MEL,NV,BCC", [f"ISIC_{i:04d},{marks[i % 3]}" for i in range(30)])
    typed(refused("isic"))
    assert seen("isic_sorted").counts == {"MEL": 10, "NV": 10, "BCC": 10}
    rows("pets/about.csv", "file,camera", [f"{i}.png,{('a', 'b', 'c')[i % 3]}" for i in range(30)])
    assert seen("pets").counts == {"cat": 15, "dog": 15}


def test_images_within_parquet_are_written_into_folders_of_their_classes() -> None:
    for part, many in (("train", 40), ("test", 20)):
        cells = []
        for i in range(many):
            picture("one.jpg" if i % 3 else "one.png", 250)
            cells.append({"bytes": Path("one.jpg" if i % 3 else "one.png").read_bytes(), "path": None})
        Path("hub").mkdir(exist_ok=True)
        frame = pd.DataFrame({"image": cells, "label": np.arange(many) % 2})
        frame.to_parquet(f"hub/{part}-00000-of-00001.parquet")
    typed(refused("hub"))
    assert (seen("hub/images").train_rows, seen("hub/images").test_rows) == (40, 20)


def test_sounds_within_parquet_are_no_images() -> None:
    cells = [{"bytes": b"RIFF....WAVE", "path": f"{i}.wav"} for i in range(40)]
    Path("hub").mkdir()
    pd.DataFrame({"audio": cells, "label": np.arange(40) % 2}).to_parquet("hub/train.parquet")
    assert "holds sounds in its column 'audio', which are not read" in refused("hub/train.parquet")


@pytest.mark.parametrize("column", [0, 1])
def test_quotes_of_two_rows_of_a_tsv_swallow_no_rows_between(column: int) -> None:
    cells = [[f"a man plays {i} songs now", f"the dog runs {i} times away", str(i % 2)] for i in range(60)]
    for i, cell in enumerate(cells):
        cell.insert(2, f"{i:05d}")
    cells[3][0] = '"Hello there my good friend'
    cells[9][column] = 'and so they said bye"'
    rows("pairs.tsv", "first\tsecond\tcode\tlabel", ["\t".join(row) for row in cells])
    read = seen("pairs.tsv")
    assert read.counts == {"0": 30, "1": 30}
    data = load_dataset("tabular_csv", read.args)
    texts = {str(row["first"]) for part in (data.train, data.test) for row in part.inputs}
    assert texts == {row[0] for row in cells}
    assert any("'code' is written with zeros in front" in line for line in read.said)


def test_comments_above_the_names_are_taken_out_by_the_command_that_is_given() -> None:
    lines = [f"USGS\t{i}\t{RNG.integers(9)}\t{'ab'[i % 2]}" for i in range(60)]
    rows("river.txt", "# retrieved today\n#\nagency\tday\tflow\tlabel", lines)
    typed(refused("river.txt"))
    assert seen("river_rows.txt").counts == {"a": 30, "b": 30}
