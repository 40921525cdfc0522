#!/usr/bin/env bash
# torchmetrics.text, of speech recognition: WordInfoLost, WordInfoPreserved and MatchErrorRate need to know how many words were hit. It takes the length of the longer text less the edit distance, which is right
# where words were only taken for others. Where one word is left out and another put in, as a recogniser does at the ends of a text, the two do not cancel, and a hit is counted off for each such pair: of
# "well the cat sat on the mat" and "the cat sat on the mat now" six words of seven are right, so that .27 of the information is lost; torchmetrics says .49, and a match error of .29 in place of .25.
# A recogniser that shifts is ranked behind one that mistakes a fifth of all words, .45 to .39, where .24 and .39 are lost. Nothing is raised, and WordErrorRate of the same texts is jiwer's to the last digit. The documentation has
# the formulas, with hits, substitutions, insertions and deletions. (Issue 3511, open since September 2026.) jiwer, and an alignment worked out below, agree.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'jiwer==4.0.0' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import jiwer
from torchmetrics.text import MatchErrorRate, WordErrorRate, WordInfoLost


def by_alignment(said, truth):
    """Errors, hits and both lengths of texts, by dynamic programming: fewest errors, and of those the most hits."""
    errors = hits = 0
    for a, b in zip((text.split() for text in said), (text.split() for text in truth)):
        row = [(j, 0) for j in range(len(b) + 1)]
        for i, word in enumerate(a, 1):
            last, row = row, [(i, 0)]
            for j, other in enumerate(b, 1):
                same = word == other
                row.append(min((last[j - 1][0] + (not same), last[j - 1][1] - same), (last[j][0] + 1, last[j][1]), (row[-1][0] + 1, row[-1][1])))
        errors, hits = errors + row[-1][0], hits - row[-1][1]
    told, true = (sum(len(text.split()) for text in texts) for texts in (said, truth))
    return errors / true, errors / (errors + hits), 1 - hits / true * hits / told


def by_torchmetrics(said, truth):
    measures = WordErrorRate(), MatchErrorRate(), WordInfoLost()
    for measure in measures:
        measure.update(said, truth)
    return tuple(float(measure.compute()) for measure in measures)


def by_jiwer(said, truth):
    out = jiwer.process_words(truth, said)
    return out.wer, out.mer, out.wil


truth = ["well the cat sat on the mat", "we met at the old town hall by the river", "please send the report before noon"]
systems = {
    "shifts": ["the cat sat on the mat now", "met at the old town hall by the river yes", "send the report before noon today"],
    "mistakes": ["well the hat sat in the mat", "we met on the old down hall by the river", "please send the report before moon"],
    "one word left out": ["the cat sat on the mat", *truth[1:]],
}
print(f"torchmetrics {version('torchmetrics')}, jiwer {version('jiwer')}: word error, match error, information lost, by torchmetrics, by jiwer, by an alignment")
found = {}
for name, said in systems.items():
    found[name] = [[round(value, 3) for value in by(said, truth)] for by in (by_torchmetrics, by_jiwer, by_alignment)]
    print(f"  {name}: {found[name][0]}, {found[name][1]}, {found[name][2]}")
    theirs, right, own = found[name]
    assert right == own and theirs[0] == right[0]
assert found["shifts"][0][2] > found["shifts"][1][2] + 0.15 and found["shifts"][0][1] > found["shifts"][1][1] + 0.02
assert found["mistakes"][0] == found["mistakes"][1] and found["one word left out"][0] == found["one word left out"][1]
assert found["shifts"][1][2] < found["mistakes"][1][2] and found["shifts"][0][2] > found["mistakes"][0][2]
PY
