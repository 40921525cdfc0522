"""A folder of images: which folders are classes, and which are parts, by rule rather than by one spelling."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.image_files import (
    SUFFIXES,
    UNREAD,
    entries,
    images,
    is_image,
    left_aside,
    said_of_folders,
)
from harness.datasets.labels import check_alike, check_known, raise_all, said_of_absent
from harness.datasets.own_files import existing
from harness.datasets.part_names import part_called
from harness.record import DataError


@dataclass(frozen=True)
class Listing:
    """All images by name: `files`, `labels` and `parts` (`train`, `test` or empty) belong together."""

    root: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_test(self) -> bool:
        return "test" in self.parts


HEAPS = frozenset({"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "frames"})
MASKS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "segmentationclass", "segmentationobject",
     "segmentation", "groundtruth", "gt"}
)  # fmt: skip
"""What folders are called that hold all images in a heap, and what is drawn of each."""
OBJECTS = ("labels", "annotations", "Annotations", "_annotations.coco.json", "_annotations.csv", "data.yaml")
"""What lists the objects in images, beside them."""
_Found = tuple[str, str, Path]
"""Part, class, file."""


def list_images(path: str, test_folder: str | None, labels: Mapping[str, str]) -> Listing:
    """The images below a folder.

    Args:
        test_folder: the folder to test on, where its name does not say so.
        labels: a folder's name → its class.
    Raises:
        DataError: there are none, of one class only, or it is not clear which folder is what.
    """
    given = existing(path, "folder of images")
    if not given.is_dir():
        raise DataError(f"{given} is a file: image_folder takes a folder that holds one folder per class")
    root = _inner(given)
    parts = {folder: _part(folder.name, test_folder) for folder in _folders(root) if _folders(folder)}
    notes: list[str] = []
    if any(part for part in parts.values()):
        found = _by_parts(root, parts, notes)
    else:
        found = _within_classes(root, test_folder, notes)
    found = [(part, labels.get(label, label), file) for part, label, file in found]
    found.sort(key=lambda entry: entry[2].relative_to(root).as_posix())
    _check(root, found, labels)
    part_of, label_of, files = zip(*found, strict=True)
    tested = {label for part, label, _ in found if part == "test"}
    notes += said_of_absent(Counter(label_of), tested)
    outer = [folder for folder, part in parts.items() if part] or [root]
    raise_all([said for place in outer for folder in _folders(place) for said in left_aside(folder, root)])
    if outer != [root] or not any(part_of):  # else parts stand inside the classes
        notes += [said for place in outer for said in said_of_folders(place, _folders(place))]
    return Listing(root, tuple(sorted(set(label_of))), files, label_of, part_of, tuple(notes))


def _part(name: str, test_folder: str | None) -> str:
    """`train`, `test`, `validation`, or empty for any other folder."""
    return "test" if test_folder is not None and name == test_folder else part_called(name)


def _inner(root: Path) -> Path:
    """The folder that holds classes or parts: archives often wrap it in one more."""
    folders = _folders(root)
    while len(folders) == 1 and (inside := _folders(folders[0])) and not _direct(folders[0]):
        if not any(_folders(folder) for folder in inside) and _part(folders[0].name, None):
            break  # `train/` alone, with its classes
        root, folders = folders[0], inside
    return root


def _by_parts(root: Path, parts: Mapping[Path, str], notes: list[str]) -> list[_Found]:
    """Parts outside, classes inside."""
    by_name: dict[str, list[Path]] = {}
    for folder, part in parts.items():
        by_name.setdefault(part, []).append(folder)
    for part in ("train", "test"):
        if len(by_name.get(part, [])) > 1:
            names = ", ".join(folder.name for folder in by_name[part])
            raise DataError(f"{root} holds {names}, which are all called {part}: keep one of them")
    if "train" not in by_name:
        names = ", ".join(folder.name + "/" for folders in by_name.values() for folder in folders)
        raise DataError(
            f"{root} holds {names} and no folder to train on: call that train, or give the folder that holds "
            "the classes as `path`"
        )
    known = {folder for part, folders in by_name.items() if part for folder in folders}
    validation = [folder.name for folder in by_name.get("validation", [])]
    others = sorted(folder.name for folder in _folders(root) if folder not in known)
    if others or (validation and "test" not in by_name):
        extra = [*others, *(validation if "test" not in by_name else [])]
        raise DataError(
            f"{root} holds {by_name['train'][0].name}/ and also {', '.join(extra)}/: move these images into "
            "train/ (the harness cuts the validation part itself) or call that folder test, for instance "
            f"with `test_folder: {extra[0]}`"
        )
    found: list[_Found] = []
    for part, name in (("train", "train"), ("test", "test"), ("validation", "train")):
        for folder in by_name.get(part, []):
            found += [(name, *entry) for entry in _images(folder)]
    if validation:
        notes.append(
            f"{', '.join(validation)}/ is added to the training part: the harness cuts the validation part "
            "itself"
        )
    return found


def _within_classes(root: Path, test_folder: str | None, notes: list[str]) -> list[_Found]:
    """Classes outside; where all of them hold parts and nothing else, these are the parts."""
    classes = _folders(root)
    inner = {folder: [_part(f.name, test_folder) for f in _folders(folder)] for folder in classes}
    split = classes and all(
        parts and all(parts) and "train" in parts and not _direct(folder) for folder, parts in inner.items()
    )
    if not split or not any("test" in parts for parts in inner.values()):
        return [("", *entry) for entry in _images(root)]
    found: list[_Found] = []
    for label in classes:
        for folder in _folders(label):
            part = "test" if _part(folder.name, test_folder) == "test" else "train"
            found += [(part, label.name, file) for file in images(folder)]
    return found


def _images(folder: Path) -> Iterator[tuple[str, Path]]:
    for label in _folders(folder):
        for file in images(label):
            yield label.name, file


def _direct(folder: Path) -> bool:
    """Whether images lie in the folder itself."""
    return any(is_image(file) for file in folder.iterdir())


def _folders(folder: Path) -> list[Path]:
    return sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__"))
    )


def _nothing(root: Path) -> str:
    """What is said of a folder in which no image of a class was found, and the cure."""
    if beside := sorted(file.name for file in root.iterdir() if is_image(file)):
        return (
            f"holds {len(beside)} images that lie in no folder of a class, {beside[0]!r} for instance: put "
            "them into one folder per class, or name their classes in a table (data set `image_csv`)"
        )
    foreign = Counter(ending for file in entries(root) if (ending := file.suffix.lower()) in UNREAD)
    if foreign:
        kinds = ", ".join(f"{count} {ending}" for ending, count in foreign.most_common(3))
        return f"holds images of kinds that are not read ({kinds}): save them as PNG or JPEG"
    return f"holds no images: put them into one folder per class ({', '.join(sorted(SUFFIXES))})"


def _no_classes(root: Path, found: Sequence[_Found], labels: Mapping[str, str]) -> str:
    """What is said of folders that are parts, or heaps of images and what is drawn of them; empty of classes.

    Args:
        labels: a folder's name → its class, as the user says it.
    """
    folders = {label: file.parent for _, label, file in found}
    names = {label: label.casefold().replace("_", "").replace("-", "") for label in folders}
    heaps = [label for label, name in names.items() if name in HEAPS]
    drawn = [label for label, name in names.items() if name in MASKS]
    parts = [label for label in names if part_called(label)]
    are_heaps = len(heaps) + len(drawn) + len(parts) == len(names) and (heaps or parts)
    if labels or not (are_heaps or is_numbered_heap(list(names))):
        return ""
    listed = ", ".join(f"{name}/" for name in sorted(folders))
    cure = "put the images into one folder per class, or name their classes in a table (data set `image_csv`)"
    tables = [folder / "metadata.csv" for folder in folders.values() if (folder / "metadata.csv").exists()]
    if tables:
        cure = f"for the classes that {tables[-1]} names take the data set `image_csv`"
    elif drawn or _lists_objects({root, *folders.values(), *(f.parent for f in folders.values())}):
        cure = f"where objects are in an image is no question that is asked here; to tell classes {cure}"
    return f"{root} holds images in {listed}, which are no classes: {cure}"


def is_numbered_heap(names: Sequence[str]) -> bool:
    """Whether folders are one heap in several, as `images_001` and `images_002`."""
    plain = {re.sub(r"\d+", "", name.casefold()) for name in names}
    return len(names) > 1 and len(plain) == 1 and bool(set(re.split(r"[\W_]+", plain.pop())) & HEAPS)


def are_no_classes(names: Sequence[str]) -> bool:
    """Whether folders of images are parts, or heaps."""
    return is_numbered_heap(names) or all(
        part_called(name) or re.sub(r"[_-]", "", name.casefold()) in HEAPS for name in names
    )


def _lists_objects(folders: Collection[Path]) -> bool:
    """Whether objects in images are listed beside them, as COCO, VOC and YOLO do it."""
    return any((folder / name).exists() for folder in folders for name in OBJECTS)


def _check(root: Path, found: Sequence[_Found], labels: Mapping[str, str]) -> None:
    if not found:
        raise DataError(f"{root} {_nothing(root)}")
    train = Counter(label for part, label, _ in found if part != "test")
    test = Counter(label for part, label, _ in found if part == "test")
    everything = train + test
    if said := _no_classes(root, found, labels):
        raise DataError(said)
    if len(everything) < 2:
        raise DataError(
            f"{root} holds one class, {next(iter(everything))!r}: a classifier needs two folders or more"
        )
    mistakes = check_alike(train, f"{root}", labels)
    if lost := sorted(set(test) - set(train)):
        cure = check_known(train, {label: test[label] for label in lost}, f"{root}")[0].partition("; where")
        same = f"; where{cure[2]}" if cure[2] else ""
        mistakes.append(
            f"{root}/test has classes that train/ has not: {', '.join(lost)}: add or remove them{same}"
        )
    raise_all(mistakes)
