#!/usr/bin/env bash
# tract, Sonos' runtime of ONNX files for devices and the command line (Rust, here by its package for Python): ReduceLogSumExp, torch's logsumexp, by which mixtures, sequence taggers and energies add up probabilities by their logarithms, is worked out as the
# logarithm of a sum of exponentials as it stands. Above 88 that is infinite in 32 bits, and below -103 minus infinity; the operator is there so that it is neither. Log probabilities of many measurements or of a long text lie there as a
# rule: 200 of 200 rows of 60 columns are minus infinity under a mixture of three, where they are -141 on average. Softplus, of which networks make variances, is infinite above 88.7, and 0 at -20. And Celu goes
# to -1 below 0 whatever `alpha` is, which is twice as far as at .5 and half as far as at 2. Nothing is said. Softmax of the same numbers is right, and so are all three near 0 (and Celu of 1), where one
# checks. ONNX Runtime is right of the same files, and numpy's 64 bits beside it say the same.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'tract==0.23.9' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np, onnx, onnxruntime, tract
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)


def both(operator, numbers, shape, axes=None, **how):
    constants = [] if axes is None else [numpy_helper.from_array(np.array(axes, np.int64), "axes")]
    node = helper.make_node(operator, ["x"] + [constant.name for constant in constants], ["y"], **how)
    inputs, outputs = helper.make_tensor_value_info("x", TensorProto.FLOAT, numbers.shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    model = helper.make_model(helper.make_graph([node], "one", [inputs], [outputs], constants), opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "one.onnx")
    (right,) = onnxruntime.InferenceSession("one.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": numbers})
    return right, tract.onnx().load("one.onnx").into_model().into_runnable().run([tract.Tensor.from_numpy(numbers)])[0].to_numpy()


print(f"tract {version('tract')}, ONNX Runtime {onnxruntime.__version__}, numpy in 64 bits")
for middle in (0, 80, 95, -80, -120):
    scores = (middle + rng.normal(size=(1, 4))).astype(np.float32)
    right, taken = both("ReduceLogSumExp", scores, (1,), [1], keepdims=0)
    true = np.logaddexp.reduce(scores.astype(np.float64), axis=1)
    print(f"  log-sum-exp of four numbers about {middle}: tract {taken.item():.3f}, ONNX Runtime {right.item():.3f}, numpy {true.item():.3f}")
    assert abs(right.item() - true.item()) < 1e-3 and np.isfinite(taken.item()) == (abs(middle) <= 80)
    soft, softmax = both("Softmax", scores, scores.shape, axis=1)
    assert np.abs(soft - softmax).max() < 1e-6
rows = rng.normal(size=(200, 60)) * 1.5
likelihoods = np.stack([-0.5 * ((rows - centre) ** 2 + np.log(2 * np.pi)).sum(1) + np.log(1 / 3) for centre in rng.normal(size=(3, 60))], axis=1).astype(np.float32)
right, taken = both("ReduceLogSumExp", likelihoods, (200,), [1], keepdims=0)
lost = float(np.mean(np.isinf(taken)))
print(f"  log likelihood of 200 rows of 60 columns under a mixture of three, {right.mean():.0f} on average: {lost:.0%} are minus infinity")
assert np.isfinite(right).all() and lost > 0.3
numbers = np.array([-100, -20, 1, 80, 100], np.float32)
right, taken = both("Softplus", numbers, numbers.shape)
print(f"  softplus of {numbers.tolist()}: tract {taken.tolist()}, ONNX Runtime {right.tolist()}")
assert np.isinf(taken[4]) and right[4] == 100 and taken[1] == 0 < right[1] and abs(taken[2] - right[2]) < 1e-5
below = np.array([-2, -1, 1], np.float32)
for alpha in (1.0, 0.5, 2.0):
    right, taken = both("Celu", below, below.shape, alpha=alpha)
    true = np.where(below > 0, below, alpha * np.expm1(np.minimum(below.astype(np.float64), 0) / alpha))
    print(f"  Celu of -2, -1 and 1, alpha {alpha}: tract {taken.round(3).tolist()}, ONNX Runtime {right.round(3).tolist()}, numpy {true.round(3).tolist()}")
    assert np.abs(right - true).max() < 1e-5 and np.allclose(taken[:2] * alpha, true[:2], atol=1e-5) and (np.abs(taken - true).max() < 1e-5) == (alpha == 1)
PY
