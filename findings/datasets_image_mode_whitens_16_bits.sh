#!/usr/bin/env bash
# Hugging Face datasets, `Image(mode="RGB")` (or "L"), by which a column of mixed pictures gets one form for a network, and `imagefolder`, which reads any PNG or TIFF: a grey picture of 16 bits, as X-rays, microscopes and
# depth cameras write it, is not scaled to 8 bits but cut off at 255. What was brighter than a 257th of white, which is all but the deepest black, is white; the pictures keep
# their number, size and labels, and a network on them learns that all are alike. A TIFF of floats between 0 and 1 becomes black in the same way. Nothing is said. Of
# 8 bits all is right, so that a check on a photograph passes. It is Pillow's convert that does so (issue 3011 of 2018); the documentation of datasets
# says of `mode` that pictures are converted to it. Left in their own mode, or scaled through numpy first, they are whole.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'pillow==13.0.0' 'numpy==2.4.6' 'pandas==3.1.1' 'pyarrow==25.0.1'
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version
from pathlib import Path

import numpy as np
from datasets import Image, load_dataset
from PIL import Image as Pillow

ramp = np.linspace(0, 1, 64 * 64).reshape(64, 64)
Path("pictures").mkdir()
Pillow.fromarray((65535 * ramp).astype(np.uint16)).save("pictures/16_bits.png")
Pillow.fromarray((255 * ramp).astype(np.uint8)).save("pictures/8_bits.png")
Pillow.fromarray(ramp.astype(np.float32)).save("pictures/floats.tiff")
rows = load_dataset("imagefolder", data_dir="pictures", split="train", drop_labels=True)
names = [Path(row["image"]["path"]).stem for row in rows.cast_column("image", Image(decode=False))]
print(f"datasets {version('datasets')}, pillow {version('pillow')}: one ramp from black to white in three files, of its pixels black, white, and how many shades")
found = {}
for mode in (None, "RGB", "L"):
    for name, row in zip(names, rows.cast_column("image", Image(mode=mode))):
        pixels = np.asarray(row["image"])
        top = {"16_bits": 65535, "floats": 1}.get(name, 255) if mode is None else 255
        found[mode, name] = black, white, shades = float((pixels == 0).mean()), float((pixels == top).mean()), len(np.unique(pixels))
        print(f"  mode={mode}, {name}: {black:.1%}, {white:.1%}, {shades}")
for mode in ("RGB", "L"):
    assert found[mode, "16_bits"][1] > 0.99 and found[mode, "floats"][0] > 0.99 and found[mode, "8_bits"][2] == 256
assert found[None, "16_bits"][2] == found[None, "floats"][2] == 4096
PY
