#!/usr/bin/env bash
# fairlearn, `equalized_odds_difference` and `equal_opportunity_difference`, where a group of the test part has no positive row, as small groups and rare events
# do: the share of its positives that were found is 0 of 0, which is taken for 0, in silence (scikit-learn's recall warns of the same). So a model
# that is right in every row differs by 1, the largest unfairness there is, and one that finds nobody by 0, the ideal: choosing the fairer of two
# models chooses the useless one. `agg="mean"` halves it. The *ratio* is 0. A group without negatives likewise has a false alarm rate of 0. Leave
# groups out of it of which there are no positives, or look at `MetricFrame(...).by_group` beside counts of both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'fairlearn==0.15.0' 'scikit-learn==1.9.1' 'pandas==3.1.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W error::UserWarning -W error::RuntimeWarning - <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from fairlearn.metrics import equal_opportunity_difference, equalized_odds_difference, equalized_odds_ratio
from sklearn.metrics import recall_score

groups = np.repeat(["large", "middle", "small"], [500, 300, 12])
truth = np.zeros(812, dtype=int)
truth[:100] = truth[500:560] = 1  # a fifth of the large and of the middle group, none of the small one
early = truth.copy()
early[:10] = early[500:506] = 0  # finds nine tenths of the positives, of both groups alike
models = {"right in every row": truth, "misses a tenth in each group": early, "finds nobody": np.zeros(812, dtype=int)}
print(f"fairlearn {version('fairlearn')}: 500, 300 and 12 rows, 100, 60 and 0 of them positive")
found = {}
for name, answer in models.items():
    for rows, which in (("all", slice(None)), ("without the small group", groups != "small")):
        of = {"y_true": truth[which], "y_pred": answer[which], "sensitive_features": groups[which]}
        found[name, rows] = [
            round(float(value), 3) for value in (
                equalized_odds_difference(**of), equalized_odds_difference(**of, agg="mean"), equal_opportunity_difference(**of))]
        print(f"  {name}, {rows}: equalized odds differ by {found[name, rows][0]} ({found[name, rows][1]} by agg=\"mean\"), opportunity by {found[name, rows][2]}")
ratio = float(equalized_odds_ratio(truth, early, sensitive_features=groups))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    recall_score(truth[groups == "small"], truth[groups == "small"])
print(f"  its ratio for the second: {ratio}; scikit-learn's recall of the small group says: {str(said[0].message).split(' due')[0]}")
assert found["right in every row", "all"] == [1, 0.5, 1] and found["finds nobody", "all"] == [0, 0, 0], found
assert found["misses a tenth in each group", "all"][0] == 0.9 and ratio == 0, (found, ratio)
assert all(found[name, "without the small group"] == [0, 0, 0] for name in models), found
PY
