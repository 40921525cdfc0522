"""Runtimes: how a fitted model is turned into what a server would load.

All that is known of a runtime stands in one object of `RUNTIMES`; its code is imported on use, for an ONNX
artifact is served by a process that never imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.names import hint
from harness.record import SuiteError
from harness.runtimes.gpu import onnx_on_gpu, torch_on_gpu
from harness.runtimes.onnx_forms import no_form
from harness.runtimes.runtime import Export, Runtime

__all__ = ["RUNTIMES", "Export", "Runtime", "runtime"]

_TRAINING = ("torch", "pandas", "tokenizers")
_ESTIMATING = (*_TRAINING, "sklearn", "scipy")
_NO_ESTIMATORS = "OpenVINO has no operators for estimators: serve them on onnx or by their own library"


def _library(name: str, title: str, package: str, needs: tuple[str, ...]) -> Runtime:
    """An estimator served by the library that fitted it."""
    return Runtime(
        name,
        f"{title}: the reference of {'its' if name != 'sklearn' else 'sklearn'} candidates",
        home="harness.runtimes.sklearn",
        accepts=("sklearn",),
        packages=(package,),
        is_reference=True,
        export=Export(needs, reader="estimator", without=_TRAINING),
        marker="triangle",
    )


_ALL = (
    Runtime(
        "torch",
        "PyTorch, eager, fp32: the reference that the others' parity is taken against",
        home="harness.runtimes.torch_eager",
        accepts=("torch",),
        packages=("torch",),
        is_reference=True,
        export=Export(("numpy", "torch"), reader="program", form="program"),
        gpu=torch_on_gpu,
        marker="circle",
    ),
    Runtime(
        "torch-bf16",
        "PyTorch, eager, bfloat16 autocast",
        home="harness.runtimes.torch_bf16",
        accepts=("torch",),
        packages=("torch",),
        precision="bf16",
        full_precision="torch",
        export=Export(("numpy", "torch"), reader="program", form="program", tolerance=2e-2),
        gpu=torch_on_gpu,
        marker="cross",
    ),
    Runtime(
        "torch-compile",
        "PyTorch compiled ahead of time into a shared library (needs a C++ compiler)",
        home="harness.runtimes.torch_compile",
        accepts=("torch",),
        packages=("torch",),
        export=Export(("numpy", "torch"), reader="library"),
        gpu=torch_on_gpu,
        marker="plus",
    ),
    Runtime(
        "onnx",
        "ONNX Runtime, fp32, one file with its pre-processing",
        home="harness.runtimes.onnx",
        accepts=("torch", "sklearn", "onnx"),
        packages=("onnxruntime", "onnxruntime-gpu"),
        unfit=no_form,
        export=Export(("numpy", "onnxruntime"), reader="onnx", without=_ESTIMATING),
        gpu=onnx_on_gpu,
        marker="square",
    ),
    Runtime(
        "onnx-int8",
        "ONNX Runtime, 8-bit integers, static or dynamic, chosen on validation data",
        home="harness.runtimes.onnx_int8",
        accepts=("torch", "onnx"),
        packages=("onnxruntime", "onnxruntime-gpu"),
        precision="int8",
        full_precision="onnx",
        refuses={"sklearn": "an estimator has no weights that 8 bits would make faster"},
        is_calibrated=True,
        export=Export(
            ("numpy", "onnxruntime"),
            reader="onnx",
            # Dynamic ranges are taken from the whole batch, so an answer depends on its neighbours.
            tolerances={"dynamic": 5e-2, "dynamic-matmul": 5e-2},
            without=_ESTIMATING,
        ),
        marker="diamond",
    ),
    Runtime(
        "openvino",
        "OpenVINO on the processor, fp32, with its pre-processing (extra openvino)",
        home="harness.runtimes.openvino",
        accepts=("torch", "onnx"),
        packages=("openvino",),
        modules=("openvino",),
        extra="openvino",
        refuses={"sklearn": _NO_ESTIMATORS},
        export=Export(("numpy", "openvino"), reader="openvino", without=_ESTIMATING),
    ),
    Runtime(
        "openvino-int8",
        "OpenVINO, 8-bit integers by NNCF, the way chosen on validation data (extra openvino)",
        home="harness.runtimes.openvino_int8",
        accepts=("torch", "onnx"),
        packages=("openvino",),
        modules=("openvino", "nncf"),
        extra="openvino",
        precision="int8",
        full_precision="openvino",
        refuses={"sklearn": _NO_ESTIMATORS},
        is_calibrated=True,
        export=Export(
            ("numpy", "openvino"),
            reader="openvino",
            # Activations are rounded by groups while it runs; other processors have other kernels for it.
            tolerances={"weights": 5e-2},
            tolerance=2e-2,
            without=(*_ESTIMATING, "nncf"),
        ),
    ),
    Runtime(
        "endpoint",
        "a service elsewhere, over HTTP or gRPC: the runtime of `endpoint:` candidates",
        home="harness.runtimes.endpoint",
        accepts=("endpoint",),
        packages=("urllib3",),
        is_reference=True,
    ),
    _library(
        "sklearn",
        "scikit-learn's own predict_proba or predict",
        "scikit-learn",
        ("numpy", "scikit-learn", "skops", "threadpoolctl"),
    ),
    _library("xgboost", "XGBoost itself", "xgboost", ("numpy", "scikit-learn", "threadpoolctl", "xgboost")),
    _library("lightgbm", "LightGBM itself", "lightgbm", ("lightgbm", "numpy", "threadpoolctl")),
    _library("catboost", "CatBoost itself", "catboost", ("catboost", "numpy", "threadpoolctl")),
)

RUNTIMES: Mapping[str, Runtime] = {runtime.name: runtime for runtime in _ALL}
"""Every runtime by its name, in the order in which `list runtimes` shows them."""


def runtime(name: str) -> Runtime:
    """The runtime of a name.

    Raises:
        SuiteError: there is no such runtime; the message names the nearest one.
    """
    if name not in RUNTIMES:
        raise SuiteError(f"runtime {name!r} is unknown: {hint(name, RUNTIMES)}")
    return RUNTIMES[name]
