#!/usr/bin/env bash
# Zarr and xarray: a zarr array has a `fill_value`, what stands where nothing has been written, which is 0 unless told otherwise. xarray takes it, of files of format 2, for the value that means
# "missing", so that every 0 that *was* written comes back as NaN, in silence, and its means leave NaN out. Rain by the hour becomes that of the wet hours; of labels 0 and 1 all are 1; black pixels are holes, whole
# numbers floats; and a forecast is judged on wet hours alone. zarr itself reads the zeros. Of format 3 xarray is right of the same array, so that converting a data set moves its means;
# files that xarray wrote itself are right in both. The documentation has a switch for it, `use_zarr_fill_value_as_mask=False`, whose default is told by the format; open_zarr takes the switch
# and does not pass it on, so that the zeros stay missing with it too. (Issues 4930 and 5475, closed.) `mask_and_scale=False` when reading, which gives up the scales and true gaps of other columns,
# or `fill_value=None` when writing keeps them.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'zarr==3.1.6' 'xarray==2026.9.0' 'numpy==2.4.6' 'pandas==3.1.1'
cd "$work"
"$work/venv/bin/python" -W error::RuntimeWarning -W error::UserWarning - <<'PY'
from importlib.metadata import version

import numpy as np, xarray, zarr

rng = np.random.default_rng(0)
rows = 2000
rain = np.where(rng.random(rows) < 0.8, 0, rng.exponential(3, rows)).astype(np.float32)
label = (rain > 3).astype(np.int64)
pixel = np.clip(rng.normal(0, 60, rows), 0, 255).astype(np.uint8)


def write(name, kind, **options):
    group = zarr.open_group(name, mode="w", zarr_format=kind)
    for column, values in (("rain", rain), ("label", label), ("pixel", pixel)):
        array = group.create_array(column, shape=values.shape, dtype=values.dtype, **options, **({} if kind == 2 else {"dimension_names": ["hour"]}))
        array[:] = values
        if kind == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = ["hour"]
        assert np.array_equal(array[:], values)  # zarr reads what was written


print(f"zarr {version('zarr')}, xarray {version('xarray')}: means of rain (mm), label and pixel, by numpy {rain.mean():.2f}, {label.mean():.2f}, {pixel.mean():.0f}; how many of {rows} rows are missing; error of a forecast of 0")
found = {}
for name, kind, writing, reading in (
    ("format 2", 2, {}, {}), ("format 2, fill_value=None", 2, {"fill_value": None}, {}),
    ("format 2, use_zarr_fill_value_as_mask=False", 2, {}, {"use_zarr_fill_value_as_mask": False}),
    ("format 2, mask_and_scale=False", 2, {}, {"mask_and_scale": False}), ("format 3", 3, {}, {})):
    write(f"{len(found)}.zarr", kind, **writing)
    data = xarray.open_zarr(f"{len(found)}.zarr", consolidated=False, **reading)
    means = [float(data[column].mean()) for column in ("rain", "label", "pixel")]
    missing = [int(data[column].isnull().sum()) for column in ("rain", "label", "pixel")]
    found[name] = means, missing, float(abs(data["rain"]).mean())
    print(f"  {name}: {means[0]:.2f}, {means[1]:.2f} ({data['label'].dtype}), {means[2]:.0f}; {missing}; {found[name][2]:.2f}")
zeros = [int((values == 0).sum()) for values in (rain, label, pixel)]
for name in ("format 2", "format 2, use_zarr_fill_value_as_mask=False"):
    means, missing, error = found.pop(name)
    assert missing == zeros and means[1] == 1 and means[0] > 4 * rain.mean() and error > 4 * rain.mean()
for means, missing, error in found.values():
    assert missing == [0, 0, 0] and np.allclose(means, [rain.mean(), label.mean(), pixel.mean()], rtol=1e-4)
xarray.Dataset({"rain": ("hour", rain), "label": ("hour", label)}).to_zarr("own.zarr", zarr_format=2, consolidated=False)
own = xarray.open_zarr("own.zarr", consolidated=False)
print(f"  format 2, written by xarray: {float(own['rain'].mean()):.2f}, {float(own['label'].mean()):.2f}")
assert int(own["rain"].isnull().sum()) == int(own["label"].isnull().sum()) == 0
PY
