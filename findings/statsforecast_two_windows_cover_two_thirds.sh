#!/usr/bin/env bash
# statsforecast, ConformalIntervals: an interval of any level is made of the errors of `n_windows` backtests, which are two unless told otherwise (fewer are
# refused, so that two seems to be enough). Two errors cannot say what happens once in twenty: the interval of 99 % ends where the larger of the
# two lies, and covers two thirds of what comes, as that of 90 % does. Conformal prediction as published needs 19 errors for 95 %, and has no
# end below that; here a narrower interval comes under the level's name, in silence. Whoever compares widths of models at "95 %" compares 66 %.
# The model's own interval covers what it says. Ask for windows: at least 2/(1 - level).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'statsforecast==2.1.1' 'pandas==2.3.3' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 NIXTLA_ID_AS_COL=1 "$work/venv/bin/python" -W error::UserWarning -W error::RuntimeWarning - <<'PY'
from importlib.metadata import version

import numpy as np, pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import HistoricAverage
from statsforecast.utils import ConformalIntervals

rng = np.random.default_rng(0)
series, length, levels = 1500, 60, [80, 90, 95, 99]
values = rng.normal(100, 10, (series, length + 1))
table = pd.DataFrame({"unique_id": np.repeat(np.arange(series), length), "ds": np.tile(np.arange(length), series), "y": values[:, :-1].ravel()})
models = [HistoricAverage(alias="own")] + [
    HistoricAverage(alias=f"{windows}_windows", prediction_intervals=ConformalIntervals(n_windows=windows, h=1)) for windows in (2, 10, 40)]
assert ConformalIntervals().n_windows == 2
found = StatsForecast(models=models, freq=1, n_jobs=1).forecast(df=table, h=1, level=levels).sort_values("unique_id")
print(f"statsforecast {version('statsforecast')}: {series} series of noise around 100, one step ahead; how many of the next values the interval holds (and its width)")
covered = {}
for model in models:
    for level in levels:
        low, high = (found[f"{model.alias}-{end}-{level}"].to_numpy() for end in ("lo", "hi"))
        covered[model.alias, level] = float(((low <= values[:, -1]) & (values[:, -1] <= high)).mean()), float((high - low).mean())
    print(f"  {model.alias}: " + ", ".join(f"{level} %: {covered[model.alias, level][0]:.1%} ({covered[model.alias, level][1]:.0f})" for level in levels))
for level in levels:
    assert abs(covered["own", level][0] - level / 100) < 0.03, covered["own", level]
assert all(covered["2_windows", level][0] < 0.75 for level in levels), covered
assert covered["40_windows", 95][0] > 0.9, covered
PY
