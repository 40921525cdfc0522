#!/usr/bin/env bash
# pandas 3 and scikit-learn: a column of dates has the unit of where it came from: microseconds from a CSV or a Timestamp, nanoseconds out of a Parquet
# file that an older pandas wrote, milliseconds from a date of Polars, seconds from numpy. They compare equal and print alike. Most of scikit-learn's
# estimators take a table of dates without a word, as the whole numbers behind them; so a model that was fitted on the one and is asked about the
# same days in the other sees them a thousand times as far from 1970, or as near: a tree answers one class for all, MinMaxScaler 55,134 for the first day, 0.
# scikit-learn documents numbers as its input and refuses dates beside numbers; where dates stand alone, as in a step of a ColumnTransformer, it takes them.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pandas==3.1.1' 'pyarrow==25.0.1' 'polars==2.1.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W error - <<'PY'
import io

import numpy as np, pandas as pd, polars as pl, pyarrow as pa, pyarrow.parquet as pq, sklearn
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

days = np.arange("2025-01-01", "2026-01-01", dtype="datetime64[D]")
late = (days >= np.datetime64("2025-09-01")).astype(int)
learned = pd.read_csv(io.StringIO("due\n" + "\n".join(map(str, days))), parse_dates=["due"])
pq.write_table(pa.table({"due": pa.array(days.astype("datetime64[ns]"))}), "older.parquet")
served = {
    "the same CSV": learned.copy(),
    "Parquet in nanoseconds": pd.read_parquet("older.parquet"),
    "dates of Polars": pl.DataFrame({"due": days}).with_columns(pl.col("due").cast(pl.Date)).to_pandas(),
}
models = {
    "tree": DecisionTreeClassifier(random_state=0), "forest": RandomForestClassifier(10, random_state=0), "boosting": HistGradientBoostingClassifier(),
    "neighbours": KNeighborsClassifier(1),
    "neighbours, scaled": make_pipeline(make_column_transformer((MinMaxScaler(), ["due"])), KNeighborsClassifier(1)),
}
print(f"pandas {pd.__version__}, scikit-learn {sklearn.__version__}: 365 days as {learned['due'].dtype}, of which {late.mean():.3f} are late; "
      "accuracy on the same days")
found = {name: {} for name in models}
for name, model in models.items():
    model.fit(learned, late)
    for source, rows in served.items():
        assert (rows["due"] == learned["due"]).all() and [str(day) for day in rows["due"]] == [str(day) for day in learned["due"]]
        found[name][source] = float((model.predict(rows) == late).mean())
    print(f"  {name}: " + ", ".join(f"{source} ({served[source]['due'].dtype}) {value:.3f}" for source, value in found[name].items()))
scaler = MinMaxScaler().fit(learned)
first = {source: round(float(scaler.transform(rows)[0, 0])) for source, rows in served.items()}
print("  MinMaxScaler, the first day: " + ", ".join(f"{source} {value:,}" for source, value in first.items()))
assert [str(rows["due"].dtype) for rows in served.values()] == ["datetime64[us]", "datetime64[ns]", "datetime64[ms]"]
always, never = float(late.mean()), float(1 - late.mean())
for name, by_source in found.items():
    expected = {"the same CSV": 1.0, "Parquet in nanoseconds": always, "dates of Polars": never}
    assert all(abs(by_source[source] - value) < 0.01 for source, value in expected.items()), (name, by_source)
assert first["the same CSV"] == 0 and first["Parquet in nanoseconds"] > 10_000 and first["dates of Polars"] < -10, first
PY
