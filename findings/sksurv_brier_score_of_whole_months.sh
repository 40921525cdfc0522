#!/usr/bin/env bash
# scikit-survival, brier_score and integrated_brier_score, of times that come in whole months, weeks or days, so that in most of them some cancel and others are lost from sight: each event counts with one over
# the share that is not censored *by* its month, where it was seen because it was not censored *before* it. Events weigh too much, by as much as a month censors. Of subscriptions of which a quarter goes out
# of sight each month the true probabilities get .21 where all outcomes, censored ones too, say .17; a flat .5, whose score is .25 whatever happens, gets .28; and who overstates all risks by a quarter is *better* than the
# truth, so that models are chosen, and their parameters tuned, towards overstating. The same people censored half a month later, after the month's events, are right to two digits.
# The documentation has the estimator of Graf et al. and no word on ties; concordance_index_ipcw weighs events alike (issue 428, open since 2024, on that). An estimate with the month before, below, is right. Add half a unit to the times
# of the censored before scoring.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-survival==0.28.0' 'scikit-learn==1.9.1' 'pandas==2.3.3' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W error - <<'PY'
import numpy as np, sksurv
from sksurv.metrics import brier_score, integrated_brier_score
from sksurv.util import Surv

rng = np.random.default_rng(0)
rows, months = 20_000, np.arange(1, 9)
hazard = 1 / (1 + np.exp(2.2 - rng.normal(size=rows)))
event, lost = rng.geometric(hazard), rng.geometric(0.25, rows)
true = (1 - hazard)[:, None] ** months


def over_months(scores):
    return float(np.trapezoid(scores, months) / (months[-1] - months[0]))


def by_sksurv(chances, later):
    ends = lost + later
    seen = Surv.from_arrays(event <= ends, np.minimum(event, ends).astype(float))
    scores = brier_score(seen, seen, chances, months)[1]
    total = float(integrated_brier_score(seen, seen, chances, months))
    assert abs(over_months(scores) - total) < 1e-9
    return total


def by_the_month_before(chances):
    time, was_event = np.minimum(event, lost), event <= lost
    free = [1.0]  # the share that is not censored by each month; events of a month come before what is censored in it
    for month in range(1, time.max() + 1):
        censored = ((time == month) & ~was_event).sum()
        at_risk = (time > month).sum() + censored
        free.append(free[-1] * (1 - censored / at_risk if at_risk else 0))
    free = np.array(free)
    return over_months([np.mean(np.where(time <= m, was_event * chances[:, i] ** 2 / free[time - 1], (1 - chances[:, i]) ** 2 / free[m])) for i, m in enumerate(months)])


print(f"scikit-survival {sksurv.__version__}, integrated Brier score over eight months: as it is, censored half a month later, with the month before, of all outcomes")
found = {}
for name, chances in (("true chances", true), ("risks times 1.25", true**1.25), ("a flat .5", np.full_like(true, 0.5))):
    found[name] = (by_sksurv(chances, 0), by_sksurv(chances, 0.5), by_the_month_before(chances),
                   over_months(((event[:, None] > months) - chances).__pow__(2).mean(0)))
    print(f"  {name}: " + ", ".join(f"{value:.4f}" for value in found[name]))
    as_it_is, *others = found[name]
    assert as_it_is > others[-1] + 0.02 and max(others) - min(others) < 0.005
truth, over = found["true chances"], found["risks times 1.25"]
assert over[0] < truth[0] - 0.001 and all(more > right + 0.001 for right, more in zip(truth[1:], over[1:]))
PY
