"""Which runtimes a candidate can have: the columns of the grid that its variants stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.suite.model_ref import ModelRef

ON_WORDS = frozenset(
    {
        "LinearSVC",
        "LogisticRegression",
        "LogisticRegressionCV",
        "MultinomialNB",
        "Perceptron",
        "RidgeClassifier",
        "RidgeClassifierCV",
    }
)
"""Estimators of scikit-learn that have an ONNX form over weighed words (TF-IDF)."""


MOST_THREADS = 4096


def split_runtime(name: str) -> tuple[str, int | None]:
    """`onnx@2` → `onnx` and 2 threads; without `@`, None: as many as the suite says for all.

    Raises:
        ValueError: what stands behind the `@` is no number of threads.
    """
    runtime, at, threads = name.partition("@")
    if at and not (threads.isdecimal() and 1 <= int(threads) <= MOST_THREADS):
        raise ValueError(f"`{name}`: write the number of threads behind the @, for instance {runtime}@2")
    return runtime, int(threads) if at else None


def runtimes_of(model: ModelRef, runtimes: Iterable[str], task: str = "") -> list[str]:
    """The runtimes of a suite that a model reference can be served on, in the suite's order.

    Estimators have no torch form: they run on `sklearn` where the suite says `torch`. Finished ONNX
    files run on ONNX runtimes only. A runtime that could only fail is left out (`left_out` says why).
    """
    if model.about.fitted == "onnx":
        return [r for r in runtimes if r.startswith("onnx")]
    if model.about.fitted == "sklearn":
        named = dict.fromkeys(own_name(model, r) for r in runtimes)
        never = left_out(model, named, task)
        return [r for r in named if not r.startswith("torch") and r not in never]
    return [r for r in runtimes if _base(r) != "sklearn"]


def own_name(model: ModelRef, runtime: str) -> str:
    """What a suite's `torch` is for a model: `sklearn` for an estimator, with the same threads."""
    if model.about.fitted != "sklearn" or _base(runtime) != "torch":
        return runtime
    return runtime.replace("torch", "sklearn")


def left_out(model: ModelRef, runtimes: Iterable[str], task: str = "") -> Mapping[str, str]:
    """Runtimes of a suite that an estimator could only fail on → why, with the cure."""
    if model.about.fitted != "sklearn":
        return {}
    found, estimator = {}, model.name.rpartition(".")[2]
    for runtime in runtimes:
        if _base(runtime) == "onnx-int8":
            found[runtime] = "an estimator has no weights that 8 bits would make faster"
        elif _base(runtime) == "onnx" and task == "text_classification" and estimator not in ON_WORDS:
            found[runtime] = f"over words only {', '.join(sorted(ON_WORDS))} have an ONNX form"
    return found


def _base(runtime: str) -> str:
    return runtime.partition("@")[0]
