"""What tools of labelling, shops and trackers export is read as it is meant, or named with its cure."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.datasets import image_folder, interactions_csv, tabular_csv, text_csv
from harness.datasets.audit import audit
from harness.init.find import find
from harness.init.look import look
from harness.record import DataError

WORDS = ["the", "film", "was", "dull", "and", "its", "music", "long", "but", "one", "scene", "is", "fine"]


def sentence(number: int) -> str:
    return " ".join(np.random.default_rng(number).choice(WORDS, 9))


def refused(path: Path, target: str | None = None) -> str:
    """What `init` says of a file that it does not take."""
    with pytest.raises(DataError) as caught:
        look(find([str(path)]), {}, target)
    return str(caught.value)


def run_cure(said: str, folder: Path) -> None:
    """The command between the marks of a message."""
    code = re.search(r'`python (?:-W ignore )?-c "(.*?)"`', said, re.DOTALL)
    assert code is not None
    (folder / "cure.py").write_text(code[1])
    runpy.run_path(str(folder / "cure.py"))


def comments(path: Path, rows: int = 80) -> Path:
    lines = [f"{sentence(i)},{i % 2},{i % 3 // 2},{i % 5 // 4}" for i in range(rows)]
    path.write_text("\n".join(["comment,toxic,obscene,threat", *lines]) + "\n")
    return path


def test_labels_side_by_side_are_not_predicted_from_each_other(tmp_path: Path) -> None:
    path = comments(tmp_path / "toxic.csv")
    said = refused(path)
    assert "3 columns of 0 and 1 side by side (toxic, obscene, threat), labels of the same 'comment'" in said
    run_cure(said, tmp_path)
    made = text_csv.load(
        path=str(tmp_path / "toxic_labels.csv"), text="comment", label="label", label_separator="|"
    )
    truth = pd.read_csv(path)
    assert made.task.class_names == ("obscene", "threat", "toxic")
    for part in (made.train, made.test):
        assert (part.targets == truth.loc[part.ids, ["obscene", "threat", "toxic"]].to_numpy()).all()


def test_of_labels_side_by_side_the_one_that_is_named_is_predicted_from_the_text_alone(
    tmp_path: Path,
) -> None:
    seen = look(find([str(comments(tmp_path / "toxic.csv"))]), {}, "threat")
    assert (seen.dataset, seen.args["label"]) == ("text_csv", "threat")
    assert any("'toxic' and 'obscene' are labels of the same rows" in line for line in seen.said)


def test_plan_says_where_labels_are_predicted_from_labels(tmp_path: Path) -> None:
    path = str(comments(tmp_path / "toxic.csv"))
    told = " ".join(tabular_csv.notes(path=path, target="toxic"))
    assert "beside 'toxic' stand 'obscene', 'threat', of 0 and 1 too" in told
    assert "0 and 1 too" not in " ".join(tabular_csv.notes(path=path, target="toxic", features=["comment"]))


def test_classes_as_columns_of_which_one_is_1_are_one_column(tmp_path: Path) -> None:
    kinds, rng = np.arange(60) % 3, np.random.default_rng(0)
    table = pd.DataFrame({"length": rng.normal(size=60), **{n: kinds == i for i, n in enumerate("abc")}})
    path = tmp_path / "leaves.csv"
    table.astype(dict.fromkeys("abc", int)).to_csv(path, index=False)
    said = refused(path)
    assert "one of which is 1 in each row" in said
    run_cure(said, tmp_path)
    made = pd.read_csv(tmp_path / "leaves_labels.csv")
    assert list(made.columns) == ["length", "label"] and list(made.label) == [*"abc"] * 20
    assert "'c' is 1 where 'a', 'b' are 0" in " ".join(tabular_csv.notes(path=str(path), target="c"))
    assert look(find([str(path)]), {}, "c").args["features"] == ["length"]


def test_marks_of_0_and_1_are_predicted_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 2, (80, 4)), columns=["north", "new", "paid", "left"])
    table.insert(0, "age", rng.integers(20, 70, 80))
    table.to_csv(tmp_path / "people.csv", index=False)
    assert look(find([str(tmp_path / "people.csv")]), {}, None).args["target"] == "left"
    said = tabular_csv.notes(path=str(tmp_path / "people.csv"), target="left")
    assert not any("0 and 1" in line for line in said)


@pytest.mark.parametrize(
    ("folders", "beside", "said"),
    [
        (("images", "masks"), (), "images/, masks/, which are no classes: where objects are"),
        (("JPEGImages", "SegmentationClass"), ("Annotations/1.xml",), "which are no classes: where objects"),
        (
            ("train", "valid"),
            ("train/_annotations.coco.json",),
            "train/, valid/, which are no classes: where",
        ),
        (("images/train", "images/val"), ("labels/train/1.txt",), "images/, which are no classes: where"),
        (
            ("test", "train"),
            ("train/metadata.csv",),
            r"the classes that .*metadata.csv names take .*image_csv",
        ),
        (("train", "test"), (), "which are no classes: put the images into one folder per class"),
    ],
)
def test_parts_heaps_and_masks_of_images_are_no_classes(
    folders: tuple[str, ...], beside: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (i * 9, 0, 0)).save(tmp_path / folder / f"{i}.png")
    for name in beside:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=said):
        image_folder.task(path=str(tmp_path))


def test_boxes_in_images_are_no_table_to_predict_from_unless_a_column_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 99, (60, 4)), columns=["xmin", "ymin", "xmax", "ymax"])
    table.insert(0, "filename", [f"{i // 3}.jpg" for i in range(60)])
    table.insert(1, "class", ["cat", "dog"] * 30)
    table.to_csv(tmp_path / "_annotations.csv", index=False)
    assert "lists objects in images (xmin, ymin, xmax, ymax beside 'filename')" in refused(
        tmp_path / "_annotations.csv"
    )
    assert look(find([str(tmp_path / "_annotations.csv")]), {}, "class").task.num_classes == 2


def test_coco_is_said_to_list_objects_and_its_kinds_become_labels_of_images(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    coco = {
        "images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(4)],
        "annotations": [{"id": i, "image_id": i // 2, "category_id": i % 3, "bbox": [0]} for i in range(6)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(("cat", "dog", "cow"))],
    }
    path.write_text(json.dumps(coco))
    said = refused(path)
    assert "lists objects in images" in said
    run_cure(said, tmp_path)
    made = pd.read_csv(tmp_path / "instances.csv", keep_default_na=False)
    assert made.values.tolist() == [
        ["0.jpg", "cat|dog"], ["1.jpg", "cat|cow"], ["2.jpg", "cow|dog"], ["3.jpg", ""],
    ]  # fmt: skip


def test_no_label_of_fasttext_becomes_a_word_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "cooking.txt"
    path.write_text('__label__pan __label__oven how "hot" is it, really\n\n__label__pan no  lid\n' * 3)
    said = refused(path)
    assert '`label_separator: "|"`' in said
    with pytest.raises(DataError, match="written as fastText does it"):
        text_csv.task(path=str(path))
    run_cure(said, tmp_path)
    made = pd.read_csv(tmp_path / "cooking.csv")
    assert made.values.tolist()[:2] == [["pan|oven", 'how "hot" is it, really'], ["pan", "no lid"]]


@pytest.mark.parametrize(
    ("lines", "columns", "first"),
    [
        ("2 qid:1 1:0.5 2:1 # GX1\n0 qid:1 2:3\n", ["x0", "x1", "y", "qid"], [0.5, 1.0, 2.0, 1.0]),
        ("0,3 1:0.5\n1 2:2\n", ["x0", "x1", "y"], [0.5, 0.0, "0|3"]),
    ],
)
def test_queries_and_several_labels_of_libsvm_are_kept(
    lines: str, columns: list[str], first: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "rank.dat"
    path.write_text(lines)
    said = refused(path)
    run_cure(said, tmp_path)
    made = pd.read_parquet(tmp_path / "rank.parquet")
    assert list(made.columns) == columns and made.iloc[0].tolist() == first
    assert ("`group: qid`" in said) == ("qid" in columns)


def test_arff_that_scipy_does_not_read_is_given_another_command(tmp_path: Path) -> None:
    for name, row in (("text STRING", "'a b',1"), ("w NUMERIC", "{0 1, 1 1}")):
        path = tmp_path / "t.arff"
        path.write_text(f"@RELATION t\n@ATTRIBUTE {name}\n@ATTRIBUTE y {{0,1}}\n@DATA\n" + f"{row}\n" * 9)
        assert "liac-arff" in refused(path)


@pytest.mark.parametrize("cell", ['{"choices": ["ad", "rude"]}', "ad#rude"])
def test_labels_as_labelling_tools_join_them_are_several(cell: str, tmp_path: Path) -> None:
    labels = [("ad", "rude", cell)[i % 3] for i in range(60)]
    path = tmp_path / "t.csv"
    pd.DataFrame({"text": [sentence(i) for i in range(60)], "label": labels}).to_csv(path, index=False)
    with pytest.raises(DataError, match="several labels in one cell") as caught:
        text_csv.task(path=str(path))
    mark = re.search(r'label_separator: "(.)"', str(caught.value))
    assert mark is not None
    made = text_csv.load(path=str(path), label_separator=mark[1])
    assert made.task.class_names == ("ad", "rude")
    counts = made.train.targets.sum(axis=0) + made.test.targets.sum(axis=0)
    assert counts.tolist() == [40, 40]


def test_a_table_of_codes_without_a_line_of_names_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "criteo.tsv"
    path.write_text("0\t1\t1\t5\t\t68fd1e64\t80e26c9b\n1\t2\t0\t4\t7\t68fd1e64\t80e26c9b\n" * 9)
    assert "has no line of names, it begins with 0, 1, 1, 5" in refused(path)


def test_moments_of_tweets_are_no_text_to_predict_from(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    when = pd.date_range("2020-09-13", periods=60, freq="7h").strftime("%a %b %d %H:%M:%S +0000 %Y")
    pd.DataFrame({"created_at": when, "lang": ["en", "de", "fr"] * 20}).to_csv(path, index=False)
    assert '`dates: {created_at: "%a %b %d %H:%M:%S %z %Y"}`' in refused(path)


def visits(path: Path, **columns: list[str]) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.choice(values, 300) for name, values in columns.items()})
    seconds = 1_700_000_000 + np.arange(300) * 9000
    table.insert(1, "event_timestamp", seconds * 1_000_000)
    table.to_csv(path, index=False)
    return path


def test_visitors_who_are_not_logged_in_are_users_and_their_views_are_no_choice(tmp_path: Path) -> None:
    events = ["view_item", "add_to_cart", "purchase", "session_start"]
    path = visits(
        tmp_path / "ga4.csv",
        event_name=events,
        user_id=["", "u1"],
        user_pseudo_id=[f"7.{i}" for i in range(20)],
        item_id=[f"i{i}" for i in range(30)],
    )
    seen = look(find([str(path)]), {}, None)
    truth = pd.read_csv(path)
    wanted = int(truth.event_name.isin(["add_to_cart", "purchase"]).sum())
    assert seen.args["user"] == "user_pseudo_id" and seen.args["time_unit"] == "us"
    log = interactions_csv.load(**seen.args)
    assert len(log.events.user) == wanted
    assert log.events.time[0] == pytest.approx(
        truth[truth.event_name.isin(events[1:3])].event_timestamp.iloc[0] / 86400e6
    )


def test_what_an_export_puts_before_names_hides_no_item(tmp_path: Path) -> None:
    path = visits(
        tmp_path / "segment.csv",
        anonymous_id=[f"a{i}" for i in range(20)],
        event=["Product Viewed", "Product Added", "Order Completed"],
        properties_product_id=[f"p{i}" for i in range(30)],
    )
    seen = look(find([str(path)]), {}, None)
    assert (seen.args["item"], seen.task.name) == ("properties_product_id", "recommendation")
    assert (
        interactions_csv.load(**seen.args).events.bought.sum()
        == (pd.read_csv(path).event == "Order Completed").sum()
    )


def test_an_audit_names_gaps_of_the_test_part_and_takes_no_count_for_an_owner(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(1, 40, (300, 3)), columns=["visitors", "session_length", "store_id"])
    table["rain"], table["sun"] = rng.normal(size=300), rng.normal(size=300)
    table["sold"] = table.visitors + rng.normal(size=300) * 9 > 20
    table.loc[220::4, "rain"] = np.nan
    table.loc[230, "sun"] = np.nan
    table[:200].to_csv(tmp_path / "train.csv", index=False)
    table[200:].to_csv(tmp_path / "test.csv", index=False)
    found = audit(
        "tabular_csv",
        {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv"), "target": "sold"},
    )
    gaps = {f.figures["column"]: (f.level, f.figures["missing"]) for f in found if "gaps" in f.check}
    assert gaps == {"rain": ("warning", 20), "sun": ("note", 1)}
    assert [f.figures["column"] for f in found if "owners" in f.check] == ["store_id"]


def choice(number: int, *names: str) -> dict[str, object]:
    """A task of Label Studio, labelled twice."""
    value = [{"type": "choices", "value": {"choices": list(names)}}]
    said = [{"result": value, "lead_time": 2.5}, {"result": [], "lead_time": 1.0}]
    return {"id": number, "data": {"text": sentence(number)}, "annotations": said if names else []}


@pytest.mark.parametrize(
    ("rows", "columns", "cells"),
    [
        (
            [choice(1, "ad"), choice(2, "ad", "rude"), choice(3)],
            ["text", "label"],
            [[sentence(1), "ad"], [sentence(2), "ad|rude"]],
        ),
        (
            [
                {"text": "a", "_task_hash": 7, "options": [{"id": "x"}], "accept": ["x"], "answer": answer}
                for answer in ("accept", "reject", "ignore")
            ],
            ["text", "accept", "answer"],
            [["a", "x", "accept"]],
        ),
        (
            [
                {"text": "a", "_task_hash": 7, "label": "x", "answer": a}
                for a in ("accept", "reject", "ignore")
            ],
            ["text", "label", "answer"],
            [["a", "x", "accept"], ["a", "x", "reject"]],
        ),
        (
            [
                {"session": 5, "events": [{"aid": 1, "ts": 3}, {"aid": 2, "ts": 4}]},
                {"session": 6, "events": []},
            ],
            ["aid", "ts", "session"],
            [[1, 3, 5], [2, 4, 5]],
        ),
    ],
    ids=["label-studio", "prodigy-choices", "prodigy-yes-no", "visits"],
)
def test_the_command_for_json_of_tools_keeps_what_was_answered(
    rows: list[dict[str, object]], columns: list[str], cells: list[list[object]], tmp_path: Path
) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(rows))
    run_cure(refused(path), tmp_path)
    made = pd.read_parquet(tmp_path / "export.parquet")
    assert list(made.columns) == columns and made.values.tolist() == cells


def test_lists_in_a_column_of_a_log_that_is_not_read_are_no_trouble(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"user": rng.integers(0, 9, 90), "item": rng.integers(0, 9, 90)})
    table["time"], table["helpful"] = 1_700_000_000 + np.arange(90) * 9000, [[0, 1]] * 90
    table.to_parquet(tmp_path / "log.parquet")
    assert len(interactions_csv.load(path=str(tmp_path / "log.parquet")).events.user) == 90


def test_what_tells_how_a_row_was_labelled_is_not_predicted_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"annotation_id": np.arange(60) + 900, "annotator": rng.integers(1, 4, 60)})
    table["created_at"] = pd.date_range("2024-03-01", periods=60, freq="h").strftime(
        "%Y-%m-%dT%H:%M:%S.000001Z"
    )
    table["lead_time"], table["sentiment"] = rng.gamma(2, 9, 60).round(3), ["good", "bad", "bad"] * 20
    table["text"] = [sentence(i) for i in range(60)]
    table.to_csv(tmp_path / "tasks.csv", index=False)
    seen = look(find([str(tmp_path / "tasks.csv")]), {}, None)
    assert (seen.dataset, seen.args["text"], seen.args["label"]) == ("text_csv", "text", "sentiment")
    assert any("'lead_time' tell how the rows were labelled: left out" in line for line in seen.said)


def test_lists_of_a_logs_items_beside_them_are_said_to_be_left_aside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"user": rng.integers(0, 20, 200), "item": rng.integers(0, 20, 200)})
    table["time"] = 1_700_000_000 + np.arange(200) * 9000
    table["past"] = [" ".join(map(str, row)) for row in rng.integers(0, 20, (200, 3))]
    table["words"] = [sentence(i) for i in range(200)]
    table.to_csv(tmp_path / "log.csv", index=False)
    said = [
        line for line in interactions_csv.notes(path=str(tmp_path / "log.csv")) if "several items" in line
    ]
    assert len(said) == 1 and "column 'past' holds several items in a cell" in said[0]


@pytest.mark.parametrize("parts", [("",), ("train", "test")])
def test_texts_in_a_file_each_are_written_into_a_table(parts: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    for number, (part, kind) in enumerate((part, kind) for part in parts for kind in ("neg", "pos")):
        (folder / part / kind).mkdir(parents=True)
        for i in range(3):
            (folder / part / kind / f"{i}.txt").write_text(f'{kind}, "{number}"\n{i}')
    said = refused(folder)
    assert "holds texts, a file each" in said and ("`split:" in said) == (len(parts) > 1)
    run_cure(said, tmp_path)
    made = pd.read_csv(tmp_path / "reviews.csv")
    assert len(made) == 6 * len(parts) and made.text.str.startswith(tuple(made.label)).all()
    assert len(parts) == 1 or made.part.value_counts().to_dict() == {"train": 6, "test": 6}


def test_cells_of_json_are_said_to_be_read_as_they_stand_and_are_no_answer(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"budget": rng.normal(size=60), "hit": ["yes", "no"] * 30})
    table["genres"] = [json.dumps([{"id": int(i), "name": "Action"}]) for i in rng.integers(0, 9, 60)]
    table.loc[3, "genres"] = "[]"
    table.to_csv(tmp_path / "films.csv", index=False)
    seen = look(find([str(tmp_path / "films.csv")]), {}, None)
    assert seen.args["target"] == "hit"
    assert any("column 'genres' holds cells such as '[{\"id\"" in line for line in seen.said)


def test_many_numbers_in_a_cell_are_told_in_a_few_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"emotion": ["sad", "glad"] * 30})
    table["pixels"] = [" ".join(map(str, row)) for row in rng.integers(0, 255, (60, 500))]
    table.to_csv(tmp_path / "faces.csv", index=False)
    said = refused(tmp_path / "faces.csv")
    assert (
        "it holds several numbers in a cell: write each into a column of its own" in said and len(said) < 900
    )


def test_marks_beside_a_text_and_what_is_called_a_label_are_predicted_from_and_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 2, (60, 3)), columns=["has_link", "is_reply", "label"])
    table.insert(0, "text", [sentence(i) for i in range(60)])
    table.to_csv(tmp_path / "posts.csv", index=False)
    seen = look(find([str(tmp_path / "posts.csv")]), {}, None)
    assert (seen.args["target"], seen.args.get("features")) == ("label", None)
    assert any("beside 'label' stand 'has_link', 'is_reply', of 0 and 1 too" in line for line in seen.said)
