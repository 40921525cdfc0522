"""What image files say before they are decoded: sizes, transparency, depth, several pictures in one.

Kept in the cache folder: opening thousands of files takes a second each thousand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.datasets.files import sha256_of, write_whole
from harness.datasets.own_files import content_of
from harness.datasets.pictures import WHITE, is_deep
from harness.record import DataError, content_hash
from harness.store.disk import cache_root

LOOKED_AT = 2000
"""Files whose headers are read."""
DEEP = 16
"""Images of 16 bits whose pixels are looked at."""
DARK = 0.25
"""Images whose brightest pixel is below such a share of white were measured on another scale."""
LONG = 2.0
"""Of a picture so many times as long as it is wide the middle square is less than half."""


@dataclass(frozen=True)
class Headers:
    """Of the files that were looked at.

    Args:
        side: the median shorter side. several: files with more than one picture.
        brightest: the highest value in grey images of 16 bits, 0 where there are none. colour: in those of
            16 bits a colour, of which Pillow reads the upper 8.
    """

    files: int = 0
    side: int = 1
    transparent: int = 0
    several: int = 0
    long: int = 0
    brightest: int = 0
    colour: int = 0


def headers_of(files: Sequence[Path], root: Path) -> Headers:
    """What the headers of some of the files say, evenly spread over all."""
    return _headers_of(tuple(files[:: max(1, len(files) // LOOKED_AT)]), root)


@lru_cache(maxsize=4)
def _headers_of(files: tuple[Path, ...], root: Path) -> Headers:
    key = content_hash([content_of(files, root), sha256_of(Path(__file__))])
    memory = cache_root() / "headers" / f"{key}.json"
    if memory.is_file():
        return Headers(**json.loads(memory.read_text()))
    found = _look_at(files)
    write_whole(memory, lambda out: out.write(json.dumps(asdict(found)).encode()))
    return found


def _look_at(files: Sequence[Path]) -> Headers:
    from PIL import Image, UnidentifiedImageError

    sides: list[int] = []
    tops: list[int] = []
    colours: list[int] = []
    transparent = several = long = 0
    for file in files:
        try:
            with Image.open(file) as image:
                sides.append(min(image.size))
                transparent += image.has_transparency_data
                several += image.format != "MPO" and getattr(image, "n_frames", 1) > 1
                long += max(image.size) >= LONG * min(image.size)
                if is_deep(image) and len(tops) < DEEP:
                    tops.append(int(np.asarray(image).max()))
                elif len(colours) < DEEP and any(
                    ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
                ):
                    colours.append(256 * int(np.asarray(image.convert("RGB")).max()) + 255)
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
            continue  # said by name when all are decoded
    side = round(float(np.median(sides))) if sides else 1
    brightest, colour = max(tops, default=0), max(colours, default=0)
    return Headers(len(sides), side, transparent, several, long, brightest, colour)


def check_white(headers: Headers, white: int) -> None:
    """Refuse images of 16 bits that would come out nearly black.

    Raises:
        DataError: the value that is white is another one.
    """
    if not 1 <= white <= WHITE:
        raise DataError(f"white is {white}: write the value of a white pixel of 16 bits, up to {WHITE}")
    if headers.brightest and headers.brightest < DARK * white:
        likely = 2 ** headers.brightest.bit_length() - 1
        raise DataError(
            f"images of 16 bits reach {headers.brightest} at most, where {white} is white: they would be "
            f"nearly black; write `white: {likely}`, or what white is"
        )
    if headers.colour and headers.colour < DARK * WHITE:
        raise DataError(
            f"colour images of 16 bits reach {headers.colour} at most, where {WHITE} is white, and their "
            "upper 8 bits alone are read: they would be nearly black; save them with 8 bits"
        )


def said_of(headers: Headers, background: str) -> list[str]:
    """What `plan` says of the files."""
    said, seen = [], headers.files
    if headers.transparent:
        said.append(
            f"{headers.transparent} of {seen} images looked at have transparent pixels: they are laid on "
            f"{background} (`background` sets it)"
        )
    if headers.several:
        said.append(f"{headers.several} of {seen} files looked at hold several pictures: the first is taken")
    if headers.long:
        said.append(
            f"{headers.long} of {seen} images looked at are {LONG:g} times as long as wide, or longer: of "
            "each the middle square is taken, which is half of it or less"
        )
    return said
