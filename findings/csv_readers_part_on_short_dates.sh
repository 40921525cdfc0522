#!/usr/bin/env bash
# A column of days written as most of Europe does with two digits of the year (25.04.24, 25/04/24, 25-04-24) becomes a
# column of days in three libraries, of three different kinds, and only one of them says anything:
# - DuckDB 2.0.1 (`read_csv` finds types by itself) takes the day for the year and the year for the day, of the whole
#   column: 25.04.24 is the 24th of April 2025, 31.12.24 the 24th of December 2031. It is well-formed as year.month.day
#   as long as the years are 01 to 31, so that no later row corrects it.
# - polars 2.1.0 (`try_parse_dates=True`) reads day, month and year as meant, and the year as the year 24.
# - pandas 2.3.3 (`parse_dates`) reads each cell for itself with a warning: 25.04.24 as meant, 03.04.24 as the 4th of March.
# Who cuts by such a column into earlier and later rows trains on the future in two of the three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 pandas==2.3.3 pyarrow
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import duckdb
import pandas as pd
import polars as pl

MEANT = ["2024-04-03", "2024-04-25", "2024-12-31"]
for sign in "./-":
    with open("days.csv", "w") as file:
        file.write("day,sold\n")
        file.writelines(f"{day[8:]}{sign}{day[5:7]}{sign}{day[2:4]},{n}\n" for n, day in enumerate(MEANT))
    by_duckdb = [str(row[0]) for row in duckdb.sql("select day from read_csv('days.csv')").fetchall()]
    by_polars = [str(day) for day in pl.read_csv("days.csv", try_parse_dates=True)["day"]]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        by_pandas = pd.read_csv("days.csv", parse_dates=["day"]).day.dt.strftime("%Y-%m-%d").tolist()
    print(f"{open('days.csv').read().split()[1:]} are meant as {MEANT}")
    print(f"  DuckDB {duckdb.__version__}: {by_duckdb}")
    print(f"  polars {pl.__version__}: {by_polars}")
    print(f"  pandas {pd.__version__}: {by_pandas}, with {len(said)} warning")
    assert by_duckdb == ["2003-04-24", "2025-04-24", "2031-12-24"]
    assert by_polars == ["0024-04-03", "0024-04-25", "0024-12-31"]
    assert by_pandas == ["2024-03-04", "2024-04-25", "2024-12-31"] and len(said) == 1
PYTHON
