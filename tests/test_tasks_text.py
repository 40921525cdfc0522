"""Texts end to end on a few hundred made-up sentences: trained, scored, answered alike, and abused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression

from harness.codec import to_json
from harness.metrics import METRICS
from harness.models.estimator import estimator_predict, save_estimator
from harness.models.estimators import build
from harness.models.fitted import Meta, Scaling, load_meta
from harness.models.tokenizers import load_tokenizer, weighed_words
from harness.protocols import Outcome, Predict, Split, Task
from harness.record import DataError, TrialError
from harness.running import preflight
from harness.runtimes import runtime, texts
from harness.runtimes.exporting import LINEAR_ANSWERS, export_word_weights
from harness.runtimes.onnx_forms import ON_WORDS
from harness.tasks import estimators, evaluation, supervised
from harness.training.texts import TokenBatches, lengths_of
from tests import task_trials
from tests.task_trials import score, train, values

GOOD, BAD = ("wonderful", "moving", "clever"), ("dull", "tedious", "awful")
STRANGE = ["", "a" * 100_000, "word " * 20_000, "😀🎬👍", "nul\x00byte", "\ud83d", "   \n\t "]
WORDS = (*GOOD, *BAD, "the", "film", "of", "people", "unknown", "!")
APART = {"torch": 1e-4, "onnx": 1e-4, "onnx-int8": 0.05}
"""Runtime → how far probabilities of a text may lie apart: 8 bits share a scale among the rows of a batch."""
SMALL = {"bilstm": {"dim": 16, "hidden": 16}, "transformer_encoder": {"dim": 16, "depth": 1, "heads": 2}}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences whose polarity one word decides; a word of its own in each test sentence."""
    random = np.random.default_rng(0)
    lines = ["text,label"]
    for i in range(320):
        words = ["the", "film", "is", "a", "story", "of", "people", "who", "talk"][: 3 + i % 6]
        polarity = (BAD, GOOD)[i % 2]
        words.insert(int(random.integers(len(words))), polarity[int(random.integers(3))])
        lines.append(f"{' '.join(words)} number{i},{('negative', 'positive')[i % 2]}")
    path = tmp_path_factory.mktemp("data") / "films.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def spec(model: str, table: Path, args: dict[str, Any] | None = None, **training: Any) -> dict[str, Any]:
    given = SMALL.get(model, {}) if args is None else args
    what = task_trials.spec(model, given, "text_csv", **{"epochs": 4, "batch_size": 32, **training})
    data = {"name": "text_csv", "args": {"path": str(table)}, "validation": 0.15, "seed": 0}
    return {**what, "data": data}


@pytest.fixture(scope="module", params=["bilstm", "transformer_encoder"])
def network(
    request: pytest.FixtureRequest, table: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path, Outcome]:
    what = spec(request.param, table, epochs=6, optimizer={"lr": 0.02})
    folder = tmp_path_factory.mktemp(request.param) / "train"
    return what, folder, train(what, folder)


Network = tuple[dict[str, Any], Path, Outcome]


@pytest.fixture(scope="module")
def served(network: Network, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Outcome]]:
    """Runtime → folder and outcome of its score trial; exporting takes seconds."""
    what, trained, _ = network
    folders = {r: tmp_path_factory.mktemp("score") / r for r in APART}
    return {r: (folder, score(what, r, trained, folder)) for r, folder in folders.items()}


def test_a_network_learns_which_word_decides_and_says_what_it_cost(
    network: Network, served: dict[str, tuple[Path, Outcome]]
) -> None:
    trained, scored = network[2], served["torch"][1]
    accuracy = values(scored)["accuracy"]
    assert accuracy is not None and accuracy >= 0.95
    found = values(trained)
    assert set(found) == {"train_seconds", "parameters", "flops_per_example"} and found["flops_per_example"]
    assert all(m.unit == METRICS[m.metric].unit for m in (*trained.measurements, *scored.measurements))
    assert 4 <= trained.facts.flops_at_tokens <= 12
    json.dumps(to_json(trained.facts)), json.dumps(to_json(scored.facts))


def test_the_vocabulary_holds_words_of_the_training_part_alone(network: Network) -> None:
    _, folder, trained = network
    words = json.loads((folder / "fitted" / "tokenizer.json").read_text())["words"]
    assert set(GOOD + BAD) < set(words) and not [w for w in words if w.startswith("number")]
    meta = load_meta(folder / "fitted")
    assert meta.task.vocab_size == len(words) + 2 == trained.facts.vocabulary
    assert meta.task.max_length == 128


