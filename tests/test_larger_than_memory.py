"""Images that do not fit in memory: decoded once, mapped, and the same training as from memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.datasets import decoding, image_folder, mapped
from harness.datasets.decoding import clean, decoded
from harness.datasets.duplicates import row_hashes
from harness.datasets.mapped import Mapped
from harness.datasets.parts import load_parts
from harness.datasets.resplit import Part, recut
from harness.models.fitted import Scaling
from harness.record import DataError
from harness.suite.schema import Training
from harness.tasks.network import _batches
from harness.tasks.scaling import fit_scaling

SIDE = 8
SHAPE = (3, SIDE, SIDE)
WHITE = (255, 255, 255)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """60 images of noise in two folders, two of them equal."""
    rng = np.random.default_rng(0)
    for i in range(60):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels if i != 7 else np.zeros_like(pixels)).save(path)
        if i == 9:
            Image.fromarray(np.zeros_like(pixels)).save(path)
    return tmp_path / "photos"


def files(photos: Path) -> list[Path]:
    return sorted(photos.rglob("*.png"))


def read(photos: Path) -> np.ndarray:
    return np.asarray(decoded(files(photos), photos, SHAPE, WHITE))


def right(photos: Path) -> np.ndarray:
    """The pixels as Pillow has them."""
    return np.stack([np.asarray(Image.open(f)).transpose(2, 0, 1) for f in files(photos)])


def parts_of(photos: Path) -> Any:
    return load_parts({"name": "image_folder", "args": {"path": str(photos)}, "validation": 0.2}, None)


def test_a_mapped_set_is_cut_scaled_hashed_and_batched_like_one_in_memory(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = parts_of(photos)
    monkeypatch.setattr(mapped, "IN_MEMORY", 0)
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    image_folder_loaded = image_folder.load(path=str(photos))
    assert isinstance(image_folder_loaded.train.inputs, Mapped)
    from harness.datasets import catalog, parts

    catalog._load.cache_clear()
    parts._cut.cache_clear()
    lazy = parts_of(photos)
    assert all(isinstance(part.inputs, Mapped) for part in lazy.splits.values())
    assert lazy.facts == resident.facts
    for name, part in lazy.splits.items():
        assert (np.asarray(part.inputs) == resident.splits[name].inputs).all()
        assert (row_hashes(part.inputs) == row_hashes(resident.splits[name].inputs)).all()
    assert fit_scaling(lazy.train, lazy.task) == fit_scaling(resident.train, resident.task)
    training = Training(batch_size=7, epochs=1)
    both = [_batches(p, Scaling((), ()), training, 3, "cpu") for p in (lazy, resident)]
    for ours, theirs in zip(both[0].training(0), both[1].training(0), strict=True):
        assert (ours[0] == theirs[0]).all() and (ours[1] == theirs[1]).all()
    for ours, theirs in zip(both[0].validation(), both[1].validation(), strict=True):
        assert (ours[0] == theirs[0]).all()
    part = Part("random", None, 0.3, 0, 1, 0)
    catalog._load.cache_clear()
    again = recut(catalog.load_dataset("image_folder", {"path": str(photos)}), part, None)
    assert isinstance(again.train.inputs, Mapped)
    assert sorted([*again.train.ids, *again.test.ids]) == list(range(60))
    every = np.asarray(recut_order(again))
    assert (every == right(photos)).all()


def recut_order(dataset: Any) -> np.ndarray:
    """All images in the order of their files."""
    order = np.argsort(np.concatenate([dataset.train.ids, dataset.test.ids]))
    return np.concatenate([np.asarray(dataset.train.inputs), np.asarray(dataset.test.inputs)])[order]


def test_a_stopped_decoding_goes_on_where_it_stopped(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BLOCK", 10 * 3 * SIDE * SIDE)
    plain, seen = decoding.decode, []

    def stopped(file: Path, *args: Any) -> np.ndarray:
        seen.append(file)
        if len(seen) > 25:
            raise KeyboardInterrupt
        return plain(file, *args)

    monkeypatch.setattr(decoding, "decode", stopped)
    with pytest.raises(KeyboardInterrupt):
        read(photos)
    again: list[Path] = []
    monkeypatch.setattr(decoding, "decode", lambda file, *args: again.append(file) or plain(file, *args))
    assert (read(photos) == right(photos)).all()
    assert len(again) == 40 and not set(again) & set(files(photos)[:20])


@pytest.mark.parametrize(
    "damage", ["a part of other content", "a whole of other content", "a cut file", "no hashes"]
)
def test_what_was_damaged_is_decoded_anew(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    assert (read(photos) == right(photos)).all()
    (whole,) = (cache / "decoded").glob("[!.]*.npy")
    content = bytearray(whole.read_bytes())
    if damage == "no hashes":
        whole.with_suffix(".hashes").unlink()
    elif damage == "a cut file":
        whole.write_bytes(content[:-100])
    else:
        content[128:] = bytes(len(content) - 128)
        whole.write_bytes(content)
        if damage == "a part of other content":
            whole.rename(whole.with_name(f"{whole.name}.part"))
    assert (read(photos) == right(photos)).all()


def test_two_at_once_decode_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is one of files: threads stand for processes."""
    plain, seen, found = decoding.decode, [], []

    def slow(file: Path, *args: Any) -> np.ndarray:
        seen.append(file)
        time.sleep(0.002)
        return plain(file, *args)

    monkeypatch.setattr(decoding, "decode", slow)
    workers = [threading.Thread(target=lambda: found.append(read(photos))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == 60 and len(found) == 3
    assert all((images == right(photos)).all() for images in found)


def test_nothing_is_left_of_a_set_with_a_broken_image(photos: Path, cache: Path) -> None:
    (photos / "a" / "99.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="1 of 61 images cannot be read"):
        read(photos)
    assert not list((cache / "decoded").glob("[!.]*"))


def test_clean_deletes_what_nobody_asked_for_lately(photos: Path, cache: Path) -> None:
    read(photos)
    (whole,) = (cache / "decoded").glob("[!.]*.npy")
    size, now = whole.stat().st_size, time.time()
    left = whole.with_name("0123.npy.part")
    left.write_bytes(bytes(10))
    os.utime(left, (now - 9 * 86400,) * 2)
    assert clean(8, now) == (1, 10)
    assert clean(8, now) == (0, 0) and whole.is_file()
    assert clean(8, now + 9 * 86400) == (1, size)
    assert not list((cache / "decoded").glob("[!.]*"))
    assert (read(photos) == right(photos)).all()


def test_few_rows_are_read_and_many_are_noted(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "IN_MEMORY", 10 * 3 * SIDE * SIDE)
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    images = decoded(files(photos), photos, SHAPE, WHITE)
    assert isinstance(images, Mapped)
    assert isinstance(images.taken(np.arange(11)), Mapped)
    few = images.taken(np.array([5, 3, 5]))
    assert isinstance(few, np.ndarray) and (few == right(photos)[[5, 3, 5]]).all()
    nested = images.taken(np.arange(59, -1, -1))
    assert (nested[1:3] == right(photos)[[58, 57]]).all() and (nested[-1] == right(photos)[0]).all()
