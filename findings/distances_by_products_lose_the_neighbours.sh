#!/usr/bin/env bash
# Nearest neighbours of float32 rows: torch.cdist, and scikit-learn-intelex, which is to put a faster algorithm under scikit-learn's classes with the same answers, take |a|² + |b|² - 2ab in 32 bits. Where numbers lie far from 0 for their
# spread that is rounding. Of 200 people and 2,000 shops of one town, in degrees, torch finds the nearest shop of one in 40, and says that it is 0 away; with up to 25 rows on both sides it subtracts, and finds all, so that a test on a few rows passes and
# the answer for one person depends on how many shops there are. Of the mains frequency at 20 places (50 ± .014 Hz), by which the state of a grid is looked up, both find next to no neighbour and a classifier by them falls from
# .97 to .68. scikit-learn's own class splits such rows into 64 bits, faiss (1.15) and scipy subtract: all right of the same numbers. Of torch the documentation has from how many rows on products are taken, and not what it costs (issues
# 37734 and 57690, open since 2020 and 2021; 42479, closed); of the other it names no difference. It is the default there from 16 columns on. `compute_mode="donot_use_mm_for_euclid_dist"`, or rows less their mean, are right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'scikit-learn==1.9.1' 'scikit-learn-intelex==2026.2.0' 'faiss-cpu==1.15.1' 'scipy==1.17.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import faiss, numpy as np, torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier
from sklearnex.neighbors import KNeighborsClassifier as OfIntel

rng = np.random.default_rng(0)
town = np.array([52.52, 13.40])
shops, people = ((town + rng.uniform(-0.1, 0.1, (rows, 2))).astype(np.float32) for rows in (2000, 200))


def nearest(rows, asked):
    return cdist(asked.astype(float), rows.astype(float)).argmin(1)


def by_torch(rows, asked, **options):
    return torch.cdist(torch.from_numpy(asked), torch.from_numpy(rows), **options).argmin(1).numpy()


print(f"torch {version('torch')}, scikit-learn-intelex {version('scikit-learn-intelex')}, scikit-learn {version('scikit-learn')}, faiss {version('faiss-cpu')}: shares of 200 people whose nearest shop is found")
share = {}
for count in (25, 26, 2000):
    truth = nearest(shops[:count], people)
    share[count] = tuple(float((np.concatenate([by_torch(shops[:count], people[s : s + 25], **options) for s in range(0, 200, 25)]) == truth).mean())
                         for options in ({}, {"compute_mode": "donot_use_mm_for_euclid_dist"}))
    print(f"  torch, {count} shops, 25 people at a time: {share[count][0]:.3f}, by subtraction {share[count][1]:.3f}")
away = torch.cdist(torch.from_numpy(people), torch.from_numpy(shops)).min(1).values
print(f"  how many are said to stand in a shop: {float((away == 0).float().mean()):.3f}")
assert share[25] == (1, 1) and share[26][0] < 0.95 and share[2000][0] < 0.2 and share[2000][1] == 1 and (away == 0).float().mean() > 0.9

states = rng.integers(0, 8, 2400)
hertz = (50 + rng.normal(0, 0.01, (8, 20))[states] + rng.normal(0, 0.01, (2400, 20))).astype(np.float32)
rows, asked = hertz[:2000], hertz[2000:]
truth = nearest(rows, asked)
index = faiss.IndexFlatL2(20)
index.add(rows)
found = {"torch": by_torch(rows, asked), "faiss": index.search(asked, 1)[1][:, 0], "torch, less the mean": by_torch(rows - np.float32(50), asked - np.float32(50))}
for name, kind in (("scikit-learn-intelex", OfIntel), ("scikit-learn", KNeighborsClassifier)):
    model = kind(15).fit(rows, states[:2000])
    found[name] = model.kneighbors(asked, 1, return_distance=False)[:, 0]
    share[name] = float(model.score(asked, states[2000:]))
print(f"  mains frequency at 20 places, shares of 400 whose nearest of 2,000 is found: { {name: round(float((of == truth).mean()), 3) for name, of in found.items()} }")
print(f"  accuracy of the state by 15 neighbours: scikit-learn-intelex {share['scikit-learn-intelex']:.3f}, scikit-learn {share['scikit-learn']:.3f}")
assert all((found[name] == truth).mean() < 0.5 for name in ("torch", "scikit-learn-intelex"))
assert all((found[name] == truth).mean() > 0.97 for name in ("faiss", "scikit-learn", "torch, less the mean"))
assert share["scikit-learn-intelex"] < share["scikit-learn"] - 0.1
PY