def test_onnx_takes_texts_answers_like_torch_and_needs_no_torch(
    served: dict[str, tuple[Path, Outcome]],
) -> None:
    folder, scored = served["onnx"]
    parity = scored.facts.parity
    assert parity.reference == "torch fp32" and parity.agreement == 1.0
    assert parity.max_abs_difference < 1e-4
    artifact = folder / "artifact"
    code = (
        "import sys; from pathlib import Path; from harness.serving import plain\n"
        f"p = plain.load_variant({{'runtime': 'onnx'}}, Path({str(artifact)!r}), 1, 'cpu')\n"
        "print(p(['a wonderful film'])[0, 1]); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.5


def test_strange_texts_get_an_answer_on_every_runtime(
    served: dict[str, tuple[Path, Outcome]],
) -> None:
    for name, (folder, _) in served.items():
        predict = texts.load(name, folder / "artifact", 1)
        alone = np.concatenate([predict([text]) for text in STRANGE])
        evaluation.check_predictions(alone, len(STRANGE), load_meta(folder / "artifact").task)
        np.testing.assert_allclose(predict(STRANGE), alone, atol=APART[name])  # padding changes no answer


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_a_texts_answer_is_its_own_whatever_stands_beside_it(
    served: dict[str, tuple[Path, Outcome]], rows: list[list[str]]
) -> None:
    together = [" ".join(row) for row in rows]
    for name, (folder, _) in served.items():
        predict = _loaded(name, folder / "artifact")
        alone = np.concatenate([predict([text]) for text in together])
        np.testing.assert_allclose(predict(together), alone, atol=APART[name], err_msg=name)


@cache
def _loaded(name: str, artifact: Path) -> Predict:
    return texts.load(name, artifact, 1)


POOLING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, task, how):
        super().__init__()
        self.how, self.embed = how, nn.Embedding(task.vocab_size, 16)
        self.reader, self.conv = nn.GRU(16, 16, batch_first=True), nn.Conv1d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, task.num_classes)

    def forward(self, tokens):
        x, real = self.embed(tokens), (tokens != 0).unsqueeze(-1)
        if self.how == "mean":
            x = x.mean(1)
        elif self.how == "last state":
            x = self.reader(x)[0][:, -1]
        elif self.how == "convolution":
            x = self.conv(x.transpose(1, 2)).relu().amax(2)
        elif self.how == "mean of words":
            x = (x * real).sum(1) / real.sum(1)
        elif self.how == "last word":
            last = (real.sum(1, keepdim=True) - 1).expand(-1, -1, 16)
            x = self.reader(x)[0].gather(1, last)[:, 0]
        return self.head(x)

def build(task, *, how: str = "mean"):
    return Net(task, how)
