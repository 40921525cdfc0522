"""Runtimes by name: each module has `prepare` and `load` (see `harness.protocols.RuntimeModule`)."""

RUNTIMES: dict[str, str] = {
    "torch": "harness.runtimes.torch_eager",
    "onnx": "harness.runtimes.onnx",
    "sklearn": "harness.runtimes.sklearn",
}
