#!/usr/bin/env bash
# torchinfo's `total_mult_adds`: a layer that is neither a convolution nor recurrent costs its parameters times the batch, whatever it did.
# nn.Linear over a sequence counts one position; nn.Embedding, which multiplies nothing, counts its whole table; nn.MultiheadAttention
# counts nothing. Two language models are ranked the wrong way round: the one with the larger vocabulary is "dearer", the one
# that reads a longer text is not. torch's own counter beside it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torchinfo==1.8.0' 'torch==2.13.0' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import torch, torchinfo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

class Tagger(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.embed, self.mix, self.tag = nn.Embedding(words, width), nn.Linear(width, width, bias=False), nn.Linear(width, 8, bias=False)
    def forward(self, words):
        return self.tag(torch.relu(self.mix(self.embed(words))))

def counted(module, *inputs):
    """Multiplications by torchinfo, and by torch (which counts an addition with each)."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(*inputs)
    return torchinfo.summary(module, input_data=list(inputs), verbose=0).total_mult_adds, counter.get_total_flops() // 2

words = torch.zeros(1, 500, dtype=torch.long)
vectors = torch.zeros(1, 500, 64)
attention = nn.MultiheadAttention(64, 4, bias=False, batch_first=True)
cases = {
    "Linear(64, 64), 1 position": (nn.Linear(64, 64, bias=False), vectors[:, 0]),
    "Linear(64, 64), 500 positions": (nn.Linear(64, 64, bias=False), vectors),
    "Conv1d(64, 64, 1), 500 positions": (nn.Conv1d(64, 64, 1, bias=False), vectors.mT),
    "Embedding(30,000, 64), 500 positions": (nn.Embedding(30_000, 64), words),
    "attention over 500 positions": (attention, vectors, vectors, vectors),
    "tagger, 30,000 words, width 64, 20 positions": (Tagger(30_000, 64), words[:, :20]),
    "tagger, 2,000 words, width 256, 500 positions": (Tagger(2_000, 256), words),
}
print(f"torchinfo {torchinfo.__version__}, torch {torch.__version__}: multiplications by the one and by the other")
found = {}
for name, case in cases.items():
    found[name] = counted(*case)
    print(f"  {name}: {found[name][0]:,} and {found[name][1]:,}")
one, sequence, convolution, table, attended, wordy, wide = found.values()
assert one == (4096, 4096) and sequence == (4096, 4096 * 500) and convolution == (4096 * 500, 4096 * 500)
assert table == (30_000 * 64, 0) and attended[0] < 4096 + 1 < 10**6 < attended[1]
assert wordy[0] > 2 * wide[0] and 100 * wordy[1] < wide[1]
PY
