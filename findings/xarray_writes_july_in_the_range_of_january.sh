#!/usr/bin/env bash
# xarray, files that are packed in 16 bits with a scale and an offset of their own, as weather archives give them out month by month: `open_mfdataset` (or `concat`) joins them rightly in memory, with the scale and offset of the *first* file still noted
# beside the numbers (`encoding`), and `to_netcdf` packs all of it by them. What does not fit into the first month's range wraps around: a July of 21.0 °C on average, joined to a January and written, is read back with -6.8, and no hour
# of it is above the warmest of January; nothing is raised and nothing said, neither of netCDF nor of zarr, and looking at the data before it is written shows them right. A model learns from a summer that is colder than the
# winter. So it is in one file whose numbers are changed where they stand: kelvin made °C by `data["t2m"].values -= 273.15`, -2.1 on average, are read back as 275.5, which is kelvin for all one sees and was none of them.
# (Issues 4282, 5739 and 8135, closed; 7039, open.) `data.drop_encoding()` before writing is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'xarray==2026.9.0' 'netCDF4==1.7.5.1.post1' 'dask==2026.8.0' 'zarr==3.1.6' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import numpy as np, xarray as xr

rng = np.random.default_rng(0)


def archive(name, first_hour, degrees):
    """As weather archives pack it: 16 bits over the range of the file's own numbers."""
    low, high = degrees.min(), degrees.max()
    packing = {"dtype": "int16", "scale_factor": (high - low) / 65532, "add_offset": (high + low) / 2, "_FillValue": np.int16(-32768)}
    hours = np.arange(first_hour, first_hour + len(degrees))
    xr.Dataset({"t2m": ("time", degrees)}, {"time": hours}).to_netcdf(name, encoding={"t2m": packing})


def months(data):
    return [float(part.mean()) for part in (data["t2m"][:744], data["t2m"][744:])]


january, july = rng.normal(-2, 4, 744), rng.normal(21, 4, 744)
archive("january.nc", 0, january)
archive("july.nc", 744, july)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    joined = xr.open_mfdataset(["january.nc", "july.nc"])
    joined.to_netcdf("joined.nc")
    joined.to_zarr("joined.zarr", zarr_format=2)
    joined.drop_encoding().to_netcdf("plain.nc")
    found = {"in memory": joined, "netCDF": xr.open_dataset("joined.nc"), "zarr": xr.open_zarr("joined.zarr"), "netCDF, without the encoding": xr.open_dataset("plain.nc")}
    means = {name: months(data) for name, data in found.items()}
told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
assert not told, told
print(f"xarray {xr.__version__}, netCDF4: mean temperature of January and July, {january.mean():.1f} and {july.mean():.1f}")
for name, (winter, summer) in means.items():
    print(f"  {name}: {winter:.1f} and {summer:.1f}")
    assert abs(winter - january.mean()) < 0.01
    assert summer < 0 if name in ("netCDF", "zarr") else abs(summer - july.mean()) < 0.01, (name, summer)
highest = float(found["netCDF"]["t2m"].max())
print(f"  the highest of all, as read back: {highest:.1f}; {january.max():.1f} in January, {july.max():.1f} in July")
assert abs(highest - january.max()) < 0.01
archive("kelvin.nc", 0, january + 273.15)
with xr.open_dataset("kelvin.nc") as kelvin:
    data = kelvin.load()
data["t2m"].values -= 273.15
data.to_netcdf("celsius.nc")
again = float(xr.open_dataset("celsius.nc")["t2m"].mean())
print(f"  kelvin made °C where they stand: {float(data['t2m'].mean()):.1f}, as read back {again:.1f}")
assert abs(float(data["t2m"].mean()) - january.mean()) < 0.01 and abs(again - january.mean()) > 1
PY
