"""Draws small photos for the tutorial: python examples/photos/make_photos.py FOLDER [EACH]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

KINDS = {"apple": (200, 50, 45), "leaf": (70, 150, 60), "sky": (90, 130, 220)}
"""Class → its colour, which varies from photo to photo."""


def photo(kind: str, rng: np.random.Generator) -> Image.Image:
    """320×240 pixels: a disc, a slanted oval or a band on a noisy ground."""
    ground = rng.integers(60, 200, 3)
    pixels = np.clip(ground + rng.normal(0, 25, (240, 320, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    colour = tuple(int(v) for v in np.clip(np.array(KINDS[kind]) + rng.integers(-45, 45, 3), 0, 255))
    x, y, r = rng.integers(110, 210), rng.integers(80, 160), rng.integers(25, 60)
    if kind == "apple":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "leaf":
        draw.polygon([(x - r, y), (x, y - r / 2), (x + r, y), (x, y + r / 2)], fill=colour)
    else:
        draw.rectangle((0, 0, 320, y), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(1.5))


def make(folder: Path, each: int = 20) -> None:
    rng = np.random.default_rng(0)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            photo(kind, rng).save(folder / kind / f"{i}.jpg", quality=88)


if __name__ == "__main__":
    make(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
