#!/usr/bin/env bash
# pytrec_eval, and ir_measures on top of it: scores are kept in 32 bits, and documents whose scores are then equal are ordered by their
# names, the last in the alphabet first. Python's floats come in, so nothing suggests it. A baseline that ranks by recency (seconds since
# 1970 as the score, where 32 bits hold every 128th) puts the newest, relevant item last of those of its two minutes if its name sorts so.
# The same times less a constant, which is the same ranking, give 1. So do ids renamed. The rank of a document is the safe score.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pytrec_eval-terrier==0.5.11' 'ir_measures==0.4.3' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import ir_measures
import pytrec_eval
from ir_measures import RR, nDCG

midnight = 1_764_028_800.0  # a whole number of 128 seconds
seconds = {"apple": midnight + 50, "bread": midnight + 40, "cheese": midnight + 30, "dates": midnight + 20}
runs = {
    "seconds since 1970": seconds,
    "seconds since midnight": {name: time - midnight for name, time in seconds.items()},
    "seconds since 1970, names that sort the other way": {("z" if name == "apple" else "a") + name: time for name, time in seconds.items()},
}
print(f"pytrec_eval-terrier {version('pytrec_eval-terrier')}, ir_measures {version('ir_measures')}: reciprocal rank and NDCG of one ranking, newest first")
found = {}
for name, run in runs.items():
    relevant = {"customer": {next(iter(run)): 1}}
    assert list(run) == sorted(run, key=run.get, reverse=True) and len(set(run.values())) == 4
    bare = pytrec_eval.RelevanceEvaluator(relevant, {"recip_rank", "ndcg"}).evaluate({"customer": run})["customer"]
    above = ir_measures.calc_aggregate([RR, nDCG @ 10], relevant, {"customer": run})
    found[name] = round(bare["recip_rank"], 3), round(bare["ndcg"], 3), round(above[RR], 3), round(above[nDCG @ 10], 3)
    print(f"  {name}: pytrec_eval {found[name][:2]}, ir_measures {found[name][2:]}")
first, less, renamed = found.values()
assert first == (0.25, 0.431, 0.25, 0.431), first
assert less == renamed == (1.0, 1.0, 1.0, 1.0), (less, renamed)
PY
