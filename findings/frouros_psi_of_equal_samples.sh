#!/usr/bin/env bash
# frouros, PSI, the population stability index, of which below .1 is read as nothing and above .25 as a drift: it cuts the *range* of the reference into ten bins of one width, and where a bin is empty on one
# side puts the smallest number that a float can be, 2e-308, for 0. Its logarithm is -708, so that one row of 1,000 in a bin that the other sample left empty adds
# .7. In the thin end of waiting times, amounts and counts a bin is empty sooner than not: of two samples of 1,000 from *one* exponential distribution
# four in five are a drift by far, where 100,000 waits that became 30 % longer get .13. By deciles of the reference, as scorecards have them, and with half a row in an empty bin,
# none of the equal ones is. The documentation names the formula and the number of bins and not what an empty one does; a comment in the code has it as a way around a division
# by zero. The Kolmogorov-Smirnov test of the same library is right of the same samples.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'frouros==0.9.0' 'numpy==2.1.3'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from frouros.detectors.data_drift import PSI, KSTest

rng = np.random.default_rng(0)


def library(reference, sample):
    detector = PSI()
    detector.fit(X=reference)
    return float(detector.compare(X=sample)[0].distance)


def deciles(reference, sample):
    edges = np.quantile(reference, np.linspace(0, 1, 11))[1:-1]
    first, second = (np.bincount(np.searchsorted(edges, rows), minlength=10) / len(rows) for rows in (reference, sample))
    first, second = np.maximum(first, 0.5 / len(reference)), np.maximum(second, 0.5 / len(sample))
    return float(((second - first) * np.log(second / first)).sum())


def test(reference, sample):
    detector = KSTest()
    detector.fit(X=reference)
    return detector.compare(X=sample)[0].p_value < 0.05


print(f"frouros {version('frouros')}: two samples of one distribution, 100 times: share above .25 by PSI(), by deciles, share of Kolmogorov-Smirnov below .05")
found = {}
for name, draw in (("exponential, 1,000 rows", lambda: rng.exponential(size=1000)), ("exponential, 3,000 rows", lambda: rng.exponential(size=3000)), ("normal, 500 rows", lambda: rng.normal(size=500)), ("uniform, 1,000 rows", lambda: rng.random(1000))):
    pairs = [(draw(), draw()) for _ in range(100)]
    by_library, by_deciles = (np.array([index(*pair) for pair in pairs]) for index in (library, deciles))
    found[name] = float((by_library > 0.25).mean()), float((by_deciles > 0.25).mean())
    print(f"  {name}: {found[name][0]:.0%} (the middle one {np.median(by_library):.2f}), {found[name][1]:.0%}; {np.mean([test(*pair) for pair in pairs]):.0%}")
    assert found[name][1] == 0
assert found["exponential, 1,000 rows"][0] > 0.5 and found["normal, 500 rows"][0] > 0.2 and found["uniform, 1,000 rows"][0] == 0
rows = rng.random(1000)
one_more = library(np.append(rows, 1.2), rows)
longer = float(np.median([library(rng.exponential(size=100_000), 1.3 * rng.exponential(size=100_000)) for _ in range(10)]))
print(f"  1,000 rows against the same and one more, further out: {one_more:.2f}; 100,000 rows against as many that are 30 % longer: {longer:.2f}")
assert 0.6 < one_more < 0.8 and longer < 0.15
PY
