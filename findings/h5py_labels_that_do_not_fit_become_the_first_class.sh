#!/usr/bin/env bash
# h5py, writing into a data set of whole numbers, `labels[rows] = answers`: what does not fit is neither refused nor wrapped around but moved to the nearest number that does, by HDF5 and in silence. A label of -1, which stands for "none"
# in scikit-learn's clusters and half-labelled data and is left out by many a loss, is 0 in a data set of bytes, and 0 is the first class: of 1,000 rows of which 304 have no label, class 0 has 457 in place of 153. NaN is 0
# as well; 300 is 255, and 2.9 is 2. So rows without a label are learned from, and the rarest class may be the largest. numpy warns of NaN in the same cast where it makes it; `create_dataset(data=…, dtype="u1")` does not, and
# goes by HDF5 too. h5py's documentation says of types that they are converted, and not that numbers are moved. Convert with numpy before writing, or compare what was written.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'h5py==3.16.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W error - <<'PY'
import h5py, numpy as np

rng = np.random.default_rng(0)
truth = rng.integers(0, 4, 1000)
labelled = rng.random(1000) < 0.7
kinds = {"-1": np.where(labelled, truth, -1), "NaN": np.where(labelled, truth, np.nan), "255": np.where(labelled, truth, 255)}
print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}: {np.bincount(truth[labelled]).tolist()} rows of four classes, {np.sum(~labelled)} without a label, written into bytes")
with h5py.File("labels.h5", "w") as file:
    for name, labels in kinds.items():
        stored = file.create_dataset(name, 1000, "u1")
        stored[:] = labels
        counts = np.bincount(stored[:][stored[:] < 4], minlength=4)
        print(f"  missing as {name}: {counts.tolist()}, {np.sum(stored[:] > 3)} above")
        assert (counts[0] == np.sum(truth[labelled] == 0) + np.sum(~labelled)) == (name != "255")
    edges = np.array([300, -3, 2.9, 1e10, np.inf, np.nan])
    assert file.create_dataset("at once", data=edges[[0, 1, 2, 5]], dtype="u1")[:].tolist() == [255, 0, 2, 0]
    for kind in ("u1", "i1", "i8"):
        stored = file.create_dataset(kind, len(edges), kind)
        stored[:] = edges
        print(f"  {edges.tolist()} as {kind}: {stored[:].tolist()}")
    assert file["u1"][:].tolist() == [255, 0, 2, 255, 255, 0] and file["i1"][:].tolist() == [127, -3, 2, 127, 127, 0]
try:
    edges.astype("u1")
except RuntimeWarning as warned:
    print("  numpy, of the same:", warned)
else:
    raise AssertionError("numpy said nothing")
PY
