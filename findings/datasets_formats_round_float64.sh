#!/usr/bin/env bash
# Hugging Face datasets: a column of float64 comes out of `with_format("numpy")` and `with_format("torch")` as float32, though the features
# go on saying float64, and though integers keep their 64 bits. Times in seconds since 1970 are then rounded to 128 s: an order of events
# within two minutes is lost, and rows change sides of a split by time. Without a format, and as "pandas" or "arrow", the same cells are
# exact. `with_format("numpy", dtype=numpy.float64)` cures it, for all columns at once, integers too.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'torch==2.13.0' 'numpy==2.4.6' 'pandas==3.1.1' 'pyarrow==25.0.1'
cd "$work"
HF_HOME="$work/hf" HF_HUB_OFFLINE=1 "$work/venv/bin/python" -W ignore - <<'PY'
import datasets, numpy as np

split = 1_764_028_800.0
events = datasets.Dataset.from_dict({"at": [split + k for k in range(-60, 61)], "user": [2**24 + 1] * 121})
print(f"datasets {datasets.__version__}, features {events.features['at'].dtype} and {events.features['user'].dtype}, 121 events a second apart")
found = {}
for name, options in {"none": {}, "pandas": {}, "arrow": {}, "numpy": {}, "torch": {}, "numpy, dtype=float64": {"dtype": np.float64}}.items():
    form = None if name == "none" else name.split(",")[0]
    cells = events.with_format(form, **options)[:]
    at, user = cells["at"], cells["user"]
    kinds = tuple(str(getattr(column, "dtype", getattr(column, "type", type(column[0]).__name__))).removeprefix("torch.") for column in (at, user))
    at = np.asarray(at)
    found[name] = (*kinds, len(np.unique(at)), int((at.astype(float) < split).sum()), int(user[0]) if form != "arrow" else user[0].as_py())
    print(f"  {name}: {kinds}, {found[name][2]} different times, {found[name][3]} before the split")
assert all(found[name][2:] == (121, 60, 2**24 + 1) for name in ("none", "pandas", "arrow", "numpy, dtype=float64"))
assert all(found[name] == ("float32", "int64", 1, 0, 2**24 + 1) for name in ("numpy", "torch"))
assert found["numpy, dtype=float64"][:2] == ("float64", "float64")
PY
