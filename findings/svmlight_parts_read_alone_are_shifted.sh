#!/usr/bin/env bash
# Whether the columns of a svmlight (libsvm) file are counted from 0 or from 1 stands nowhere in it. scikit-learn 1.9.1
# writes them from 0 by default (`dump_svmlight_file`) and by default guesses when it reads (`zero_based="auto"`): a file
# in which no row has anything in column 0 is taken to count from 1, and all of its columns move one to the left, also
# where `n_features` is given. Sparse columns are often empty in a small part, so that of two files that it wrote itself
# the training part comes back as it was and the test part shifted, without a word.
#
# Here: 300 and 100 rows of 30 columns, of which the first is empty in the test part. A logistic regression is right in
# .63 of the test rows, and in .39 of those that were read. LightGBM 4.7.0 counts from 0 in both and is not shifted, so the
# same two files rank models by who read them. Read together (`load_svmlight_files`) or with `zero_based=True` both are
# as they were.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.3.5 scipy==1.17.1 scikit-learn==1.9.1 lightgbm==4.7.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import lightgbm
import numpy as np
import sklearn
from sklearn.datasets import dump_svmlight_file, load_svmlight_file, load_svmlight_files
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)
rows = (rng.random((400, 30)) < 0.1) * rng.normal(size=(400, 30)).round(3)
answers = (rows[:, 3] + rows[:, 7] - rows[:, 12] + 0.2 * rng.normal(size=400) > 0).astype(int)
rows[300:, 0] = 0
dump_svmlight_file(rows[:300], answers[:300], "train.svm")
dump_svmlight_file(rows[300:], answers[300:], "test.svm")

train, of_train = load_svmlight_file("train.svm", n_features=30)
test, of_test = load_svmlight_file("test.svm", n_features=30)
is_whole = bool((train.toarray() == rows[:300]).all())
is_shifted = bool((test.toarray()[:, :-1] == rows[300:, 1:]).all())
print(f"scikit-learn {sklearn.__version__}: training part as it was written: {is_whole}; "
      f"test part one column to the left: {is_shifted}")
assert is_whole and is_shifted

model = LogisticRegression(C=100).fit(train, of_train)
read, true = model.score(test, of_test), model.score(rows[300:], answers[300:])
print(f"accuracy on the test part as it was read {read:.2f}, as it was written {true:.2f}")
assert true - read > 0.15

together = load_svmlight_files(("train.svm", "test.svm"), n_features=30)[2].toarray()
said = load_svmlight_file("test.svm", n_features=30, zero_based=True)[0].toarray()
assert (together == rows[300:]).all() and (said == rows[300:]).all()
print("read together, or with zero_based=True: as it was written")

settings = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5}
booster = lightgbm.train(settings, lightgbm.Dataset("train.svm"), 30)
by_file, by_array = booster.predict("test.svm"), booster.predict(rows[300:])
print(f"LightGBM {lightgbm.__version__}: answers to file and array are equal: {np.allclose(by_file, by_array)}")
assert np.allclose(by_file, by_array)
PYTHON
