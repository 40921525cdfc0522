"""Which runtimes serve on a GPU here. Asked in the process that loads the model, where one was claimed.

ONNX Runtime goes on without a word on the processor where its CUDA provider does not come up (a library is
missing, a driver is too old), and what it then does would stand in the table as the GPU's.
"""

from __future__ import annotations

from functools import cache

CUDA = "CUDAExecutionProvider"


def torch_on_gpu() -> str:
    """Nothing is missing: whoever claims a GPU is refused earlier where torch cannot use it."""
    return ""


@cache
def onnx_on_gpu() -> str:
    """Whether sessions of ONNX Runtime open on CUDA; loads the libraries that pip installed for it."""
    import onnxruntime as ort

    if CUDA not in ort.get_available_providers():
        return "this onnxruntime has no CUDA provider (pip install onnxruntime-gpu in its place)"
    if (preload := getattr(ort, "preload_dlls", None)) is not None:
        preload()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        opened = ort.InferenceSession(_identity(), options, providers=[CUDA, "CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no public base but Exception
        return f"ONNX Runtime's CUDA provider does not start ({(str(error).splitlines() or ['?'])[0][:200]})"
    if CUDA not in opened.get_providers():
        return "ONNX Runtime's CUDA provider does not start (pip install 'onnxruntime-gpu[cuda,cudnn]')"
    return ""


def _identity() -> bytes:
    """The smallest model: one number, handed on."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "one", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
