#!/usr/bin/env bash
# OpenVINO, convert_model then save_model: the file's constants are written in 16 bits unless told otherwise, which its documentation
# says. What one would not guess: a number that 16 bits cannot hold is not kept in 32, but becomes 65,504, in silence, unless most of the
# constant's numbers are such. A network that standardises its own inputs, as one should that is to be served, then subtracts 65,504
# from an amount in cents whose mean is larger, if it stands among smaller columns, and the right mean if all are large. The compiled
# model before saving is right, so a check there passes. `compress_to_fp16=False` cures it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openvino==2026.4.1' 'torch==2.13.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W ignore - 2>log <<'PY' || { cat log >&2; exit 1; }
import sys

sys.modules["openvino_telemetry"] = None  # importing it starts threads that report to its maker

import numpy as np, openvino, torch

class Standardised(torch.nn.Module):
    """Each column less its mean, over its deviation."""
    def __init__(self, means, deviations):
        super().__init__()
        self.register_buffer("means", torch.tensor(means))
        self.register_buffer("deviations", torch.tensor(deviations))
    def forward(self, rows):
        return (rows - self.means) / self.deviations

def answers(model, rows):
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return np.round(compiled(rows.numpy())[0][0].astype(float), 2).tolist()

print(f"openvino {openvino.__version__.split('-')[0]}: three columns, each one deviation above its mean, through")
found = {}
for columns, means, deviations in (
    ("age, cents, visits", [41.0, 250_000.0, 7.0], [12.0, 40_000.0, 2.0]),
    ("three amounts in cents", [190_000.0, 250_000.0, 310_000.0], [40_000.0, 40_000.0, 40_000.0]),
):
    network, rows = Standardised(means, deviations).eval(), torch.tensor([means]) + torch.tensor([deviations])
    converted = openvino.convert_model(network, example_input=rows)
    openvino.save_model(converted, "as_it_comes.xml")
    openvino.save_model(converted, "full.xml", compress_to_fp16=False)
    found[columns] = [np.round(network(rows).numpy()[0].astype(float), 2).tolist(), answers(converted, rows), answers("full.xml", rows), answers("as_it_comes.xml", rows)]
    print(f"  {columns}:", *(f"{name} {values}" for name, values in zip(("torch", "converted", "saved in 32 bits", "saved"), found[columns])))
mixed, large = found.values()
right = [1.0, 1.0, 1.0]
assert mixed[:3] == [right] * 3 and mixed[3] == [1.0, round((290_000 - 65_504) / 40_000, 2), 1.0], mixed
assert large == [right] * 4, large
with open("log") as said:
    assert "65504" not in said.read()
PY
