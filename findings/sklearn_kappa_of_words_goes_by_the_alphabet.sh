#!/usr/bin/env bash
# scikit-learn, `cohen_kappa_score(weights="quadratic")` (or "linear"), by which graders, and models of grades, are compared since it counts how far off a grade is: far is the distance in the *sorted list of the labels that occur*, and of words that list
# is the alphabet: high, low, medium. A model that takes low for high, the worst there is, gets .90 of words and .59 of the same grades as numbers 0, 1, 2; one that is a step off, medium for high, .56 and .89. So the
# better of two models is the other one by words, in silence, at equal accuracy. Numbers are taken by their rank too: of grades 1, 2 and 9 a 9 for a 2 is one step, and .89 stands where the differences give .72;
# so a grade that occurs in neither column, as in a small fold, brings its neighbours together. The documentation says of weights that they are "linear" or "quadratic", and of `labels` that it lists what to index the matrix by. `labels=` with all grades in their order is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W error - <<'PY'
import numpy as np, sklearn
from sklearn.metrics import accuracy_score, cohen_kappa_score


def by_hand(a, b):
    """One less the mean squared difference over that of pairs at random."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return 1 - ((a - b) ** 2).mean() / ((a[:, None] - b[None]) ** 2).mean()


rng = np.random.default_rng(0)
words = np.array(["low", "medium", "high"])
truth = rng.integers(0, 3, 1000)
miss = rng.random(1000) < 0.2
near = np.where(miss & (truth > 0), 3 - truth, truth)  # medium and high are mistaken for each other
far = np.where(miss & (truth != 1), 2 - truth, truth)  # low and high are
print(f"scikit-learn {sklearn.__version__}: kappa with quadratic weights of low, medium, high by numbers, by words; accuracy")
found = {}
for name, model in (("a step off", near), ("from end to end", far)):
    numbers, texts = cohen_kappa_score(truth, model, weights="quadratic"), cohen_kappa_score(words[truth], words[model], weights="quadratic")
    assert abs(numbers - by_hand(truth, model)) < 1e-9
    found[name] = float(numbers), float(texts)
    print(f"  {name}: {numbers:.2f}, {texts:.2f}; {accuracy_score(truth, model):.2f}")
    told = cohen_kappa_score(words[truth], words[model], weights="quadratic", labels=list(words))
    assert abs(told - numbers) < 1e-9
grades = np.array([1, 2, 9])[truth]
wrong = np.where(miss & (truth > 0), 11 - grades, grades)  # 2 and 9 are mistaken for each other
ranks, true = float(cohen_kappa_score(grades, wrong, weights="quadratic")), by_hand(grades, wrong)
print(f"  grades 1, 2, 9, of which the last two are mistaken: {ranks:.2f}, by their differences {true:.2f}")
assert ranks > true + 0.1
assert found["a step off"][0] > found["from end to end"][0] + 0.2 and found["a step off"][1] < found["from end to end"][1] - 0.2, found
PY
