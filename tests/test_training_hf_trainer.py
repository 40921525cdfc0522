"""A transformers.Trainer that a builder returns is trained by itself, on the suite's data and seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import harness
from harness.datasets.parts import load_parts
from harness.models.servable import load_servable
from harness.reading import read_suite
from harness.record import SuiteError, TrialError
from harness.running.preflight import preflight
from harness.running.smoke import smoke
from harness.suite.schema import Suite
from harness.tasks.evaluation import read_predictions
from tests.task_trials import score, spec, train, train_until, values

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("accelerate") is None, reason="not installed (extra trainer)"),
]

MODULE = """
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification, EarlyStoppingCallback, Trainer
from transformers import TrainerCallback, TrainingArguments

def arguments(**said):
    return TrainingArguments(**{"num_train_epochs": 2, "per_device_train_batch_size": 32, **said})

def bert(task, *, lr: float = 5e-3, pad: int = 0):
    config = BertConfig(
        vocab_size=task.vocab_size, max_position_embeddings=task.max_length, num_labels=task.num_classes,
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, pad_token_id=pad)
    return Trainer(BertForSequenceClassification(config), arguments(
        learning_rate=lr, lr_scheduler_type="constant"))

class Net(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.layer = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, 10))

    def forward(self, x):
        return self.layer(x)

def loss(outputs, labels, num_items_in_batch=None):
    return F.cross_entropy(outputs, labels)

PLAIN = {"optim": "sgd", "learning_rate": 0.05, "lr_scheduler_type": "constant", "max_grad_norm": 0.0}

def plain(task, *, said: dict = {}, handed: dict = {}):
    return Trainer(Net(), arguments(**{**PLAIN, **said}), **{"compute_loss_func": loss, **handed})

def network(task):
    return Net().layer

class Aside(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        size = model.layer[2].weight.square().sum()
        self.log({"size": float(size)})
        loss = F.cross_entropy(outputs, labels) + 0.3 * size
        return (loss, outputs) if return_outputs else loss

class Halving(TrainerCallback):
    def on_epoch_begin(self, args, state, control, lr_scheduler=None, **given):
        lr_scheduler.base_lrs = [rate / 2 for rate in lr_scheduler.base_lrs]
        lr_scheduler.optimizer.param_groups[0]["lr"] /= 2

def aside(task, *, accumulate: int = 1):
    said = {**PLAIN, "gradient_accumulation_steps": accumulate}
    return Aside(Net(dropout=0.2), arguments(**said), callbacks=[Halving()])

class Sampling(Trainer):
    def get_train_dataloader(self):
        raise AssertionError

def sampling(task):
    return Sampling(Net(), arguments(), compute_loss_func=loss)

def stopping(task):
    return Trainer(Net(), arguments(), compute_loss_func=loss, callbacks=[EarlyStoppingCallback()])

def waiting(task):
    net = Net()
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    waits = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd)
    return Trainer(net, arguments(), compute_loss_func=loss, optimizers=(sgd, waits))

def lossless(task):
    return Trainer(Net(), arguments())

def started_anew(task):
    return Trainer(model_init=lambda: Net(), args=arguments(), compute_loss_func=loss)

def failing(task):
    def broken(outputs, labels, num_items_in_batch=None):
        raise KeyError("labels")
    return Trainer(Net(), arguments(), compute_loss_func=broken)
"""
SGD = {
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0},
    "schedule": {"name": "constant", "warmup": 0.0},
    "gradient_clip": 0,
}


@pytest.fixture
def beside(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A folder with the module above, under a name of its own: what was imported once is not read again."""
    name = f"own_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    here = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path, name
    os.chdir(here)


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([p.flatten() for p in load_servable(folder / "fitted").parameters()])


def test_without_tricks_it_learns_the_weights_of_the_loop(beside: tuple[Path, str]) -> None:
    folder, name = beside
    same = {"epochs": 2, "batch_size": 32, **SGD}
    outcome = train(spec(f"{name}:plain", search=folder, **same), folder / "trainer")
    train(spec(f"{name}:network", search=folder, **same), folder / "loop")
    assert torch.allclose(weights(folder / "trainer"), weights(folder / "loop"), atol=1e-6)
    seen = [history(folder / which) for which in ("trainer", "loop")]
    for column in ("train_loss", "validation_loss", "validation_score", "lr"):
        assert np.allclose(seen[0][column], seen[1][column], atol=1e-6)
    assert outcome.facts.mode == "fp32, the Trainer's own arguments and loss"
    assert not (folder / "trainer_output").exists()


