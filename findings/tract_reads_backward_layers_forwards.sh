#!/usr/bin/env bash
# tract, Sonos' runtime of ONNX files for devices and the command line (Rust, here by its package for Python): of a recurrent layer it takes the weights, and not what the file says of how they are used. direction="reverse", by which a sequence is read
# from its end (Keras' go_backwards), is read forwards: outputs and states are those of the forward layer to the last digit or the one before it, of LSTM, GRU and RNN; of 200 sequences through a GRU 48 % of the answers change sides of
# the median, as if they were of other sequences. `activations` of an RNN are tanh whatever they are: a layer with Relu, torch's nn.RNN(nonlinearity="relu"), that counts 35 events says .51. An LSTM's hard sigmoid, which
# Keras had by default for years, is the smooth one, and `clip` is passed over. Nothing is raised, where lengths by sequence are refused. Forward layers, and "bidirectional" ones, are right, and they are what one
# checks. ONNX Runtime has all of it as the specification does. (Issue 2751, open since August 2026, of activations and clip.)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'tract==0.23.9' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W error - <<'PY'
from importlib.metadata import version

import numpy as np, onnx, onnxruntime, tract
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
gates = {"RNN": 1, "GRU": 3, "LSTM": 4}


def weights(layer, directions=1, inputs=3, width=5):
    rows = gates[layer] * width
    return [rng.normal(size=(directions, rows, size)).astype(np.float32) for size in (inputs, width)] + [rng.normal(size=(directions, 2 * rows)).astype(np.float32)]


def both(layer, tables, sequence, **how):
    """What ONNX Runtime and tract answer: all outputs, and the last state."""
    directions, _, width = tables[1].shape
    shapes = [(len(sequence), directions, 1, width), (directions, 1, width)]
    node = helper.make_node(layer, ["x", "w", "r", "b"], ["y", "h"], hidden_size=width, **how)
    inputs, outputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, sequence.shape)], [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip("yh", shapes)]
    graph = helper.make_graph([node], "layer", inputs, outputs, [numpy_helper.from_array(table, name) for table, name in zip(tables, "wrb")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "layer.onnx")
    right = onnxruntime.InferenceSession("layer.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": sequence})
    answers = tract.onnx().load("layer.onnx").into_model().into_runnable().run([tract.Tensor.from_numpy(sequence)])
    return right, [answer.to_numpy() for answer in answers]


def off(a, b):
    return max(float(np.abs(one - other).max()) for one, other in zip(a, b))


print(f"tract {version('tract')}, ONNX Runtime {onnxruntime.__version__}: the largest difference of outputs and last states")
sequence = rng.normal(size=(9, 1, 3)).astype(np.float32)
for layer in gates:
    tables = weights(layer)
    forward, by_tract = both(layer, tables, sequence)
    backward, taken = both(layer, tables, sequence, direction="reverse")
    two = off(*both(layer, weights(layer, 2), sequence, direction="bidirectional"))
    print(f"  {layer}: forward {off(forward, by_tract):.1g}, both ways {two:.1g}, reverse {off(backward, taken):.2g}; tract's reverse and the forward layer {off(forward, taken):.1g}")
    assert off(forward, by_tract) < 1e-5 and two < 1e-5 and off(backward, taken) > 0.1 and off(forward, taken) < 1e-5
tables, plain = weights("LSTM"), None
for how in ({}, {"activations": ["HardSigmoid", "Tanh", "Tanh"]}, {"clip": 0.5}):
    right, taken = both("LSTM", tables, sequence, **how)
    plain = taken if plain is None else plain
    print(f"  LSTM, {how}: {off(right, taken):.2g}; tract's and its plain one {off(plain, taken):.1g}")
    assert off(plain, taken) == 0 and (off(right, taken) < 1e-5) == (not how)
events = rng.integers(0, 6, (20, 1, 1)).astype(np.float32)
count = [np.ones((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32), np.zeros((1, 2), np.float32)]
right, taken = both("RNN", count, events, activations=["Relu"])
print(f"  RNN with Relu that counts {events.sum():.0f} events: {right[1].item():.2f}, tract {taken[1].item():.2f}")
assert right[1].item() == events.sum() and taken[1].item() <= 1
tables, readout = weights("GRU"), rng.normal(size=5)
said = []
for _ in range(200):
    right, taken = both("GRU", tables, rng.normal(size=(9, 1, 3)).astype(np.float32), direction="reverse")
    said.append([float(state.ravel() @ readout) for state in (right[1], taken[1])])
above = np.array(said) > np.median(said, axis=0)[0]
changed = float(np.mean(above[:, 0] != above[:, 1]))
print(f"  a GRU read backwards, 200 sequences: {changed:.0%} of the answers change sides of the median")
assert changed > 0.2
PY