"""


@pytest.mark.parametrize("how", ["mean", "last state", "convolution", "mean of words", "last word"])
def test_a_network_that_counts_padding_is_told_how_to_leave_it_out_before_it_is_trained(
    how: str, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "pooling.py").write_text(POOLING)
    what = {**spec("pooling:build", table, {"how": how}, epochs=1), "search": str(tmp_path)}
    if "word" in how:
        train(what, tmp_path / "train")
        return
    with pytest.raises(TrialError, match="answered otherwise alone than beside longer ones .*real = "):
        train(what, tmp_path / "train")
    assert not (tmp_path / "train" / "history.csv").exists()


def test_an_estimator_weighs_words_and_serves_texts_without_torch(table: Path, tmp_path: Path) -> None:
    args = {"C": 10.0, "tfidf": {"ngram_range": [1, 1]}}
    what = spec("sklearn:LogisticRegression", table, args)
    trained = train(what, tmp_path / "train")
    scored = score(what, "sklearn", tmp_path / "train", tmp_path / "score")
    assert (values(scored)["accuracy"] or 0) >= 0.95 and scored.facts.parity.max_abs_difference == 0
    assert values(trained)["parameters"] == trained.facts.vocabulary + 1
    predict = texts.load("sklearn", tmp_path / "score" / "artifact", 1)
    task = load_meta(tmp_path / "train" / "fitted").task
    evaluation.check_predictions(predict(STRANGE), len(STRANGE), task)
    with pytest.raises(TrialError, match="tfidf has no argument ngrams"):
        train(spec("sklearn:LogisticRegression", table, {"tfidf": {"ngrams": 2}}), tmp_path / "wrong")


def test_weighed_words_on_onnx_answer_like_scikit_learn(table: Path, tmp_path: Path) -> None:
    args = {"C": 10.0, "tfidf": {"ngram_range": [1, 2], "min_df": 1}}
    what = spec("sklearn:LogisticRegression", table, args)
    train(what, tmp_path / "train")
    scored = score(what, "onnx", tmp_path / "train", tmp_path / "onnx")
    assert scored.facts.parity.max_abs_difference < 1e-6
    ours = texts.load("onnx", tmp_path / "onnx" / "artifact", 1)
    theirs, _ = supervised.reference_predict(tmp_path / "train" / "fitted")
    whole = np.concatenate([ours([text]) for text in STRANGE])
    np.testing.assert_allclose(whole, theirs(STRANGE), atol=1e-6)
    np.testing.assert_allclose(ours(STRANGE), whole, atol=1e-6)


TEXTS = ("A café film, isn't it? NOT bad bad bad", "naïve Über-film of the cafe", "not a film", "", "ﬁne 😀")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ngram_range": (1, 3), "sublinear_tf": True},
        {"lowercase": False, "binary": True, "norm": "l1"},
        {"strip_accents": "unicode", "stop_words": "english"},
        {"strip_accents": "ascii", "use_idf": False, "norm": None, "token_pattern": r"(?u)\b(\w)\w*"},
    ],
)
def test_words_are_weighed_as_scikit_learn_weighs_them(options: dict[str, Any], tmp_path: Path) -> None:
    vectorizer = TfidfVectorizer(**options).fit(TEXTS)
    weighed_words(vectorizer).save(tmp_path / "tokenizer.json")
    numbers, weights = load_tokenizer(tmp_path / "tokenizer.json").encode([*TEXTS, "unseen only"])
    table = np.zeros((len(TEXTS) + 1, len(vectorizer.vocabulary_)))
    np.add.at(table, (np.arange(len(table))[:, None], numbers), weights)
    expected = vectorizer.transform([*TEXTS, "unseen only"]).toarray()
    np.testing.assert_allclose(table, expected, atol=1e-6)
    assert expected[:3].any(), "there is something to weigh"


@pytest.mark.parametrize("name", sorted(ON_WORDS))
@pytest.mark.parametrize("classes", [2, 3])
def test_every_linear_estimator_over_words_answers_on_onnx_as_in_scikit_learn(
    name: str, classes: int, tmp_path: Path
) -> None:
    random = np.random.default_rng(classes)
    said = [" ".join(random.choice(["good", "bad", "film", "dull", "story"], 6)) for _ in range(60)]
    part = Split(said, random.integers(classes, size=60), np.arange(60))
    task = Task("text_classification", classes, tuple("abcd"[: classes + 1]), ())
    task = replace(task, num_classes=classes + 1)  # the last class has no training example
    scaling = Scaling((), ())
    made = estimators.fit_estimator(
        build(f"sklearn:{name}", {}, 0, 1), part, None, task, scaling, {"min_df": 1}
    )
    meta = Meta("sklearn", f"sklearn:{name}", {}, task, classes=made.classes)
    save_estimator(tmp_path / "fitted", made.model, meta)
    runtime("onnx").prepare(tmp_path / "fitted", tmp_path / "artifact")
    ours = texts.load("onnx", tmp_path / "artifact", 1)(said)
    np.testing.assert_allclose(ours, estimator_predict(made.model, meta)(said), atol=1e-5)
    assert ours.shape == (60, classes + 1) and not ours[:, -1].any()


def test_estimators_and_words_without_an_onnx_form_are_said(tmp_path: Path) -> None:
    assert set(LINEAR_ANSWERS) == ON_WORDS
    with pytest.raises(TrialError, match="LinearRegression over TF-IDF has no ONNX form.*runtime sklearn"):
        export_word_weights(LinearRegression(), 2, (0, 1), 1, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="analyzer.*serve it on runtime sklearn"):
        weighed_words(TfidfVectorizer(analyzer="char").fit(TEXTS))


def test_a_finished_onnx_file_is_refused_for_texts(table: Path, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="brings no tokenizer"):
        train(spec("onnx:model.onnx", table, {}), tmp_path / "train")


def test_text_candidates_are_built_before_a_run_and_mistakes_are_said(table: Path) -> None:
    wanted = {
        "bilstm": {"model": "bilstm", "args": SMALL["bilstm"], "seed": 0},
        "words": {"model": "sklearn:LogisticRegression", "args": {"C": 2, "tfidf": {"min_df": 1}}, "seed": 0},
        "wrong": {"model": "sklearn:LogisticRegression", "args": {"tfidf": {"ngrams": 2}}, "seed": 0},
    }
    request = {"data": {"name": "text_csv", "args": {"path": str(table)}}, "folder": "", "candidates": wanted}
    wrong = preflight.build(request)
    assert set(wrong) == {"wrong"} and "no argument ngrams" in wrong["wrong"]


@pytest.fixture(scope="module")
def rare_label(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labels, one of them so rare that a small training part has none of it."""
    rows = [f"a {GOOD[i % 3]} film {i},good" for i in range(60)] + [
        f"a {BAD[i % 3]} film {i},bad" for i in range(60)
    ]
    rows += [f"a film {i},mixed" for i in range(6)]
    path = tmp_path_factory.mktemp("rare") / "films.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("model", "args", "runtime"),
    [
        ("sklearn:LogisticRegression", {"tfidf": {"min_df": 1}}, "sklearn"),
        ("sklearn:LogisticRegression", {"tfidf": {"min_df": 1}}, "onnx"),
        ("transformer_encoder", None, "torch"),
    ],
)
def test_a_label_that_a_small_training_part_lacks_is_scored_as_never_answered(
    rare_label: Path, tmp_path: Path, model: str, args: dict[str, Any] | None, runtime: str
) -> None:
    what = {**spec(model, rare_label, args, epochs=1), "train_size": 12}
    trained = train(what, tmp_path / "train")
    assert trained.facts.data.classes_missing_in_train == ("mixed",)
    scored = score(what, runtime, tmp_path / "train", tmp_path / "score")
    assert scored.facts.per_class_accuracy["mixed"] == 0.0 and (values(scored)["log_loss"] or 0) > 0
    predict = texts.load(runtime, tmp_path / "score" / "artifact", 1)
    answers = predict(["a dull film", ""])
    assert answers.shape == (2, 3)
    if model.startswith("sklearn"):
        assert not answers[:, 2].any()


