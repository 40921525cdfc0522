"""The command line: exit codes, streams, what is imported, and that nothing is written in vain."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import types
from dataclasses import asdict
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.cli import data as data_cli
from harness.cli import main as cli
from harness.cli import options as cli_options
from harness.cli.errors import BROKEN
from harness.cli.text import _basis
from harness.planning.plan import Plan
from harness.planning.request import RunRequest
from harness.reading import read_suite, suite_to_text
from harness.record import Measurement, Record, SuiteError
from harness.store import runs as store
from tests.fake_trials import chain

ROOT = Path(__file__).parent.parent
QUICKSTART = str(ROOT / "suites" / "quickstart.yaml")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = cli.main(arguments)
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": tempfile.gettempdir()}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


COMMANDS = ["run", "plan", "report", "recommend", "compare", "list", "export", "doctor", "schema"]
COMMANDS += ["data fetch", "data verify", "data audit", "data clean"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *command.split(), "--help")
    assert (code, err) == (0, "")
    assert f"  python -m harness {command}" in out


@pytest.mark.parametrize("command", ["", "data", "prices", *COMMANDS, "init", "open", "help", "watch"])
def test_help_names_arguments_as_the_documentation_does_and_cuts_no_sentence_off(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call(capsys, *command.split(), "--help")
    usage, *lines = out.splitlines()
    assert re.fullmatch(rf"Usage: harness( {command})? \[OPTIONS\]( [^{{}} ]+)*( \[ARGS\]\.\.\.)?", usage), (
        usage
    )
    assert [line for line in lines if line.endswith("...") or "<str>" in line or "list[" in line] == []


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--version")
    assert (code, out) == (0, f"harness {metadata.version('harness-tradeoffs')}\n")
    assert harness.__version__ == metadata.version("harness-tradeoffs")


def test_help_lists_every_command_of_the_design(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "--help")
    for command in {name.split()[0] for name in COMMANDS}:
        assert f"\n  {command} " in out


UNPLANNED = ("harness.results", "harness.facts.training", "harness.report", "harness.analysis.joint")
"""What a plan without machines to compare needs none of."""

HEAVY = ("torch", "ray", "sklearn", "scipy", "pandas", "matplotlib", "timm", "transformers", "onnxruntime")


@pytest.mark.parametrize(
    ("arguments", "also_not"),
    [
        (["--help"], ("numpy", "pydantic", "yaml")),
        (["run", "--help"], ("numpy", "yaml")),
        (["plan", QUICKSTART], UNPLANNED),
        (["plan", "suites/cnn_vs_vit.yaml"], UNPLANNED),
        (["plan", "suites/cnn_vs_vit.yaml", "--json"], UNPLANNED),
        (["list", "models"], ()),
        (["list", "metrics"], ()),
        (["list", "datasets"], ()),
        (["list", "runtimes"], ()),
        (["schema"], ()),
        (["plan", "missing.yaml"], ()),
    ],
    ids=lambda value: " ".join(Path(str(part)).name for part in value),
)
def test_quick_commands_import_nothing_heavy(arguments: list[str], also_not: tuple[str, ...]) -> None:
    program = (
        "import sys; from harness.cli.main import main; main(sys.argv[1:]);"
        f"print([name for name in {HEAVY + also_not} if name in sys.modules], file=sys.stderr)"
    )
    assert python("-c", program, *arguments).stderr.splitlines()[-1] == "[]"


def test_a_file_on_its_way_is_told_in_megabytes() -> None:
    told = {"place": "https://x.org/a.zip", "bytes": 1_048_576, "of_bytes": 170_498_071}
    assert data_cli._told(told) == "https://x.org/a.zip: 1.0 MB of 170.5 MB"
    assert data_cli._told({**told, "of_bytes": None}) == "https://x.org/a.zip: 1.0 MB"
    assert data_cli._told({"place": "p", "message": "decoded 5 of 9 images"}) == "p: decoded 5 of 9 images"


def test_plan_names_a_deployment_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    workers = "serving.workers=[1]"
    _, out, _ = call(capsys, "plan", QUICKSTART, "--out", str(tmp_path), "--set", workers)
    assert "logistic: 2 train, 4 score, 8 serve; on sklearn@1x1, onnx@1x1\n" in out


def test_plan_says_what_would_run_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "plan", QUICKSTART)
    assert (code, err) == (0, "")
    assert "train  6       0       6" in out
    assert "logistic: 2 train, 4 score, 8 serve; on sklearn, onnx" in out
    assert "a rough guess: nothing like it was run yet" in out
    assert list(tmp_path.iterdir()) == []


def test_plan_says_which_part_is_known_from_earlier_trials_and_which_is_guessed() -> None:
    trials = [trial for pair in zip(chain("a"), chain("b"), strict=True) for trial in pair]
    ids, suite = [t.id for t in trials], read_suite(QUICKSTART)

    def basis(cached: list[str], guessed: list[str]) -> str:
        return _basis(Plan(suite, tuple(trials), frozenset(cached), guessed=frozenset(guessed)))

    assert basis([], ids) == "a rough guess: nothing like it was run yet"
    assert basis([], []) == "from earlier trials like these"
    assert basis(ids[:4], ids[4:]) == "servings roughly guessed, as none like them was run yet"
    assert basis([], ids[3:]) == (
        "trainings and scores from earlier ones like these; "
        "1 of 2 scores and servings roughly guessed, as none like them was run yet"
    )


def test_plan_as_json_goes_to_stdout_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = call(capsys, "plan", QUICKSTART, "--json", "--only", "vit/onnx", "--out", str(tmp_path))
    plan = json.loads(out)
    assert (code, err) == (0, "")
    assert {t["kind"] for t in plan["trials"]} == {"train", "score", "serve"}
    assert not any(t["cached"] for t in plan["trials"])


def test_several_patterns_all_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    patterns = ("--only", "vit/onnx", "--only", "logistic")
    code, out, err = call(capsys, "plan", QUICKSTART, "--json", *patterns, "--out", str(tmp_path))
    assert (code, err) == (0, "")
    assert {t["label"].split()[1].split("/")[0] for t in json.loads(out)["trials"]} == {"vit", "logistic"}
    code, _, err = call(capsys, "plan", QUICKSTART, "--only", "vit", "--only", "cats", "--only", "dogs")
    assert code == 2 and "--only cats" in err and "--only dogs" in err and "--only vit" not in err


def test_several_patterns_reach_a_cluster() -> None:
    assert RunRequest("s.yaml", only=("a", "b*")).arguments == ["--only", "a", "--only", "b*"]
    assert RunRequest("s.yaml", only="a").arguments == ["--only", "a"]


def test_plan_names_the_users_own_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text("def build(task): ...\n")
    (tmp_path / "s.yaml").write_text(f"extends: {QUICKSTART}\ncandidates: {{mine: 'own:build'}}\n")
    _, out, _ = call(capsys, "plan", str(tmp_path / "s.yaml"), "--out", str(tmp_path))
    assert f"Runs your own code: own:build (from {tmp_path})" in out


def finished_run(out: Path) -> store.RunFolder:
    """A run folder of the quickstart in which the first trial is finished."""
    from harness.planning.plan import run_hash
    from harness.planning.trials import plan_trials

    suite = read_suite(QUICKSTART)
    trials = plan_trials(suite)
    run = store.open_run(out, suite.name, run_hash(suite, trials))
    run.write_text("suite.yaml", suite_to_text(suite))
    record = Record(trials[0], "finished", (Measurement("train_seconds", 1.0, "s"),), seconds=2.0)
    run.commit(record, run.scratch(trials[0].id))
    return run


def test_plan_and_list_know_what_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished_run(tmp_path)
    _, out, _ = call(capsys, "plan", QUICKSTART, "--out", str(tmp_path))
    assert "train  6       1       5" in out
    _, out, _ = call(capsys, "list", "runs", "--out", str(tmp_path))
    assert out.split() == [f"quickstart/{run.id}", "1", "trials", "no", "recommendation", "yet"]


def test_lists_give_numbers_and_dates_as_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials were "39 trials", and a verdict was one text with the choice."""
    run = finished_run(tmp_path)
    row = {"run": f"quickstart/{run.id}", "suite": "quickstart", "trials": 1, "verdict": None, "choice": None}
    (found,) = json.loads(call(capsys, "list", "runs", "--json", "--out", str(tmp_path))[1])
    began = datetime.fromisoformat(found.pop("began"))
    assert (
        found == row and began.strftime("%Y%m%d-%H%M%S") == run.id[:15] and began.utcoffset() == timedelta()
    )
    run.write_text("recommendation.json", json.dumps({"verdict": "tie", "choice": "vit/onnx"}))
    (found,) = json.loads(call(capsys, "list", "runs", "--json", "--out", str(tmp_path))[1])
    assert (found["verdict"], found["choice"]) == ("tie", "vit/onnx")
    assert "1 trials  tie vit/onnx" in call(capsys, "list", "runs", "--out", str(tmp_path))[1]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "wrong.yaml").write_text(f"extends: {QUICKSTART}\nname: a/b\nbudget: soon\n")
    assert json.loads(call(capsys, "list", "suites", "--json")[1]) == [
        {"file": "suites/wrong.yaml", "question": None, "mistakes": 2}
    ]
    better = {row["better"] for row in json.loads(call(capsys, "list", "metrics", "--json")[1])}
    assert better == {"higher", "lower"}


