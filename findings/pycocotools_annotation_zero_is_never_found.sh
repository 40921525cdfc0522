#!/usr/bin/env bash
# pycocotools, COCOeval: a match is noted as the annotation's id, and read as yes or no. An annotation whose id is 0, as the first one has in files that count from 0, can be found by
# nobody: the box that lies on it to the pixel is a false alarm, and it is missed. The format asks for an id that is a whole number and for no more, and
# images and categories of id 0 are fine. Of a perfect detector of ten things the average precision is .81, of one thing 0; where classes are rare, a class's score and the mean over
# classes move with it, by where a thing happens to stand in the file: the same boxes in another order have another score. Nothing is said.
# (Issue 664 of cocoapi, open. faster-coco-eval warns of it since; torchmetrics numbers the boxes that it hands over from 1.) Ids from 1 cure it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pycocotools==2.0.11' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W error - <<'PY'
import contextlib
import io
import json
from importlib.metadata import version
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

BOX = [10, 10, 40, 40]


def precision(count, first, is_reversed=False, rare=False):
    """AP of a detector that finds each thing to the pixel; one thing to an image, ids from `first` on."""
    images = list(range(count))[:: -1 if is_reversed else 1]
    kind = {image: 2 if rare and image == 0 else 1 for image in images}
    truth = {
        "images": [{"id": image, "width": 100, "height": 100} for image in images],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "tram"}],
        "annotations": [
            {"id": first + place, "image_id": image, "category_id": kind[image], "bbox": BOX, "area": 1600, "iscrowd": 0}
            for place, image in enumerate(images)
        ],
    }
    Path("truth.json").write_text(json.dumps(truth))
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO("truth.json")
        found = ground.loadRes([{"image_id": image, "category_id": kind[image], "bbox": BOX, "score": 0.9 - 0.001 * image} for image in images])
        evaluation = COCOeval(ground, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return round(float(evaluation.stats[0]), 3)


print(f"pycocotools {version('pycocotools')}: average precision of a perfect detector, ids from 1 and from 0")
for count in (1, 2, 10, 100):
    print(f"  {count} things: {precision(count, 1)}, {precision(count, 0)}")
    assert precision(count, 1) == 1 > precision(count, 0)
assert precision(1, 0) == 0 and precision(10, 0) == 0.811
tram = precision(100, 0, rare=True), precision(100, 0, is_reversed=True, rare=True)
print(f"  99 cars and a tram, ids from 0: {tram[0]} with the tram first in the file, {tram[1]} with a car first")
assert tram[0] == 0.5 and tram[1] > 0.95
PY
