"""Own images: one folder per class, no code.

    photos/cat/1.jpg                photos/train/cat/1.jpg         photos/Training/cat/1.jpg
    photos/dog/2.png       or       photos/test/cat/7.jpg     or   photos/Testing/cat/7.jpg     …

Without a folder to test on a stratified share is cut off by the hash of each file's name. How folders are
understood, `harness.datasets.image_layout` says; transparent images are laid on a colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.datasets.arguments import complete, taken_by
from harness.datasets.decoding import colour_of, decoded
from harness.datasets.decoding import decode as decode
from harness.datasets.image_files import SUFFIXES as SUFFIXES
from harness.datasets.image_headers import check_white, headers_of, said_of
from harness.datasets.image_layout import Listing, list_images
from harness.datasets.image_names import belonging, keys_of
from harness.datasets.mapped import Mapped
from harness.datasets.own_files import content_of
from harness.datasets.pictures import WHITE
from harness.datasets.rare import cut_off
from harness.datasets.splits import coded
from harness.protocols import Dataset, Split, Task
from harness.record import DataError
from harness.suite.source import quoted

DESCRIPTION = (
    "your images, one folder per class, with or without train/ and test/ (path, size, grey, test, …)"
)

LARGEST = 256
"""The side that is taken by default where most files are larger: twice as large is four times the work."""


def load(
    *,
    path: str,
    size: int | None = None,
    grey: bool = False,
    test: float = 0.2,
    background: str = "white",
    white: int = WHITE,
    test_folder: str | None = None,
    labels: Mapping[str, str] | None = None,
    group: str | None = None,
) -> Dataset:
    """Images (n, 3 or 1, size, size) uint8, the middle square of each, resized.

    They are decoded once and kept in the cache folder; `columns["file"]` holds their names, ids are
    their places in the sorted list of names.

    Args:
        size: side in pixels; none: the median of the files' shorter sides, at most 256.
        test: share to test on where there is no folder to test on.
        background: the colour that shows through transparent pixels: a name or `"#rrggbb"`.
        white: the value that is white in images of 16 bits, for instance 4095 where a camera gives 12.
        test_folder: the folder to test on, where its name does not say so.
        labels: a folder's name → the class that it is of, where two are the same.
        group: a regular expression: files in whose names it finds the same never straddle a split, for
            instance `patient\\d+`; what counts is its first group in brackets, where it has one.
    Raises:
        DataError: no classes, a class in one part only, an image that cannot be read.
    """
    information = task(**locals())
    listing = _listing(path, test_folder, labels)
    colour = colour_of(background)
    targets = _targets(listing)
    names = _names(listing)
    keys = keys_of(names.tolist(), group) if group else list(names)
    groups = coded(keys)[0] if group else None
    rows = _divided(listing, keys, targets, group, test)
    # Training rows first: then both parts are slices of one mapped file, and nothing is copied.
    order = np.concatenate(rows)
    images = decoded([listing.files[i] for i in order], listing.root, information.input_shape, colour, white)
    cut = len(rows[0])
    parts = [
        Split(
            images.taken(where) if isinstance(images, Mapped) else images[where],
            targets[order[where]],
            order[where],
            groups=None if groups is None else groups[order[where]],
            columns={"file": names[order[where]]},
        )
        for where in (slice(0, cut), slice(cut, None))
    ]
    return Dataset(information, *parts)


def _targets(listing: Listing) -> np.ndarray:
    index = {name: i for i, name in enumerate(listing.classes)}
    return np.array([index[label] for label in listing.labels], dtype=np.int64)


def _divided(
    listing: Listing, keys: Sequence[str], targets: np.ndarray, group: str | None, test: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and to test on, as the folder has them or by the hash of what each belongs to.

    Raises:
        DataError: `test` is no share; `group` is in both of the folder's parts, or is the class.
    """
    if listing.has_test:
        rows = _rows(listing)
        if group and (both := _shared(keys, *rows)):
            raise DataError(
                f"image_folder: {both} test images are of a group that the training part has too: a score on "
                "them says how well it is remembered. Leave `group` out, or give the folder of one part as "
                "`path`, which is cut by groups"
            )
        return rows
    if not 0 < test < 1:
        raise DataError(f"image_folder: test is {test}, write a share between 0 and 1")
    rest, part = cut_off(keys, targets, test)
    if group and (lost := np.setdiff1d(targets, targets[rest])).size:
        lone = listing.classes[lost[0]]
        count = len({key for key, target in zip(keys, targets, strict=True) if target == lost[0]})
        raise DataError(
            f"image_folder: `group` {group!r} finds {count} group{'s' * (count != 1)} in the images of class "
            f"{lone!r}, and all are tested on, none learnt from: where each class is a group, leave `group` "
            "out; else write what names one person or photograph of several in a class, such as 'patient\\d+'"
        )
    return rest, part


