#!/usr/bin/env bash
# tdigest (Python, Ted Dunning's sketch for percentiles of streams, "accurate estimates" with the tails the best of it): equal values become one centroid, however many, and percentiles lie on
# straight lines between centroids, as if half of each one's mass were spread out on either side. Latencies in whole milliseconds, of a cache that answers in 2 ms four
# times of five and a store that takes 80: the median is 18 ms, which no call took, the lower quartile is *-21 ms*, and the share of calls within
# 2 ms is 40 %, not 80 %. Of ordinary latencies rounded to 1 ms, a median of 2 and 69 % within 2 ms are 2.1 and 46 %. The same numbers with a thousandth of noise are
# right to a digit: then equal ones are several centroids. Nothing in its documentation excludes repeated values (issue 60, open; an example
# of its README is of random(), which has none). numpy beside it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'tdigest==0.5.2.2' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from tdigest import TDigest

rng = np.random.default_rng(0)


def look(latencies, at):
    digest = TDigest()
    digest.batch_update(latencies)
    of_sketch = [digest.percentile(25), digest.percentile(50), 100 * digest.cdf(at)]
    of_all = [float(np.percentile(latencies, 25)), float(np.percentile(latencies, 50)), 100 * float((latencies <= at).mean())]
    return np.round(of_sketch, 1).tolist(), np.round(of_all, 1).tolist()


cached = np.where(rng.random(5000) < 0.8, 2.0, 80.0)
rounded = np.round(rng.lognormal(0.7, 0.4, 5000))
noise = rng.normal(0, 0.001, 5000)
print(f"tdigest {version('tdigest')}, 5,000 latencies: lower quartile, median (ms), share within 2 ms (%), and the same by numpy")
found = {}
for name, latencies, at in (("2 ms or 80 ms", cached, 2.0), ("the same with noise of .001", cached + noise, 2.01), ("in whole milliseconds", rounded, 2.0), ("the same with noise of .001", rounded + noise, 2.01)):
    found[name, at] = of_sketch, of_all = look(latencies, at)
    print(f"  {name}: {of_sketch}; {of_all}")
    if "noise" in name:
        assert abs(of_sketch[0] - of_all[0]) < 0.2 and abs(of_sketch[1] - of_all[1]) < 0.2 and abs(of_sketch[2] - of_all[2]) < 5, (name, of_sketch, of_all)
of_sketch, of_all = found["2 ms or 80 ms", 2.0]
assert of_sketch[0] < 0 and of_sketch[1] > 10 and of_sketch[2] < 45 and of_all[:2] == [2.0, 2.0] and of_all[2] > 75
of_sketch, of_all = found["in whole milliseconds", 2.0]
assert of_all[2] - of_sketch[2] > 15
PY
