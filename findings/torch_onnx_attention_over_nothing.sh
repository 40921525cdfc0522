#!/usr/bin/env bash
# Attention of a row in which everything is masked (a customer without a history, an empty text): torch answers 0. In the ONNX file that
# torch itself exports, scaled_dot_product_attention with a mask of true and false answers the mean of all that was masked, so that padding
# decides; nn.MultiheadAttention with a key_padding_mask answers NaN. Rows with something to look at are equal to the last digits, and they
# are what a check of an export is made on. (The file writes "hidden" as the lowest finite number, after which all are equally hidden, and then
# looks for NaN, which cannot come.)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
(cd "$work" && "$work/venv/bin/python" -W ignore - <<'PY'
import logging, warnings

import numpy as np, onnxruntime, torch
from torch import nn

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

said = []
logging.getLogger("torch.onnx").addHandler(Said(logging.WARNING))
logging.getLogger("torch.onnx").propagate = False

def unwarned(export):
    said.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        export()
    told = said + [str(w.message) for w in warned if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    assert not [text for text in told if not text.startswith("torchvision is not installed")], told

class Bare(nn.Module):
    def forward(self, items, shown):
        heads = items[:, None]
        return nn.functional.scaled_dot_product_attention(heads, heads, heads, attn_mask=shown[:, None, None])[:, 0]

class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(4, 1, bias=False, batch_first=True)
    def forward(self, items, shown):
        return self.attend(items, items, items, key_padding_mask=~shown, need_weights=False)[0]

torch.manual_seed(0)
items, shown = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [False, False, False]])
print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}: two rows of three items, one item and all items of them masked")
found = {}
for name, module in {"scaled_dot_product_attention": Bare().eval(), "MultiheadAttention": Packed().eval()}.items():
    with torch.no_grad():
        right = module(items, shown).numpy()
    unwarned(lambda: torch.onnx.export(module, (items, shown), "model.onnx", dynamo=True, verbose=False))
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    answered = session.run(None, {"items": items.numpy(), "shown": shown.numpy()})[0]
    print(f"  {name}: largest difference {np.abs(right - answered)[0].max():.1e} where one is masked; "
          f"where all are {right[1, 0].astype(float).round(2).tolist()} in torch, {answered[1, 0].astype(float).round(2).tolist()} in the file")
    assert np.allclose(right[0], answered[0], atol=1e-5) and (right[1] == 0).all()
    found[name] = answered[1]
assert np.allclose(found["scaled_dot_product_attention"], items[1].mean(0).numpy(), atol=1e-5)
assert np.isnan(found["MultiheadAttention"]).all()
PY
)