def task(**args: Any) -> Task:
    given = complete(load, args)
    size = given["size"]
    if size is not None and size < 1:
        raise DataError(f"image_folder: size is {size}, write the side of the square images in pixels")
    colour_of(given["background"])
    listing = _listing_of(args)
    headers = headers_of(listing.files, listing.root)
    check_white(headers, given["white"])
    side = size or min(headers.side, LARGEST)
    channels = 1 if given["grey"] else 3
    return Task("image_classification", len(listing.classes), listing.classes, (channels, side, side))


def notes(**args: Any) -> tuple[str, ...]:
    """What is worth knowing of how the folder was read."""
    given, listing = complete(load, args), _listing_of(args)
    headers = headers_of(listing.files, listing.root)
    if group := given["group"]:  # what divides nothing is refused before a trial
        keys = keys_of(_names(listing).tolist(), group)
        _divided(listing, keys, _targets(listing), group, given["test"])
    said = [*listing.notes, *_said_of_names(listing, group)]
    if not given["size"]:
        median, side = headers.side, min(headers.side, LARGEST)
        capped = f", of which {LARGEST} is taken at most" if median > LARGEST else ""
        said.append(
            f"images are {side}×{side} pixels: the median shorter side of the files is {median}{capped} "
            "(`size` sets it)"
        )
    return (*said, *said_of(headers, given["background"]))


def groups_in(**args: Any) -> tuple[str, int]:
    """The `group` that names of files ask for, else nothing; and how many images to test on, of a folder that
    has parts, are of one that is trained on.
    """
    listing = _listing_of(args)
    names = _names(listing).tolist()
    if (found := belonging(names)) is None:
        return "", 0
    return found.pattern, _shared(keys_of(names, found.pattern), *_rows(listing))


def _said_of_names(listing: Listing, group: str | None) -> list[str]:
    """That names of files say what belongs together, where no `group` keeps it so."""
    names = _names(listing).tolist()
    if group or (found := belonging(names)) is None:
        return []
    keys = keys_of(names, found.pattern)
    if listing.has_test and not _shared(keys, *_rows(listing)):
        return []
    cure = "take them out of one part" if listing.has_test else f"write `group: {quoted(found.pattern)}`"
    return [
        f"names of files say that {found.files:,} of {len(names):,} images are {found.what} with others "
        f"({found.groups:,} groups, for instance {_example(names, keys)}), and both parts have some of one: "
        f"a score on them says how well they are remembered; {cure}"
    ]


def _example(names: Sequence[str], keys: Sequence[str]) -> str:
    """Two files of one group."""
    first: dict[str, str] = {}
    for name, key in zip(names, keys, strict=True):
        if key in first:
            return f"{first[key]} and {name}"
        first[key] = name
    return ""


def _names(listing: Listing) -> np.ndarray:
    return np.array([file.relative_to(listing.root).as_posix() for file in listing.files])


def _rows(listing: Listing) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and those to test on, where the folder has parts."""
    is_test = np.array([part == "test" for part in listing.parts])
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _shared(keys: Sequence[str], train: np.ndarray, test: np.ndarray) -> int:
    """How many test rows have a key that a training row has too."""
    known = {keys[i] for i in train}
    return sum(keys[i] in known for i in test)


def class_counts(**args: Any) -> dict[str, int]:
    """Files of each class, in both parts."""
    return dict(Counter(_listing_of(args).labels))


def checksum(**args: Any) -> str:
    listing = _listing_of(args)
    return content_of(listing.files, listing.root)


def _listing_of(args: Mapping[str, Any]) -> Listing:
    return _listing(**taken_by(_listing, complete(load, args)))


def _listing(path: str, test_folder: str | None, labels: Mapping[str, str] | None) -> Listing:
    return list_images(path, test_folder, {str(old): str(new) for old, new in (labels or {}).items()})
