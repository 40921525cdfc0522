#!/usr/bin/env bash
# pandas, `to_datetime(..., format="%Y-%m-%d")`: a cell that says `now` or `today` is no mistake, whatever the format and with
# `errors="raise"`: it becomes the moment of reading, to the microsecond. `tomorrow` or `soon` raise. A column of due dates in which
# people typed `today` has other values (and other calendar features) each time it is read, and two readings of one file disagree.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pandas==3.1.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import pandas as pd

cells = pd.Series(["2024-01-15", "today", "now"])
read = [pd.to_datetime(cells, format="%Y-%m-%d", errors="raise") for _ in range(2)]
print(f"pandas {pd.__version__}: the same cells read twice with format='%Y-%m-%d'")
for first, again, cell in zip(*read, cells):
    print(f"  {cell:>10}: {first}   {again}")
assert (read[0][0] == read[1][0]) and read[0].notna().all()
assert all(read[0][k] != read[1][k] and read[0][k].date() == pd.Timestamp.now().date() for k in (1, 2))
try:
    pd.to_datetime(pd.Series(["2024-01-15", "tomorrow"]), format="%Y-%m-%d")
except ValueError as error:
    print(f"  tomorrow: {str(error).splitlines()[0]}")
else:
    raise SystemExit("`tomorrow` is read now")
PY
