"""What a right suite file may look like, and what it is read as."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.planning.request import budget_seconds
from harness.reading import read_suite, read_suites, suite_from_text, suite_to_text
from harness.reading.durations import duration
from harness.reading.json_schema import DURATION, suite_schema
from harness.record import RecordError, SuiteError
from harness.suite.schema import Suite

SHIPPED = sorted((Path(__file__).parent.parent / "suites").glob("*.yaml"))
EXTRAS = {"ann_index": ["hnswlib"], "trees_vs_nets_boosters": ["xgboost", "lightgbm", "catboost"]}


def where_installed(path: Path) -> None:
    """Skip a suite of libraries that not every installation has."""
    if absent := [name for name in EXTRAS.get(path.stem, []) if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(absent)}")


TEXT = """
name: trial_suite
task: image_classification
data: {name: digits, train_sizes: [1000], validation: 0.2}
training:
  seeds: [0, 1]
  epochs: 3
  optimizer: {name: sgd, lr: 1e-2}
candidates:
  cnn: small_cnn
  vit.v2: {model: vit, args: {patch: 2}, training: {epochs: 8, optimizer: {lr: 2E-3}}}
serving: {rounds: 2, time_limit: 90s, scenarios: {single_stream: {}}}
budget: 10m
"""


def read(folder: Path, text: str = TEXT, *overrides: str) -> Suite:
    file = folder / "suite.yaml"
    file.write_text(text)
    return read_suite(file, overrides)


def test_shorthand_and_long_form_are_the_same_candidate(tmp_path: Path) -> None:
    short = read(tmp_path)
    assert short == read(tmp_path, TEXT.replace("cnn: small_cnn", "cnn: {model: small_cnn, args: {}}"))


def test_a_candidates_training_lies_over_the_shared_one(tmp_path: Path) -> None:
    suite = read(tmp_path)
    vit = suite.candidates["vit.v2"].training
    assert (vit.epochs, vit.optimizer.lr, vit.optimizer.name, vit.seeds) == (8, 0.002, "sgd", (0, 1))
    assert suite.candidates["cnn"].training == suite.training


def test_numbers_with_exponents_and_durations_are_read_as_meant(tmp_path: Path) -> None:
    suite = read(tmp_path)
    assert suite.training.optimizer.lr == 0.01
    assert (suite.budget, suite.serving.time_limit) == (600.0, 90.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("90 sec", 90),
        ("10m", 600),
        ("10 minutes", 600),
        ("10 Minutes", 600),
        ("1.5h", 5400),
        ("1 hour", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1 hour and 30 minutes", 5400),
        ("1 hr, 5 mins, 2 secs", 3902),
        ("2d", 172800),
        ("1 day 6 hours", 108000),
        ("1:30:05", 5405),
        ("1:30", None),
        ("30m1h", None),
        ("1h30", None),
        ("1,5h", None),
        ("10 parsecs", None),
        ("minutes", None),
        ("and 10m", None),
        ("-5m", None),
        ("", None),
    ],
)
def test_a_duration_is_read_as_people_write_it_and_editors_agree(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds
    assert bool(re.search(DURATION["pattern"], text)) == (seconds is not None)


def test_every_key_that_takes_a_duration_says_so_to_editors(tmp_path: Path) -> None:
    schema = suite_schema()
    keys = {("Training", "time_limit"), ("Serving", "time_limit"), ("Traffic", "autoscale")}
    assert all(DURATION in schema["$defs"][part]["properties"][key]["anyOf"] for part, key in keys)
    suite = read(tmp_path, TEXT.replace("budget: 10m", "budget: 1 hour 30 min"))
    assert suite.budget == 5400
    assert budget_seconds("1h 30m") == 5400
    for text, cure in (("1:30", "1h30m, or 1m30s"), ("1,5 h", "write 1.5 h"), ("soon", "write seconds, or")):
        with pytest.raises(SuiteError, match=re.escape(cure)):
            budget_seconds(text)


def test_scenarios_that_are_named_replace_the_default_ones(tmp_path: Path) -> None:
    scenarios = read(tmp_path).serving.scenarios
    assert scenarios.single_stream is not None
    assert scenarios.offline is None


def test_arguments_of_the_data_set_may_stand_flat(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        _write_image(tmp_path / "images" / name / "1.png")
    data = "data: {name: image_folder, path: images, size: 16}"
    suite = read(tmp_path, TEXT.replace("data: {name: digits, train_sizes: [1000], validation: 0.2}", data))
    assert suite.data.args == {"path": str(tmp_path / "images"), "size": 16}


def _write_image(path: Path) -> None:
    from PIL import Image

    Image.new("L", (16, 16)).save(path)


def test_the_resolved_suite_reads_back_as_itself(tmp_path: Path) -> None:
    suite = read(tmp_path)
    assert suite_from_text(suite_to_text(suite)) == suite
    elsewhere = tmp_path / "run"
    elsewhere.mkdir()
    assert read(elsewhere, suite_to_text(suite)) == suite


def test_a_damaged_resolved_suite_is_a_record_error() -> None:
    for text in ("name: [", "name: a", "- 1"):
        with pytest.raises(RecordError, match=r"suite\.yaml is damaged"):
            suite_from_text(text)


def test_extends_merges_deeply_and_null_drops(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "all.yaml").write_text(TEXT)
    suite = read(
        tmp_path,
        "extends: base/all.yaml\n"
        "name: mine\n"
        "training: {seeds: [7], optimizer: {lr: 0.5}}\n"
        "candidates: {cnn: {args: {width: 8}}, vit.v2: null, r: resnet}\n",
    )
    assert suite.name == "mine"
    assert list(suite.candidates) == ["cnn", "r"]
    assert suite.candidates["cnn"].args == {"width": 8}
    assert suite.candidates["cnn"].model == "small_cnn"
    assert suite.training.seeds == (7,)
    assert (suite.training.optimizer.name, suite.training.optimizer.lr) == ("sgd", 0.5)


def test_extends_may_be_nested_and_is_relative_to_each_file(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one.yaml").write_text(TEXT)
    (tmp_path / "a" / "two.yaml").write_text("extends: b/one.yaml\nseed: 5\n")
    suite = read(tmp_path, "extends: a/two.yaml\nname: three\n")
    assert (suite.name, suite.seed, suite.budget) == ("three", 5, 600.0)


def test_anchors_and_merge_keys_of_yaml_work(tmp_path: Path) -> None:
    text = TEXT.replace(
        "  cnn: small_cnn\n",
        "  cnn: &cnn {model: small_cnn, args: {width: 8}}\n  wide: {<<: *cnn, args: {width: 16}}\n",
    )
    suite = read(tmp_path, text)
    assert suite.candidates["wide"].model == "small_cnn"
    assert suite.candidates["wide"].args == {"width": 16}


def test_a_users_model_is_found_beside_the_suite_and_not_executed(tmp_path: Path) -> None:
    (tmp_path / "my_models.py").write_text("raise SystemExit\ndef build(task, *, width: int = 8): ...\n")
    suite = read(tmp_path, TEXT, "candidates.mine=my_models:build", "candidates.mine.args.width=4")
    assert suite.candidates["mine"].args == {"width": 4}
    with pytest.raises(SuiteError, match=r"mine\.args\.widht: unknown argument: did you mean `width`\?"):
        read(tmp_path, TEXT, "candidates.mine=my_models:build", "candidates.mine.args.widht=4")
    with pytest.raises(SuiteError, match=r"my_models\.py defines no `built`: did you mean `build`\?"):
        read(tmp_path, TEXT, "candidates.mine=my_models:built")
    (tmp_path / "my_models.py").write_text("def build(:\n")
    with pytest.raises(SuiteError, match=r"my_models\.py:1 is not valid Python"):
        read(tmp_path, TEXT, "candidates.mine=my_models:build")


def test_a_required_argument_of_a_users_model_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def build(task, *, width, depth: int = 2): ...\n")
    with pytest.raises(SuiteError, match=r"mine: |mine\.args: `width` is missing: add it"):
        read(tmp_path, TEXT, "candidates.mine=own:build")


OVERRIDES = [
    ("training.epochs", "7"),
    ("training.optimizer", "{name: adam, lr: 0.1}"),
    ("training.seeds", "[3, 4]"),
    ("training.time_limit", "1h"),
    ("data.validation", "0.3"),
    ("data.train_sizes", "[10, 20]"),
    ("candidates.new", "resnet"),
    ("candidates.new", "{model: resnet, args: {width: 8}}"),
    ("serving.scenarios", "{offline: {batch_sizes: [1]}}"),
    ("seed", "9"),
    ("question", '"what: now?"'),
    ("budget", "90"),
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(OVERRIDES), max_size=4, unique_by=lambda o: o[0]))
def test_set_equals_writing_it_in_the_file(tmp_path_factory: Any, chosen: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("set")
    tree = yaml.safe_load(TEXT.replace("1e-2", "0.01").replace("2E-3", "0.002"))
    for path, value in chosen:
        *parents, last = path.split(".")
        where = tree
        for parent in parents:
            where = where[parent]
        where[last] = yaml.safe_load(value)
    written = read(folder, yaml.safe_dump(tree, sort_keys=False))
    assert read(folder, TEXT, *(f"{path}={value}" for path, value in chosen)) == written


def test_set_reaches_shorthand_candidates_dotted_names_and_list_items(tmp_path: Path) -> None:
    suite = read(
        tmp_path,
        TEXT,
        "candidates.cnn.args.width=8",
        "candidates.vit.v2.training.epochs=2",
        "training.seeds.1=5",
    )
    assert suite.candidates["cnn"].args == {"width": 8}
    assert suite.candidates["vit.v2"].training.epochs == 2
    assert suite.training.seeds == (0, 5)


def test_set_to_nothing_drops_the_key(tmp_path: Path) -> None:
    suite = read(tmp_path, TEXT, "candidates.cnn=", "budget=null")
    assert list(suite.candidates) == ["vit.v2"]
    assert suite.budget is None


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_suites_that_ship_are_right(path: Path) -> None:
    where_installed(path)
    assert all(suite.question for suite in read_suites(path).values())


# ---------------------------------------------------------------------------------- the JSON Schema


def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(suite_schema())
    return jsonschema.Draft202012Validator(suite_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_schema_accepts_what_the_reader_accepts(path: Path) -> None:
    where_installed(path)
    validator().validate(yaml.safe_load(path.read_text()))
    for suite in read_suites(path).values():
        resolved = json.loads(json.dumps(yaml.safe_load(suite_to_text(suite))))
        del resolved["folder"]
        validator().validate(resolved)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("{extends: a.yaml}", True),
        ("{extends: a.yaml, candidates: {a: {args: {x: 1}}}}", True),
        ("{name: a}", False),
        ("{extends: a.yaml, training: {epochs: five}}", False),
        ("{extends: a.yaml, training: {epoch: 5}}", False),
        ("{extends: a.yaml, training: {time_limit: 10m}}", True),
        ("{extends: a.yaml, training: {time_limit: soon}}", False),
        ("{extends: a.yaml, data: {path: images}}", True),
        ("{extends: a.yaml, budget: null}", True),
    ],
)
def test_the_schema_knows_shorthand_and_extends(text: str, valid: bool) -> None:
    assert validator().is_valid(yaml.safe_load(text)) is valid


@pytest.mark.parametrize("key", ["path", "test_path"])
def test_every_file_of_the_data_is_looked_for_beside_the_suite(tmp_path: Path, key: str) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(
            "a,y\n" + "".join(f"{i},{'no' if i % 2 else 'yes'}\n" for i in range(40))
        )
    (tmp_path / "suite.yaml").write_text(
        "name: beside\ntask: tabular_classification\n"
        "data: {name: tabular_csv, path: train.csv, test_path: test.csv, target: y}\n"
        "candidates: {logistic: 'sklearn:LogisticRegression'}\nserving: {runtimes: [sklearn]}\n"
    )
    read = read_suite(tmp_path / "suite.yaml")
    assert Path(read.data.args[key]).parent == tmp_path
    (tmp_path / f"{'test' if key == 'test_path' else 'train'}.csv").unlink()
    with pytest.raises(SuiteError, match=f"suite.yaml:3: data: no file at .*: correct `{key}` under data"):
        read_suite(tmp_path / "suite.yaml")
