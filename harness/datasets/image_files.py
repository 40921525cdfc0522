"""Files of a folder of images: which are read, and what must not be left aside in silence."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIXES = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
        ".pbm", ".pnm", ".avif", ".jp2", ".tga",
    }
)  # fmt: skip
UNREAD = frozenset(
    {
        ".heic", ".heif", ".jxl", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raw",
        ".psd", ".dcm", ".nii", ".eps", ".pdf", ".exr", ".hdr", ".mp4", ".mov", ".avi",
    }
)  # fmt: skip
"""Endings of pictures that are not read."""
COMPANIONS = frozenset(
    {
        ".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".ini", ".db", ".log",
        ".pkl", ".py", ".html", ".parquet", ".mat", ".dvc", ".sha256", ".md5",
    }
)  # fmt: skip
"""Endings of what often lies beside pictures and is none."""
_BEGINS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
SHOWN = 3


def is_image(file: Path) -> bool:
    """Whether a file is read, by its name."""
    return not file.name.startswith(".") and file.suffix.lower() in SUFFIXES


def entries(folder: Path) -> Iterator[Path]:
    """All that is no folder below a folder, without what is hidden; a link to a folder is given as it is."""
    for place, folders, files in os.walk(folder):
        shown = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        folders[:] = [name for name in shown if not Path(place, name).is_symlink()]
        links = [name for name in shown if name not in folders]
        yield from (Path(place, name) for name in sorted(files) + links if not name.startswith("."))


def images(folder: Path) -> Iterator[Path]:
    return (file for file in entries(folder) if is_image(file) and file.is_file())


def left_aside(folder: Path, root: Path) -> list[str]:
    """What is wrong with files of a class that would not be read, each kind with its cure."""
    mistakes: list[str] = []
    others: dict[str, list[Path]] = {}
    for file in entries(folder):
        if file.is_symlink() and not file.exists():
            others.setdefault("broken", []).append(file)
        elif file.is_dir():
            others.setdefault("folder", []).append(file)
        elif not is_image(file) and (file.suffix.lower() in UNREAD or _looks_like_one(file)):
            others.setdefault("kind", []).append(file)
    for sort, cure in (
        ("broken", "links to files that are not there: bring these here, or delete the links"),
        ("folder", "links to folders, which are not followed: put the folders themselves there"),
        (
            "kind",
            "pictures of a kind or ending that is not read: write them as PNG or JPEG, or take them out",
        ),
    ):
        if files := others.get(sort):
            told, _, what = cure.partition(": ")
            mistakes.append(f"{folder} holds {told} ({len(files)}: {_named(files, root)}): {what}")
    return mistakes


def _looks_like_one(file: Path) -> bool:
    if file.suffix.lower() in COMPANIONS:
        return False
    with file.open("rb") as stream:
        return stream.read(4).startswith(_BEGINS)


def _named(files: Sequence[Path], root: Path) -> str:
    some = ", ".join(file.relative_to(root).as_posix() for file in files[:SHOWN])
    return some + (", …" if len(files) > SHOWN else "")


def said_of_folders(root: Path, classes: Sequence[Path]) -> list[str]:
    """What `plan` says of images beside the classes, and of folders inside them."""
    said = []
    if beside := [file for file in sorted(root.iterdir()) if is_image(file)]:
        said.append(
            f"{len(beside)} image{'s' if len(beside) > 1 else ''} beside the folders of the classes "
            f"({_named(beside, root)}): not used"
        )
    said += [
        f"{folder.name}/ holds no images: it is no class" for folder in classes if not any(images(folder))
    ]
    deep = Counter(folder.name for folder in classes for file in images(folder) if file.parent != folder)
    if deep:
        some = ", ".join(f"{name}/ ({count})" for name, count in deep.most_common(SHOWN))
        said.append(f"images in folders inside of a class are of that class: {some}")
    return said