def test_its_loss_callbacks_and_what_it_logs_decide_and_show(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = spec(f"{name}:aside", search=folder, epochs=3, batch_size=64)
    train(what, folder / "aside")
    seen = history(folder / "aside")
    assert list(seen.lr) == [0.025, 0.0125, 0.00625]
    assert (seen.train_loss > 0.3 * seen.logged_size).all()
    train(spec(f"{name}:aside", {"accumulate": 2}, search=folder, epochs=3, batch_size=32), folder / "two")
    # Two batches of 32 make one step of 64: the loss of a step is their mean.
    assert np.allclose(history(folder / "two").train_loss, seen.train_loss, rtol=0.15)


def test_the_same_seed_gives_the_same_weights_and_another_others(beside: tuple[Path, str]) -> None:
    folder, name = beside
    for where, seed in {"a": 0, "b": 0, "c": 1}.items():
        what = {**spec(f"{name}:aside", search=folder, epochs=2, batch_size=64), "seed": seed}
        train(what, folder / where)
    assert torch.equal(weights(folder / "a"), weights(folder / "b"))
    assert not torch.allclose(weights(folder / "a"), weights(folder / "c"))


TEXTS = [
    ("good film the best", "yes"),
    ("a bad film not good", "no"),
    ("the good was good", "yes"),
    ("bad bad", "no"),
]


def text_spec(folder: Path, model: str, **training: Any) -> dict[str, Any]:
    rows = "".join(f"{text} {'very ' * (i % 5)},{label}\n" for i, (text, label) in enumerate(TEXTS * 60))
    (folder / "texts.csv").write_text(f"text,label\n{rows}")
    what = spec(model, search=folder, **training)
    data = {
        "name": "text_csv",
        "args": {"path": str(folder / "texts.csv"), "text": "text", "label": "label"},
    }
    return {**what, "task": "text_classification", "data": {**what["data"], **data}}


def test_a_random_bert_is_trained_scored_exported_and_quantised(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = text_spec(folder, f"{name}:bert", epochs=2, batch_size=32)
    train(what, folder / "train")
    native = score(what, "torch", folder / "train", folder / "torch")
    assert (values(native)["accuracy"] or 0) > 0.95
    exported = score(what, "onnx", folder / "train", folder / "onnx")
    assert exported.facts.parity.max_abs_difference < 1e-4
    small = score(what, "onnx-int8", folder / "train", folder / "int8")
    assert (values(small)["accuracy"] or 0) > 0.9
    _, _, answers = read_predictions(folder / "torch" / "predictions.parquet")
    assert answers.shape == (len(load_parts(what["data"], None).test), 2)


def test_what_the_trainer_raises_is_the_reason(beside: tuple[Path, str]) -> None:
    folder, name = beside
    with pytest.raises(TrialError, match="transformers.Trainer stopped: KeyError: 'labels'"):
        train(spec(f"{name}:failing", search=folder, epochs=1), folder / "failing")


def test_an_interrupted_training_goes_on_and_ends_the_same(beside: tuple[Path, str]) -> None:
    folder, name = beside
    what = spec(f"{name}:aside", search=folder, epochs=4, batch_size=64)

    train_until(what, folder / "whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train_until(what, folder / "cut", stop_after=2)
    kept = {file.name for file in (folder / ".cut").rglob("*.*")}
    assert {"optimizer.pt", "scheduler.pt", "trainer_state.json", "model.safetensors"} < kept
    assert "rng_state.pth" not in kept
    again = train_until(what, folder / "cut")
    assert again.facts.resumed_after_epoch == 2
    assert torch.equal(weights(folder / "whole"), weights(folder / "cut"))
    whole, cut = (history(folder / which) for which in ("whole", "cut"))
    for column in ("train_loss", "validation_loss", "lr", "logged_size"):
        assert whole[column].equals(cut[column])


def test_its_epochs_are_in_bf16_where_it_says_so_and_its_answers_in_fp32(beside: tuple[Path, str]) -> None:
    folder, name = beside
    said = {"bf16": True, "use_cpu": True, "logging_strategy": "epoch"}
    what = spec(f"{name}:plain", {"said": said}, search=folder, epochs=2, batch_size=32)
    facts = train(what, folder / "train").facts
    assert facts.precision == "bf16"
    seen = history(folder / "train")
    assert np.allclose(seen.logged_loss, seen.train_loss, rtol=1e-3)
    assert not [column for column in seen if "runtime" in column or "total_flos" in column]
    native = score(what, "torch", folder / "train", folder / "torch")
    assert (values(native)["accuracy"] or 0) > 0.8
    _, _, answers = read_predictions(folder / "torch" / "predictions.parquet")
    with torch.inference_mode():
        servable, test = load_servable(folder / "train" / "fitted"), load_parts(what["data"], None).test
        assert np.abs(answers - servable(torch.from_numpy(test.inputs)).numpy()).max() < 1e-6


# ---------------------------------------------------------------------------- what is refused


Asked = tuple[str, Mapping[str, Any], str]
"""A candidate: its builder, the builder's arguments, what it asks of training."""


def write_suite(folder: Path, task: str, **candidates: Asked) -> Path:
    path = folder / "suite.yaml"
    own = [
        f"  {name}: {{model: '{model}', args: {json.dumps(args)}, training: {{{training}}}}}\n"
        for name, (model, args, training) in candidates.items()
    ]
    path.write_text(
        f"name: own\n{task}\ntraining: {{seeds: [0], epochs: 2, batch_size: 32}}\ncandidates:\n"
        f"{''.join(own)}decision: {{objective: maximize accuracy}}\n"
    )
    return path


def asked(folder: Path, task: str, **candidates: Asked) -> dict[str, str]:
    """What is said of candidates before anything runs."""
    path = write_suite(folder, task, **candidates)
    lines = path.read_text().splitlines()
    said = {}
    for mistake in _refusals(read_suite(path), path):
        place, _, rest = mistake.partition(": ")
        name, _, text = rest.partition(": ")
        assert lines[int(place.removeprefix(f"{path}:")) - 1].startswith(f"  {name}: ")
        said[name] = text
    return said


def _refusals(suite: Suite, path: Path) -> list[str]:
    try:
        preflight(suite, path, [t for t in harness.plan(suite).trials if t.kind == "train"])
    except SuiteError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


DIGITS = "task: image_classification\ndata: {name: digits}"

REFUSED: Mapping[str, tuple[str, Mapping[str, Any], str, str]] = {
    "epochs": ("plain", {"said": {"num_train_epochs": 3}}, "", "say 3 epochs of batches of 32, the suite 2"),
    "steps": ("plain", {"said": {"max_steps": 5}}, "", "TrainingArguments.max_steps would not be obeyed"),
    "seed": ("plain", {"said": {"seed": 7}}, "", "TrainingArguments.seed would not be obeyed, seeds are the"),
    "data_seed": ("plain", {"said": {"data_seed": 7}}, "", "TrainingArguments.data_seed would not be obeyed"),
    "drop": ("plain", {"said": {"dataloader_drop_last": True}}, "", "dataloader_drop_last would not be"),
    "best": ("plain", {"said": {"metric_for_best_model": "f1"}}, "", "metric_for_best_model would not"),
    "sampling": ("sampling", {}, "", "Sampling.get_train_dataloader would not be called"),
    "stopping": ("stopping", {}, "", "EarlyStoppingCallback would not be obeyed"),
    "waiting": ("waiting", {}, "", "ReduceLROnPlateau would never step"),
    "lossless": ("lossless", {}, "", "forward takes no labels, so it gives no loss"),
    "anew": ("started_anew", {}, "", "Trainer's model_init would not be used, the builder is called anew"),
    "own": ("plain", {}, "optimizer: {lr: 0.5}, gradient_clip: 3", "training.optimizer and training."),
    "smooth": ("plain", {}, "label_smoothing: 0.1", "training.label_smoothing would not be used"),
    "two": ("plain", {}, "resources: {workers: 2}", "training.resources.workers: a Trainer trains in"),
    "searched": (
        "plain", {}, "tuning: {trials: 2, space: {optimizer.lr: {uniform: [0.01, 0.1]}}}",
        "training.tuning.space searches optimizer.lr, which a Trainer says itself",
    ),
}  # fmt: skip


def test_what_would_not_be_obeyed_is_refused_with_its_line(beside: tuple[Path, str]) -> None:
    folder, name = beside
    wanted = {key: (f"{name}:{builder}", args, own) for key, (builder, args, own, _) in REFUSED.items()}
    said = asked(folder, DIGITS, fine=(f"{name}:plain", {}, ""), **wanted)
    assert set(said) == set(REFUSED)
    for key, (*_, why) in REFUSED.items():
        assert why in said[key], key


def test_a_model_of_texts_that_pads_otherwise_is_refused(beside: tuple[Path, str]) -> None:
    folder, name = beside
    data = text_spec(folder, f"{name}:bert")["data"]["args"]
    task = f"task: text_classification\ndata: {{name: text_csv, args: {json.dumps(data)}}}"
    said = asked(folder, task, good=(f"{name}:bert", {}, ""), other=(f"{name}:bert", {"pad": 1}, ""))
    assert list(said) == ["other"]
    assert "pad_token_id 1, and the suite's texts are padded with 0: set it to 0" in said["other"]


def test_a_smoke_run_is_shorter_than_its_arguments_say(beside: tuple[Path, str]) -> None:
    folder, name = beside
    path = write_suite(folder, DIGITS, mine=(f"{name}:plain", {}, ""))
    suite = smoke(read_suite(path))
    assert suite.candidates["mine"].training.epochs == 1
    assert _refusals(suite, path) == []
