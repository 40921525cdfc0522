#!/usr/bin/env bash
# Polars, counts: a sum of yes and no, a length and a count are unsigned numbers of 32 bits, so that a difference of two of them that ought to be -2 is 4,294,967,294. Rows that
# model A had right less those that B had right, group by group, are the way to see which is ahead where: of a model that is behind in most groups the mean lead comes
# out as some thousand million. And a sum of a column of 32 bits stays in 32 bits: 1,000,000 requests of 3,000 tokens each are
# -1,294,967,296 tokens, and cost less than nothing. Sums of 8 and 16 bits are taken in 64, as the documentation says, which names no other, and the mean of the same column
# is right, so that a check on either passes. Nothing is raised. (Issue 13782, open since 2024; 21390, of differences, closed.) pandas, DuckDB and pyarrow take
# all of it in 64 bits and are right. Cast before a sum or a difference: `.cast(pl.Int64)`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'polars==2.1.0' 'pandas==3.1.1' 'duckdb==2.0.1' 'pyarrow==25.0.1' 'numpy==2.4.6'
cd "$work"
POLARS_MAX_THREADS=1 "$work/venv/bin/python" -W error - <<'PY'
import duckdb, numpy as np, pandas as pd, polars as pl, pyarrow.compute as pc

rng = np.random.default_rng(0)
rows = 400
right = {"group": np.repeat(np.arange(4), rows // 4), "a": rng.random(rows) < 0.6, "b": rng.random(rows) < 0.75}
frame, table = pl.DataFrame(right), pd.DataFrame(right)
leads = frame.group_by("group").agg(((pl.col("a").sum() - pl.col("b").sum()) / pl.len()).alias("lead")).sort("group")["lead"].to_list()
sums = table.groupby("group")[["a", "b"]].sum()
by_pandas = ((sums["a"] - sums["b"]) / (rows // 4)).tolist()
by_duckdb = [lead for (lead,) in duckdb.sql('select (sum("a"::int) - sum("b"::int)) / count(*) from "table" group by "group" order by "group"').fetchall()]
print(f"polars {pl.__version__}, pandas {pd.__version__}, duckdb {duckdb.__version__}: how far A is ahead of B, in each of four groups, and on average")
for name, found in (("polars", leads), ("pandas", by_pandas), ("duckdb", by_duckdb)):
    print(f"  {name}: {[round(lead, 2) for lead in found]}, {np.mean(found):,.2f}")
assert np.allclose(by_pandas, by_duckdb) and max(by_pandas) < 0 and min(leads) > 1e7

tokens = np.full(1_000_000, 3000)
found = {}
for bits in ("Int8", "Int16", "Int32", "UInt32", "Int64"):
    column = pl.Series("tokens", tokens if bits != "Int8" else tokens // 30, dtype=getattr(pl, bits))
    found[bits] = int(column.sum()), float(column.mean()), int(column.to_pandas().sum()), pc.sum(column.to_arrow()).as_py()
    grouped = column.to_frame().group_by(pl.lit(0).alias("all")).agg(pl.col("tokens").sum())["tokens"][0]
    assert grouped == found[bits][0]
    print("  1,000,000 times {:,}, {}: sum {:,}, mean {:,.0f}; by pandas {:,}, by pyarrow {:,}".format(int(column[0]), bits, *found[bits]))
assert found["Int32"] == (-1_294_967_296, 3000, 3_000_000_000, 3_000_000_000)
assert all(wrong == right == other for bits, (wrong, _, right, other) in found.items() if bits != "Int32")
more = pl.Series([5_000] * 1_000_000, dtype=pl.UInt32)
print(f"  1,000,000 times 5,000, UInt32: {more.sum():,}")
assert more.sum() == 5_000_000_000 - 2**32
PY
