"""Model references, `small_cnn`, `timm:resnet18`, `my_models:build_net`: parsed here, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Fitted = Literal["torch", "sklearn", "onnx", "endpoint"]
"""What a fitted model is: a network, an estimator with `fit` and `predict`, an ONNX graph, a service."""


@dataclass(frozen=True)
class ModelKind:
    """What all references of one form have in common.

    Args:
        form: the reference as a person writes it.
        summary: a line for `list models`.
        fitted: what it is once fitted, and so which runtimes can serve it and how it is trained.
        package: the library that builds or executes it; empty for the harness's own and users' code.
        inputs: the inputs it can take (see `TaskKind.inputs`); empty where any.
        is_trained: False for a finished model: scored and served, neither seeds nor sizes repeat it.
        path: whether what follows the colon is a file: always, never, or where it begins with `.` or `/`.
        is_pretrained: it starts from published weights unless its arguments say otherwise.
        code: globs below `harness/` of the code behind it.
        native: the runtime of its own library, which a suite's `torch` means for it.
        versions: the distributions whose versions decide what training it gives.
        extra: the extra of this package that installs its library; empty where every installation has it.
    """

    form: str
    summary: str
    fitted: Fitted = "torch"
    package: str = ""
    inputs: tuple[str, ...] = ()
    is_trained: bool = True
    path: Literal["always", "never", "dotted"] = "never"
    is_pretrained: bool = False
    code: tuple[str, ...] = ()
    native: str = "torch"
    versions: tuple[str, ...] = ("torch",)
    extra: str = ""

    @property
    def is_network(self) -> bool:
        """Whether the training loop fits it: training settings apply to it, and FLOPs can be counted."""
        return self.is_trained and self.fitted == "torch"


NAMED, OWN, OWN_ESTIMATOR = "name", "user", "estimator"
"""Two kinds that no prefix announces, a name of the table of models and a user's own function; and the latter
where it gives an estimator."""

ESTIMATORS = ("models/estimator.py", "models/estimators.py", "tasks/estimators.py")


def _boosting(package: str, example: str, title: str) -> ModelKind:
    return ModelKind(
        f"{package}:{example}",
        f"an estimator of {title}",
        fitted="sklearn",
        package=package,
        code=ESTIMATORS,
        native=package,
        versions=(package, f"{package}-cpu"),
        extra="boosting",
    )


def _finished(form: str, title: str, package: str) -> ModelKind:
    """A network that was trained elsewhere, as the file that its library writes."""
    return ModelKind(
        form,
        f"{title}: scored and served, not trained",
        package=package,
        inputs=("image", "table"),
        is_trained=False,
        path="always",
        code=("models/finished_network.py", "models/safe_files.py", "models/servable.py", "models/keras*.py"),
        versions=tuple(dict.fromkeys(("torch", package))),
        extra="" if package == "torch" else package,
    )


MODEL_KINDS: Mapping[str, ModelKind] = {
    NAMED: ModelKind("NAME", "a model of the harness"),
    "timm": ModelKind(
        "timm:NAME",
        "any architecture of timm, for images",
        package="timm",
        versions=("torch", "timm"),
        inputs=("image",),
        code=("models/timm*.py",),
    ),
    "hf": ModelKind(
        "hf:NAME",
        "a pretrained encoder of texts, or classifier of images, of transformers",
        package="transformers",
        versions=("torch", "transformers"),
        inputs=("text", "image"),
        path="dotted",
        is_pretrained=True,
        code=("models/hf*.py", "models/pretrained.py"),
    ),
    "sklearn": ModelKind(
        "sklearn:Estimator",
        "any estimator of scikit-learn with fit and predict",
        fitted="sklearn",
        package="sklearn",
        versions=("scikit-learn",),
        code=ESTIMATORS,
        native="sklearn",
    ),
    "xgboost": _boosting("xgboost", "XGBClassifier", "XGBoost"),
    "lightgbm": _boosting("lightgbm", "LGBMClassifier", "LightGBM"),
    "catboost": _boosting("catboost", "CatBoostClassifier", "CatBoost"),
    OWN_ESTIMATOR: ModelKind(
        "estimator:package.module:function",
        "your own builder of an estimator, where the harness does not see by itself that it is one",
        fitted="sklearn",
        versions=("scikit-learn",),
        code=ESTIMATORS,
        native="sklearn",
    ),
    "onnx": ModelKind(
        "onnx:FILE",
        "a finished model of any framework: scored and served, not trained",
        fitted="onnx",
        package="onnxruntime",
        versions=("onnxruntime", "onnxruntime-gpu"),
        is_trained=False,
        path="always",
    ),
    "endpoint": ModelKind(
        "endpoint:URL",
        "a service that answers over HTTP or gRPC: scored and loaded, not trained",
        fitted="endpoint",
        package="urllib3",
        versions=("urllib3", "grpcio"),
        is_trained=False,
        code=("models/endpoint*.py", "tasks/endpoints.py"),
        native="endpoint",
    ),
    "lightning": _finished("lightning:FILE", "a checkpoint of Lightning and its class", "lightning"),
    "torch": _finished("torch:FILE", "a program that torch.export.save wrote", "torch"),
    "keras": _finished("keras:FILE", "a .keras file of Keras 3", "keras"),
    OWN: ModelKind("package.module:function", "your own builder, beside the suite file or on PYTHONPATH"),
}
"""Every kind of reference; the key is the prefix that announces it, but for `NAMED` and `OWN`."""

PREFIXES = tuple(kind for kind in MODEL_KINDS if kind not in (NAMED, OWN))


@dataclass(frozen=True)
class ModelRef:
    """A model reference, taken apart.

    Args:
        kind: a key of `MODEL_KINDS`.
        name: what is meant within the kind: the model, the estimator, the file, the function.
        package: what is imported to build it: the kind's library, or the user's own module.
    """

    kind: str
    name: str
    package: str = ""

    @property
    def about(self) -> ModelKind:
        """What it has in common with the others of its kind."""
        return MODEL_KINDS[self.kind]

    @property
    def is_path(self) -> bool:
        """Whether its name is a file or folder beside the suite file."""
        return self.about.path == "always" or (
            self.about.path == "dotted" and self.name.startswith((".", "/"))
        )

    @property
    def function(self) -> str:
        """Of a user's own builder, its name in its module."""
        return self.name.rpartition(":")[2]

    def named(self, name: str) -> ModelRef:
        """The same kind of reference to something else."""
        return ModelRef(self.kind, name, self.package)

    def __str__(self) -> str:
        if self.kind == NAMED:
            return self.name
        return f"{self.package if self.kind == OWN else self.kind}:{self.name}"


@lru_cache(maxsize=4096)
def parse_model(reference: str) -> ModelRef:
    """Take a reference apart; whether it points to anything, `harness.reading.references` knows.

    Whatever stands before the first colon and announces no kind is taken for a user's module.
    """
    prefix, colon, rest = reference.partition(":")
    if not colon:
        return ModelRef(NAMED, reference)
    if prefix == OWN_ESTIMATOR:
        return ModelRef(prefix, rest, rest.partition(":")[0])
    if prefix in PREFIXES:
        return ModelRef(prefix, rest, MODEL_KINDS[prefix].package)
    return ModelRef(OWN, rest, prefix)


def own_code(ref: ModelRef, args: Mapping[str, object]) -> tuple[ModelRef, ...]:
    """The user's own functions and classes behind a candidate: its builder, the classes of its file."""
    if ref.kind in (OWN, OWN_ESTIMATOR):
        return (ref,)
    if ref.about.path != "always":
        return ()
    named, listed = args.get("class"), args.get("classes")
    names = [named, *(listed if isinstance(listed, list | tuple) else ())]
    return tuple(parse_model(name) for name in names if isinstance(name, str) and ":" in name)