@pytest.mark.parametrize("model", ["sklearn:LogisticRegression", "bilstm"])
def test_a_training_part_of_one_class_gets_a_reason_or_an_answer(
    rare_label: Path, tmp_path: Path, model: str
) -> None:
    what = {**spec(model, rare_label, {"tfidf": {"min_df": 1}} if "sklearn" in model else None, epochs=1)}
    what["train_size"] = 1
    if model.startswith("sklearn"):
        with pytest.raises(TrialError, match="LogisticRegression cannot be fitted: .*class"):
            train(what, tmp_path / "train")
        return
    trained = train(what, tmp_path / "train")
    assert len(trained.facts.data.classes_missing_in_train) == 2
    assert np.isfinite([v for v in values(trained).values() if v is not None]).all()


def test_one_class_only_is_said(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("text,label\n" + "fine,positive\n" * 40)
    with pytest.raises(DataError, match="has one class"):
        train(spec("sklearn:LogisticRegression", path, {}), tmp_path / "train")


@pytest.mark.parametrize("n, size", [(1, 8), (7, 8), (500, 8), (501, 4), (64, 64)])
def test_an_epoch_shows_every_text_once_in_batches_of_like_length(n: int, size: int) -> None:
    random = np.random.default_rng(1)
    lengths = random.integers(1, 60, n)
    tokens = np.where(np.arange(60) < lengths[:, None], 5, 0)
    tokens[:, 0] = np.arange(n) + 1
    batches = TokenBatches(tokens, np.arange(n), tokens[:3], np.arange(n)[:3], size, seed=0)
    seen = list(batches.training(0))
    assert len(seen) == batches.steps_per_epoch
    assert sorted(int(t) for _, targets in seen for t in targets) == list(range(n))
    for inputs, targets in seen:
        assert len(targets) <= size and torch.equal(inputs[:, 0], targets + 1)
        assert inputs.shape[1] == max(lengths[targets.numpy()])
    padding = sum(int((inputs == 0).sum()) for inputs, _ in seen)
    if n >= 500:
        assert padding < 0.15 * int(lengths.sum())
    again = [targets.tolist() for _, targets in batches.training(0)]
    assert again == [targets.tolist() for _, targets in seen]
    assert n < 8 or again != [targets.tolist() for _, targets in batches.training(1)]
    assert sum(len(t) for _, t in batches.validation()) == min(n, 3)
    assert lengths_of(tokens).tolist() == lengths.tolist()
