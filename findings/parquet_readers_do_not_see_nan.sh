#!/usr/bin/env bash
# NaN in a Parquet file, read by DuckDB: its documentation says that NaN is a value, the largest, and that isnan() finds it. Of a file that pyarrow
# or Polars wrote it finds none (pandas writes missing in place of NaN), and so what one writes against NaN is taken away as needless: the mean `where not isnan(x)`,
# and of nullif(x, 'nan'), is NaN. `x > 100` leaves out the NaN that a table in memory counts, `x <= 100` counts them in. The format says that least
# and largest of a piece leave NaN out, and a reader may not conclude from them that there is none. Files that DuckDB wrote are read rightly (it
# writes no bounds then). (Issue 25521 of DuckDB, open.) pyarrow does the same for what is negated, `~(x <= 100)`, and for `is_null(nan_is_null=True)`,
# and pandas.read_parquet(filters=[("x", "!=", 0)]) for a piece in which all but NaN are 0. Polars, and a filter after reading, are right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'duckdb==2.0.1' 'pyarrow==25.0.1' 'pandas==3.1.1' 'polars==2.1.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W error - <<'PY'
import math

import duckdb, numpy as np, pandas as pd, polars as pl, pyarrow as pa, pyarrow.compute as pc, pyarrow.dataset as ds, pyarrow.parquet as pq

readings = pa.table({"x": [12.0, 15.0, math.nan, 19.0, math.nan, 14.0]})
pq.write_table(readings, "pyarrow.parquet")
pl.from_arrow(readings).write_parquet("polars.parquet")
duckdb.sql("COPY (SELECT * FROM readings) TO 'duckdb.parquet'")
questions = {
    "isnan(x)": "count(*) FROM {} WHERE isnan(x)", "x > 100": "count(*) FROM {} WHERE x > 100", "x <= 100": "count(*) FROM {} WHERE x <= 100",
    "mean where not isnan(x)": "avg(x) FROM {} WHERE NOT isnan(x)", "mean of nullif(x, 'nan')": "avg(nullif(x, 'nan')) FROM {}",
}
print(f"DuckDB {duckdb.__version__}, pyarrow {pa.__version__}: six readings, two of them NaN")
found = {}
for source in ("readings", "'duckdb.parquet'", "'pyarrow.parquet'", "'polars.parquet'"):
    found[source] = [duckdb.sql("SELECT " + question.format(source)).fetchall()[0][0] for question in questions.values()]
    print(f"  DuckDB, {source}: " + ", ".join(f"{name} {value}" for name, value in zip(questions, found[source])))
right, wrong = [2, 2, 4, 15.0, 15.0], [0, 0, 6, math.nan, math.nan]
for source, expected in (("readings", right), ("'duckdb.parquet'", right), ("'pyarrow.parquet'", wrong), ("'polars.parquet'", wrong)):
    assert np.array_equal(found[source], expected, equal_nan=True), (source, found[source])

x, file = pc.field("x"), ds.dataset("pyarrow.parquet")
filters = {"~(x <= 100)": ~(x <= 100), "is_null(nan_is_null=True)": x.is_null(nan_is_null=True), "is_nan": pc.is_nan(x)}
counts = {name: (readings.filter(condition).num_rows, file.to_table(filter=condition).num_rows) for name, condition in filters.items()}
print("  pyarrow, rows in memory and out of the file: " + ", ".join(f"{name} {before} and {after}" for name, (before, after) in counts.items()))
assert counts == {"~(x <= 100)": (2, 0), "is_null(nan_is_null=True)": (2, 0), "is_nan": (2, 2)}, counts
assert pl.scan_parquet("polars.parquet").filter(pl.col("x") > 100).collect().height == 2
assert pl.scan_parquet("polars.parquet").filter(pl.col("x").is_nan()).collect().height == 2

pq.write_table(pa.table({"x": [0.0, 0.0, math.nan, 0.0]}), "changes.parquet")
filtered, after = len(pd.read_parquet("changes.parquet", filters=[("x", "!=", 0)])), int((pd.read_parquet("changes.parquet")["x"] != 0).sum())
print(f"  pandas {pd.__version__}, 0, 0, NaN, 0: {filtered} rows by filters=[('x', '!=', 0)], {after} when filtered after reading")
assert (filtered, after) == (0, 1)
PY
