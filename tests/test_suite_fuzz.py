"""500 mutated suites: every answer is a valid plan, or mistakes that each say where; nothing else."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.planning.trials import plan_trials
from harness.reading import read_suite, suite_from_text, suite_to_text
from harness.record import SuiteError

MUTATED = 500
SUITES = Path(__file__).parent.parent / "suites"
SEEDS = [
    (SUITES / "quickstart.yaml").read_text(),
    (SUITES / "cnn_vs_vit.yaml").read_text(),
    """
extends: base.yaml
training: &t
  {epochs: 2, optimizer: {lr: 1e-3}, tuning: {space: {optimizer.lr: {loguniform: [1e-4, 1e-2]}}}}
candidates:
  mine: {model: "own:build", args: {width: 3}, training: *t}
  done: onnx:model.onnx
serving: {scenarios: {server: {latency_p99_ms: 10}}}
decision:
  {objective: maximize value, value: "120*accuracy - 3*latency_p50_ms", constraints: ["ece<=.1 with 0.9"]}
""",
]
SHOP = """
name: shop
task: recommendation
data: {name: mock_shop, items: 500, users: 100, impressions: 20000}
candidates:
  popular: {retrieval: {model: popularity}}
  tower:
    retrieval: {model: two_tower, dim: 8, index: {hnsw: {m: 8}}, candidates: 100}
    ranking: {model: logistic}
decision: {objective: maximize ndcg@10, constraints: [latency_p99_ms <= 50]}
"""
SEEDS.append(SHOP)
WORDS = [
    "null", "[]", "{}", "true", "on", "-1", "0", "1e-4", "1e999", ".nan", "010", "10:30", "''", '"\\ud800"',
    "*t", "&t", "!!python/object:os.system x", "!!binary aGk=", "?", "- a", "<<: *t", "2024-01-01",
    "é\u2028x", "9" * 30, "a" * 300, "[[[[[]]]]]", "{a: {b: {c: 1}}}", "../..", "timm:", ":x", "a:b:c",
    "sklearn:SVC", "hf:./x", "onnx:/dev/null", "own:missing", "value", "accuracy", "recommendation",
    "text_classification", "~", "|", ">", "%", "@", "\t", "\x07",
]  # fmt: skip


def mutate(rng: random.Random, text: str) -> str:
    """One to three changes: lines lost, doubled, moved, re-indented; values, keys and characters replaced."""
    for _ in range(rng.randint(1, 3)):
        lines = text.split("\n")
        i = rng.randrange(len(lines))
        change = rng.randrange(9)
        if change == 0:
            del lines[i]
        elif change == 1:
            lines.insert(i, lines[rng.randrange(len(lines))])
        elif change == 2:
            lines[i] = " " * rng.randrange(6) + lines[i].lstrip()
        elif change == 3:
            lines[i] = re.sub(r":\s*[^:]*$", lambda m: ": " + rng.choice(WORDS), lines[i])
        elif change == 4:
            lines[i] = re.sub(r"[\w.]+", lambda m: rng.choice([m[0], rng.choice(WORDS)]), lines[i])
        elif change == 5:
            lines[i] = re.sub(r"\w+(?=:)", lambda m: m[0][: rng.randrange(len(m[0]) + 1)], lines[i])
        elif change == 6:
            lines[i] += rng.choice([" ", ", ", ": ", "]", "}", "{", "#", "'", '"', "\\"])
        elif change == 7 and lines[i]:
            j = rng.randrange(len(lines[i]))
            lines[i] = (
                lines[i][:j] + chr(rng.choice([9, 33, 58, 91, 123, 233, 8232, 0x1F600])) + lines[i][j + 1 :]
            )
        else:
            lines.insert(i, " " * rng.randrange(4) + f"{rng.choice(WORDS)}: {rng.choice(WORDS)}")
        text = "\n".join(lines)
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the mutated suite lies, beside what it extends and imports."""
    (tmp_path / "base.yaml").write_text((SUITES / "quickstart.yaml").read_text())
    (tmp_path / "own.py").write_text("def build(task, *, width: int = 8): ...\n")
    return tmp_path


BESIDE = ["base.yaml", "own.py", "suite.yaml"]


def write_mutated(folder: Path, seed: int) -> tuple[Path, random.Random]:
    rng = random.Random(seed)
    file = folder / "suite.yaml"
    file.write_text(mutate(rng, rng.choice(SEEDS)), encoding="utf-8", errors="surrogatepass")
    return file, rng


def place_in(folder: Path) -> re.Pattern[str]:
    """How every mistake begins: all have a line, or the option that was wrong."""
    return re.compile(rf"({re.escape(str(folder))}/(suite|base)\.yaml:\d+|--set .*?): \S")


def test_a_mutated_suite_is_planned_or_its_mistakes_say_where(folder: Path) -> None:
    place, planned = place_in(folder), 0
    for seed in range(MUTATED):
        file, rng = write_mutated(folder, seed)
        overrides = [
            f"{rng.choice(['training.epochs', 'a.b', 'candidates.vit', 'data'])}={rng.choice(WORDS)}"
        ]
        try:
            suite = read_suite(file, overrides if rng.random() < 0.2 else ())
        except SuiteError as error:
            assert error.mistakes
            for mistake in error.mistakes:
                assert place.match(mistake), f"seed {seed}: {mistake!r}"
                mistake.encode()
        else:
            planned += 1
            assert plan_trials(suite)
            assert suite_from_text(suite_to_text(suite)) == suite
    assert sorted(path.name for path in folder.iterdir()) == BESIDE
    # 15 % with these seeds: fewer would say that the mutations only break YAML, more that nothing is broken.
    assert 0.1 <= planned / MUTATED <= 0.3


def test_the_command_line_answers_a_mutated_suite_with_a_plan_or_exit_code_2(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    place, codes = place_in(folder), Counter[int]()
    for seed in range(0, MUTATED, 10):
        file, _ = write_mutated(folder, seed)
        code = main(["plan", str(file)])
        out, err = capfd.readouterr()
        codes[code] += 1
        assert "Traceback" not in out + err, f"seed {seed}"
        if code == 0:
            assert "serve" in out + err
            continue
        assert code == 2, f"seed {seed}: {err}"
        said = err.splitlines()
        assert place.match(said[0]), f"seed {seed}: {err}"
        assert main(["run", str(file)]) == 2, f"seed {seed}"
        assert capfd.readouterr().err.splitlines() == said, "`run` finds what `plan` finds"
        assert sorted(path.name for path in folder.iterdir()) == BESIDE
    assert min(codes[0], codes[2]) >= 5