def test_a_suite_that_lacks_a_package_is_not_listed_as_a_mistaken_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer saw `(3 mistakes: plan it to see them)` of a suite that ships."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "a.yaml").touch()
    lacks = "suites/a.yaml:4: candidates.x.model: `xgboost:X` needs xgboost: pip install -e '.[boosting]'"
    for said, shown in (
        ((lacks, lacks.replace("xgboost", "catboost")), "(not installed here: pip install -e '.[boosting]')"),
        ((lacks, "suites/a.yaml:5: name: is missing"), "(2 mistakes: plan it to see what)"),
        (("suites/a.yaml:5: name: is missing",), "(1 mistake: plan it to see what)"),
    ):

        def read_suites(path: Path, said: tuple[str, ...] = said) -> None:
            raise SuiteError(*said)

        monkeypatch.setattr("harness.reading.read_suites", read_suites)
        assert shown in call(capsys, "list", "suites")[1]


def test_a_wrong_suite_exits_2_with_all_mistakes_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(f"extends: {QUICKSTART}\nname: a/b\nbudget: soon\n")
    for command in ("plan", "run"):
        code, out, err = call(capsys, command, str(file), "--out", str(tmp_path / "results"))
        assert (code, out) == (2, "")
        assert [line.split(": ")[0] for line in err.splitlines()] == [f"{file}:2", f"{file}:3", "2 mistakes"]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["run"], "SUITE is missing"),
        (["run", QUICKSTART, "--only"], "--only: its value is missing: write `--only GLOB`"),
        (["run", QUICKSTART, "--smoke=3"], "--smoke takes no value: leave it out"),
        (["--verbos", "run"], "did you mean `--verbose`?"),
        (["report", "latest", "-pdf"], "did you mean `--pdf`?"),
        (["plan", "a.yaml", "--smoek"], "--smoke"),
        (["plan", "a.yaml", "b.yaml"], "b.yaml: one argument too many: `harness plan` takes SUITE"),
        (["run", "a.yaml", "--only", "a", "b"], "b: one argument too many: write `--only b`"),
        (["plan", "nowhere.yaml"], "nowhere.yaml:1: there is no such file"),
        (["list", "modles"], "did you mean `models`?"),
        (["data", "verfy", "digits"], "Did you mean 'verify'?"),
        (["data", "verify", "digitz"], "digits"),
        (["data", "verify", "digits", "--set", "x"], "--set x: write `--set key=value`"),
        (["data", "audit", "tabular_csv", "--set", "path=no.csv"], "tabular_csv needs `--set target=…`"),
        (["run", QUICKSTART, "--budget", "soon"], "--budget soon: is not a valid duration"),
        (["run", QUICKSTART, "--track", "wandbb"], "did you mean `wandb`?"),
        (["recommend", "x", "--maximize", "a", "--minimize", "b"], "contradict each other"),
        (["report", "nothing"], "no run 'nothing'"),
        (["plan", QUICKSTART, "--only", "vitt"], "did you mean `vit`?"),
        (["plan", QUICKSTART, "--set", "training.epoch=2"], "did you mean `epochs`?"),
    ],
    ids=lambda value: " ".join(Path(part).name for part in value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_and_names_the_cure(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_all_misspelt_options_and_missing_arguments_of_a_command_are_told_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unknown = "there is no such option: did you mean"
    said = [f"--exhaustve: {unknown} `--exhaustive`?", f"--onyl: {unknown} `--only`?", "2 mistakes"]
    assert call(capsys, "run", QUICKSTART, "--exhaustve", "--onyl", "x") == (2, "", "\n".join(said) + "\n")
    _, _, err = call(capsys, "export", "latest", "--ot", "x", "--verbos=1")  # x may be the value of --ot
    told = [line.split(":")[0] for line in err.splitlines()]
    assert told == ["--ot", "--verbos", "DIR is missing", "3 mistakes"]
    assert "'--rounds'" in call(capsys, "calibrate", "--rounds", "--quik")[2]  # a value, however it begins


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["run", "{suite}", "--budget", "soon", "--track", "x,y", "--set", "seed"],
            ["--budget soon: ", "--track x,y: there is no tracker `x`", "--track x,y: there is no",
             "{suite}:2: name", "{suite}:3: decision.constraints: `accuracy >= 88`", "--set seed: write"],
        ),
        (
            ["run", QUICKSTART, "--budget", "soon", "--only", "nix", "--certify", "vitt/onnx"],
            ["--budget soon: ", "--only nix: fits no", "--certify vitt/onnx: no such variant is served"],
        ),
        (
            ["plan", "{sets}", "--dataset", "wines"],
            ["{sets}:1: nmae: unknown key", "--dataset wines: did you mean `wine`?"],
        ),
        (
            ["compare", "a", "b", "--margin", "5", "--format", "gihub", "--plot", "x.jpg"],
            ["--margin 5: write a share from 0 to below 1, 0.05 for 5 %", "--format gihub: ",
             "--plot x.jpg: ", "no run 'a'", "no run 'b'"],
        ),
        (
            ["init", "no.csv", "no.py", "-o", "nowhere/x.yam", "--budget", "soon", "--set", "x", "--ask"],
            ["--budget soon: ", "--set x: write", "--ask needs a terminal",
             "-o nowhere/x.yam: there is no folder", "-o nowhere/x.yam: a suite file ends",
             "no.csv is not there", "no.py is not there"],
        ),
        (
            ["recommend", "nix", "--maximize", "a", "--minimize", "b"],
            ["--maximize and --minimize contradict each other", "no run 'nix'"],
        ),
        (["export", "nix", "a/b", "."], ["no run 'nix'", ". is there already and not empty"]),
        (
            ["prices", "update", "--providers", "aws,foo,bar"],
            ["--providers: there is no provider 'foo'", "--providers: there is no provider 'bar'"],
        ),
        (["data", "audit", "digits", "--set", "x", "--set", "y"], ["--set x: write", "--set y: write"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_all_wrong_flags_are_said_at_once_with_what_is_wrong_in_the_suite(
    arguments: list[str],
    said: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    suite, sets = tmp_path / "suite.yaml", tmp_path / "sets.yaml"
    suite.write_text(f"extends: {QUICKSTART}\nname: a/b\ndecision: {{constraints: [accuracy >= 88]}}\n")
    sets.write_text(
        "nmae: s\nname: s\ntask: tabular_classification\n"
        "datasets: {wine: {name: breast_cancer}, tumours: {name: breast_cancer}}\n"
        'candidates: {one: "sklearn:LogisticRegression"}\n'
    )
    names = {"suite": suite, "sets": sets}
    code, out, err = call(capsys, *(word.format(**names) for word in arguments))
    assert (code, out) == (2, "")
    found = [line for line in err.splitlines() if not line.endswith(" …")]
    assert found[-1] == f"{len(said)} mistakes"
    wanted = [text.format(**names) for text in said]
    assert [line[: len(text)] for line, text in zip(found[:-1], wanted, strict=True)] == wanted
    assert sorted(tmp_path.iterdir()) == [sets, suite]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def suite_schema() -> dict[str, Any]:
        raise error

    module = types.ModuleType("harness.reading.json_schema")
    module.suite_schema = suite_schema  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness.reading.json_schema", module)


def test_interruption_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    code, out, err = call(capsys, "schema")
    assert (code, out, err) == (130, "", "interrupted\n")


def test_interruption_in_a_finalizer_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def suite_schema() -> dict[str, Any]:
        Gone()
        time.sleep(5)
        return {}

    module = types.ModuleType("harness.reading.json_schema")
    module.suite_schema = suite_schema  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness.reading.json_schema", module)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a script's background
    try:
        assert call(capsys, "schema") == (130, "", "interrupted\n")
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("words_of", [cli_options.Group, cli_options.Command])
def test_interruption_is_said_while_words_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words_of: type
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(words_of, "parse_args", interrupted)
    assert call(capsys, "schema") == (130, "", "interrupted\n")


def test_a_mistake_of_the_harness_is_owned_and_debug_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, ZeroDivisionError("by zero"))
    code, out, err = call(capsys, "schema")
    assert (code, out) == (1, "")
    assert re.fullmatch(rf"ZeroDivisionError: by zero \(harness/cli/main.py:\d+\)\n{BROKEN}\n", err)
    for arguments in (["--debug", "schema"], ["schema", "--debug"]):
        with pytest.raises(ZeroDivisionError):
            cli.main(arguments)


def test_a_missing_package_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, ModuleNotFoundError("No module named 'x'", name="x"))
    assert call(capsys, "schema") == (2, "", "x is not installed: pip install x\n")


def test_run_passes_what_was_typed_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    received: dict[str, Any] = {}

    def run_suite(request: RunRequest) -> int:
        received.update(asdict(request))
        return 1

    module = types.ModuleType("harness.running.run")
    module.run_suite = run_suite  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness.running.run", module)
    code, _, _ = call(
        capsys, "run", "s.yaml", "--set", "a=1", "--set", "b.c=2", "--budget", "10m",
        "--track", "wandb,mlflow", "--only", "v*", "--smoke", "--json", "--address", "auto", "--out", "o",
    )  # fmt: skip
    assert code == 1
    assert received == {
        "suite": "s.yaml", "overrides": ("a=1", "b.c=2"), "only": ("v*",), "out": "o", "address": "auto",
        "submit": None, "budget": 600.0, "smoke": True, "track": ("wandb", "mlflow"), "json_out": True,
        "until_decided": None, "certify": None, "refresh": False, "again": False, "dataset": None,
        "sums_up": True, "is_passing": False,
    }  # fmt: skip


def test_whether_to_stop_once_it_is_decided_is_left_to_the_suite_or_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    received: list[bool | None] = []
    module = types.ModuleType("harness.running.run")
    module.run_suite = lambda request: received.append(request.until_decided) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness.running.run", module)
    for options in ((), ("--exhaustive",), ("--until-decided",)):
        assert call(capsys, "run", "s.yaml", *options)[0] == 0
    assert received == [None, False, True]


@pytest.mark.parametrize("what", ["models", "datasets", "metrics", "runtimes", "suites"])
def test_lists_have_a_described_line_each(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    code, out, err = call(capsys, "list", what)
    assert (code, err) == (0, "")
    assert out.strip()
    assert all(len(line.split("  ", 1)[-1]) > 10 for line in out.splitlines())
    _, out, _ = call(capsys, "list", what, "--json")
    found = json.loads(out)
    assert all(all(v not in ("", None) for v in row.values()) or row.get("mistakes") for row in found)


def test_an_empty_list_says_so_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "list", "runs", "--out", str(tmp_path / "no")) == (0, "", "there are no runs here\n")


def test_the_module_runs_as_a_program_and_a_closed_pipe_is_no_error() -> None:
    ended = python("-m", "harness", "rnu")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    program = f"{sys.executable} -m harness list metrics | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stdout[:8], ended.stderr) == (0, "accuracy", "")
    program = f"{sys.executable} -m harness schema | true; exit ${{PIPESTATUS[0]}}"  # more than a pipe holds
    ended = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


TEXTS = """\
name: moods
task: text_classification
data: {name: text_csv, path: films.csv}
candidates:
  words: sklearn:LogisticRegression
  tree: sklearn:DecisionTreeClassifier
serving: {runtimes: [torch, onnx, onnx-int8]}
machine: {usd_per_hour: 0.1}
decision: {objective: maximize accuracy}
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"txt,label\na,x\nb,y\n", "has no column 'text', did you mean 'txt'?"),
        ("text,label\nschön,x\nb,y\n".encode("latin-1"), "is not utf-8: byte 0xf6 at 14; write its encoding"),
        (b"text,label\na,x\nb,x\n", "has one class, 'x': a classifier needs two or more"),
    ],
)
def test_own_texts_that_cannot_be_used_exit_2_with_line_and_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    (tmp_path / "films.csv").write_bytes(content)
    (tmp_path / "moods.yaml").write_text(TEXTS)
    code, out, err = call(capsys, "plan", str(tmp_path / "moods.yaml"))
    assert code == 2 and not out and "moods.yaml:3: data: " in err and said in err


def test_plan_says_which_runtimes_an_estimator_is_not_tried_on_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"film {i},{'xy'[i % 2]}\n" for i in range(60))
    (tmp_path / "films.csv").write_text(f"text,label\n{rows}")
    (tmp_path / "moods.yaml").write_text(TEXTS)
    code, out, err = call(capsys, "plan", str(tmp_path / "moods.yaml"), "--out", str(tmp_path / "results"))
    assert (code, err) == (0, "")
    assert "; on sklearn, onnx\n" in out
    assert "words: not on onnx-int8: an estimator has no weights that 8 bits" in out
    assert "tree: not on onnx: over words only LinearSVC" in out and "on sklearn\n" in out
    (tmp_path / "moods.yaml").write_text(TEXTS.replace("[torch, onnx, onnx-int8]", "[onnx]"))
    code, _, err = call(capsys, "plan", str(tmp_path / "moods.yaml"))
    assert code == 2 and "moods.yaml:6: candidates.tree.model: runs on none of onnx: add torch" in err
