#!/usr/bin/env bash
# numpy's masked arrays, in which netCDF4 gives out what it reads, in scikit-learn and XGBoost: the mask is taken off, in silence, and what stands *under* it is learned from: the file's own number for "missing", -9,999 here or
# 9.97e36 where it has none of its own, as a measurement. Of a weather station with one number in twenty missing StandardScaler finds a mean pressure of 470 hPa where the array's own mean is 1,013; a linear regression loses both slopes
# (-.5 and .05 are 0); and the mean absolute error of a forecast that is right in every hour is 493 m/s, since masked hours of the truth count. XGBoost counts no number as missing and has -9,999 to split by. scikit-learn refuses NaN with a sentence on missing values, so that one expects the same here. pandas takes the same array with its gaps. `array.filled(numpy.nan)` is what was meant.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'netCDF4==1.7.5.1.post1' 'scikit-learn==1.9.1' 'xgboost-cpu==3.2.0' 'scipy==1.17.1' 'pandas==3.1.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W error - <<'PY'
import netCDF4, numpy as np, pandas as pd, sklearn, xgboost
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
rows = 4000
pressure, humidity = rng.normal(1013, 8, rows), rng.uniform(20, 100, rows)
wind = 5 + 0.5 * (1013 - pressure) + 0.05 * humidity + rng.normal(0, 1, rows)
with netCDF4.Dataset("station.nc", "w") as file:
    file.createDimension("time", rows)
    for name, numbers in (("pressure", pressure), ("humidity", humidity), ("wind", wind)):
        written = np.where(rng.random(rows) < 0.05, -9999, numbers)
        file.createVariable(name, "f8", ("time",), fill_value=-9999)[:] = written
with netCDF4.Dataset("station.nc") as file:
    columns = {name: file[name][:] for name in ("pressure", "humidity", "wind")}
table = np.ma.stack([columns["pressure"], columns["humidity"]], axis=1)
whole, seen = ~table.mask.any(axis=1), ~columns["wind"].mask
print(f"netCDF4 {netCDF4.__version__}, scikit-learn {sklearn.__version__}, XGBoost {xgboost.__version__}: a mean pressure of {columns['pressure'].mean():.1f}, "
      f"of {table.count()} of {table.size} numbers")
mean = StandardScaler().fit(table).mean_[0]
print(f"  StandardScaler: {mean:.1f}")
assert abs(columns["pressure"].mean() - 1013) < 1 and mean < 600
told = mean_absolute_error(columns["wind"], wind), np.abs(columns["wind"] - wind).mean()
print(f"  mean absolute error of the true wind: {told[0]:.1f}; by numpy {told[1]:.1f}")
assert told[0] > 400 and told[1] == 0
learn = seen & whole
straight = LinearRegression().fit(table[learn].data, columns["wind"][learn].data).coef_
coefficients = LinearRegression().fit(table[seen], columns["wind"][seen]).coef_
print(f"  slopes (-0.5 and 0.05): {coefficients.round(4).tolist()}, of the rows without a gap {straight.round(4).tolist()}")
assert abs(straight[0] + 0.5) < 0.01 and abs(coefficients[0]) < 0.05
nothing = xgboost.DMatrix(table).num_nonmissing()
print(f"  XGBoost counts {nothing} numbers that are not missing")
filled = xgboost.DMatrix(table.filled(np.nan)).num_nonmissing()
assert nothing == table.size and filled == table.count()
by_pandas = pd.DataFrame(table).mean()[0]
print(f"  pandas: {by_pandas:.1f}")
assert abs(by_pandas - columns["pressure"].mean()) < 1e-6
try:
    LinearRegression().fit(table[seen].filled(np.nan), columns["wind"][seen].data)
except ValueError as refused:
    print("  scikit-learn, of NaN in the same places:", str(refused).splitlines()[0])
else:
    raise AssertionError("NaN was taken")
PY
