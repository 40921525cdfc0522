#!/usr/bin/env bash
# Hugging Face datasets: `map` and `filter` keep what they computed on disk and find it again by a fingerprint of the rows and, as the documentation says, a hash of the function, so that an edited
# function is run anew. So it is of one that stands in the script itself. One that is imported, from `prepare.py` beside it, is hashed by its *name*: edit it, run again, and the
# rows of the old code come back, in silence and at once. Nor is an edit seen of what the script's own function calls after `from prepare import words`. A new way to
# clean texts or to cut images "makes no difference", and which of two machines has the new rows depends on what was run there before. (dill writes what can be
# imported by reference. Issue 3297, open since 2021.) A constant that is given as an argument (`fn_kwargs`) is told apart; `load_from_cache_file=False` computes anew.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'numpy==2.4.6' 'pandas==3.1.1' 'pyarrow==25.0.1'
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 PYTHONDONTWRITEBYTECODE=1
printf '{"text": "one two three"}\n' > rows.jsonl
cat > job.py <<'PY'
import sys

from datasets import load_dataset

import prepare
from prepare import words

STEP = 2


def own(row):
    return {"words": row["text"].split()[:STEP]}


def calls(row):
    return {"words": words(row["text"])}


rows = load_dataset("json", data_files="rows.jsonl", split="train")
what = {"own": (own, {}), "imported": (prepare.first, {}), "calls": (calls, {}), "argument": (prepare.some, {"fn_kwargs": {"count": prepare.COUNT}})}
print(*(len(rows.map(function, **options)[0]["words"]) for function, options in what.values()))
PY
write() {
  cat > prepare.py <<PY
COUNT = $1


def words(text):
    return text.split()[:$1]


def first(row):
    return {"words": words(row["text"])}


def some(row, count):
    return {"words": row["text"].split()[:count]}
PY
  sed -i "s/^STEP = .*/STEP = $1/" job.py
}
version=$("$work/venv/bin/python" -c 'import datasets; print(datasets.__version__)')
echo "datasets $version: words kept of three by a function of the script, an imported one, one that calls an imported one, one that is told as an argument"
write 2; before=$("$work/venv/bin/python" -W ignore job.py 2>/dev/null); echo "  code says two: $before"
write 1; after=$("$work/venv/bin/python" -W ignore job.py 2>/dev/null); echo "  code says one: $after"
rm -r cache; fresh=$("$work/venv/bin/python" -W ignore job.py 2>/dev/null); echo "  the same code without the files kept: $fresh"
test "$before" = "2 2 2 2"
test "$after" = "1 2 2 1"
test "$fresh" = "1 1 1 1"
