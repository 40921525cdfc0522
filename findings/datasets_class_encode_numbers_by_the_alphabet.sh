#!/usr/bin/env bash
# Hugging Face datasets: `class_encode_column` makes classes of a column of whole numbers by their *texts*, in the alphabet: of 0 to 11 the
# class of 2 has the number 4, and 10 has 2. (`train_test_split(stratify_by_column=…)` asks for it.) Up to ten classes nothing changes, which
# is what tests have; from eleven on predictions by the new numbers are scored against the old ones, or against another library's, as wrong.
# The names of the ClassLabel know: `int2str` gives the number back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'numpy==2.4.6' 'pandas==3.1.1' 'pyarrow==25.0.1'
cd "$work"
HF_HOME="$work/hf" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import datasets

print(f"datasets {datasets.__version__}")
found = {}
for classes in (10, 12):
    rows = datasets.Dataset.from_dict({"label": list(range(classes)) * 4})
    encoded = rows.class_encode_column("label")
    kept = sum(old == new for old, new in zip(rows["label"], encoded["label"])) / len(rows)
    names = encoded.features["label"]
    found[classes] = kept, list(encoded["label"][:classes])
    assert [int(names.int2str(int(new))) for new in encoded["label"]] == list(rows["label"])
    print(f"  {classes} classes 0 … {classes - 1} become {found[classes][1]}: {kept:.0%} of the rows keep their number")
assert found[10] == (1.0, list(range(10)))
assert found[12] == (2 / 12, [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3]), found[12]
PY
