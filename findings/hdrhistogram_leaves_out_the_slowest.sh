#!/usr/bin/env bash
# HdrHistogram (Python), with which load is measured since it forgets no tail: a value above the largest that was told of at the start is not counted, and that is all. `record_value` returns False, which
# the loops of its README and of most who use it do not look at; nothing is raised, where the Java original raises and the Rust one returns an error that must be handled. So the slowest calls
# are those that go: of 1,000 calls of which 30 hang for 90 s, with a histogram to one minute, the 99th percentile is 21 ms and the largest 24, the mean is a two-hundredth, and the count alone
# says that 30 are gone. A server that hangs has a *better* 99th percentile than one whose slowest calls take 50 s, and choosing by it chooses the one that hangs. And fractions are cut off: 0.9 ms, in
# milliseconds, is 0. `record_corrected_value`, which is to make good for calls that were not sent in time, loses them too, and with them what it would have added. Give the longest time-out as the upper
# end, in microseconds, and compare `get_total_count()` with what was sent.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'hdrhistogram==0.10.8' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W error - <<'PY'
from importlib.metadata import version

import numpy as np
from hdrh.histogram import HdrHistogram

rng = np.random.default_rng(0)
fast = np.minimum(rng.lognormal(2.6, 0.2, 970), 25)


def look(latencies, how="record_value", *more):
    histogram = HdrHistogram(1, 60_000, 3)
    for latency in latencies:
        getattr(histogram, how)(int(latency), *more)
    return histogram.get_total_count(), histogram.get_value_at_percentile(99), histogram.get_max_value(), histogram.get_mean_value()


print(f"HdrHistogram for Python {version('hdrhistogram')}, 1 ms to 60,000 ms, 1,000 calls of which 30 are slow: count, 99th percentile, largest, mean (ms); by numpy 99th percentile, largest, mean")
found = {}
for name, slow in (("30 take 50 s", 50_000), ("30 take 90 s", 90_000)):
    latencies = np.r_[fast, np.full(30, slow)]
    found[name] = count, p99, largest, mean = look(latencies)
    print(f"  {name}: {count}, {p99}, {largest}, {mean:.0f}; {np.percentile(latencies, 99):.0f}, {latencies.max():.0f}, {latencies.mean():.0f}")
count, p99, largest, mean = found["30 take 50 s"]
assert count == 1000 and abs(p99 - 50_000) < 50 and abs(mean - 1514) < 10
count, p99, largest, mean = found["30 take 90 s"]
assert count == 970 and p99 <= 25 and largest <= 25 and mean < 20
corrected = {slow: look(np.r_[fast, np.full(3, slow)], "record_corrected_value", 1000)[0] for slow in (50_000, 90_000)}
print(f"  record_corrected_value of three slow calls, one call a second: {corrected[50_000]} and {corrected[90_000]} calls counted")
assert corrected == {50_000: 970 + 3 * 50, 90_000: 970}
histogram = HdrHistogram(1, 60_000, 3)
assert histogram.record_value(0.9) and histogram.get_max_value() == 0 and histogram.record_value(90_000) is False
print("  0.9 ms is counted as", histogram.get_max_value())
PY
