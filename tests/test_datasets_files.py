"""Files from the cache, from a server on localhost, from packages; and everything that goes wrong."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import multiprocessing
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.datasets import places
from harness.datasets.files import fetch_files, sha256_of, verify_files
from harness.protocols import DataFile
from harness.record import DataError
from harness.store.disk import cache_root

CONTENT = b"some data " * 5000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def data_file(*places: str, name: str = "set/file.bin", content: bytes = CONTENT) -> DataFile:
    return DataFile(name, sha256(content), places)


class Server:
    """A server of some paths; counts requests, can cut a transfer short or be slow."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.cut_after: int | None = None
        self.delay = 0.0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                time.sleep(outer.delay)
                if self.path not in outer.files:
                    self.send_error(404)
                    return
                body = outer.files[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: outer.cut_after])

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Server()
    yield served
    served.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(places, "_unreachable", {})
    return tmp_path / "cache"


def left_over(cache: Path) -> list[str]:
    return [p.name for p in cache.rglob("*.part")]


def test_a_file_is_fetched_once_and_then_found_in_the_cache(server: Server) -> None:
    server.files["/file.bin"] = CONTENT
    file = data_file(f"{server.url}/file.bin")
    seen: list[Any] = []
    path = fetch_files([file], seen.append)[file.name]
    assert path.read_bytes() == CONTENT
    assert path == cache_root() / "set" / "file.bin"
    assert seen[-1]["bytes"] == seen[-1]["of_bytes"] == len(CONTENT)
    fetch_files([file])
    assert server.requests == ["/file.bin"]


def test_a_packed_place_is_unpacked_when_the_file_is_not_packed(server: Server) -> None:
    server.files["/file.bin.gz"] = gzip.compress(CONTENT)
    file = data_file(f"{server.url}/file.bin.gz")
    assert fetch_files([file])[file.name].read_bytes() == CONTENT


def test_the_next_place_is_tried_when_one_has_not_got_the_file(server: Server) -> None:
    server.files["/good"] = CONTENT
    file = data_file(f"{server.url}/missing", "nowhere:x", f"{server.url}/good")
    assert fetch_files([file])[file.name].read_bytes() == CONTENT
    assert server.requests == ["/missing", "/good"]


def test_a_wrong_hash_is_an_error_and_nothing_is_kept(server: Server, cache: Path) -> None:
    server.files["/file.bin"] = CONTENT + b"!"
    with pytest.raises(DataError, match=r"sha256 .* expected .* nothing was kept"):
        fetch_files([data_file(f"{server.url}/file.bin")])
    assert not (cache / "set" / "file.bin").exists()
    assert left_over(cache) == []


def test_a_transfer_cut_short_is_no_file(server: Server, cache: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.cut_after = 1000
    with pytest.raises(DataError, match="transfer stopped after"):
        fetch_files([data_file(f"{server.url}/file.bin")])
    assert not (cache / "set" / "file.bin").exists()
    assert left_over(cache) == []
    server.cut_after = None
    assert fetch_files([data_file(f"{server.url}/file.bin")])["set/file.bin"].read_bytes() == CONTENT


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"no gzip at all", id="no archive"),
        pytest.param(gzip.compress(CONTENT)[:-20], id="its end is missing"),
        pytest.param(gzip.compress(b"x")[:5], id="only half a header"),
    ],
)
def test_a_damaged_archive_is_refused_and_named(server: Server, cache: Path, damage: bytes) -> None:
    server.files["/file.bin.gz"] = damage
    with pytest.raises(DataError, match="corrupt archive"):
        fetch_files([data_file(f"{server.url}/file.bin.gz")])
    assert left_over(cache) == []


def test_all_places_failing_says_what_to_do_by_hand(server: Server, cache: Path) -> None:
    file = data_file(f"{server.url}/a", f"{server.url}/b")
    with pytest.raises(DataError) as caught:
        fetch_files([file])
    message = str(caught.value)
    assert f"{server.url}/a: HTTP 404" in message
    assert f"{server.url}/b: HTTP 404" in message
    assert f"put it at {cache / 'set' / 'file.bin'}" in message
    assert file.sha256 in message


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_put_there_by_hand_is_taken(cache: Path, packed: bool) -> None:
    (cache / "set").mkdir(parents=True)
    if packed:
        (cache / "set" / "file.bin.gz").write_bytes(gzip.compress(CONTENT))
    else:
        (cache / "set" / "file.bin").write_bytes(CONTENT)
    assert fetch_files([data_file()])["set/file.bin"].read_bytes() == CONTENT


def test_a_changed_file_in_the_cache_is_an_error_that_names_it(server: Server, cache: Path) -> None:
    server.files["/file.bin"] = CONTENT
    file = data_file(f"{server.url}/file.bin")
    path = fetch_files([file])[file.name]
    path.write_bytes(CONTENT[:-1] + b"?")
    os.utime(path, (1, 1))
    with pytest.raises(DataError, match="delete it, it will be fetched again"):
        fetch_files([file])
    assert verify_files([file]) == {file.name: f"wrong sha256 {sha256_of(path)}"}
    path.unlink()
    assert verify_files([file]) == {file.name: "missing"}
    fetch_files([file])
    assert verify_files([file]) == {file.name: "ok"}


def test_an_unreachable_host_is_left_within_seconds_and_asked_once() -> None:
    # 192.0.2.0/24 is reserved for documentation: packets to it go nowhere. The name does not resolve.
    file = data_file("https://192.0.2.1/a", "https://192.0.2.1/b", "https://nowhere.invalid/c")
    start = time.monotonic()
    with pytest.raises(DataError, match="nowhere.invalid"):
        fetch_files([file])
    assert time.monotonic() - start < 2 * places.CONNECT_S + 3


def test_a_folder_that_cannot_be_made_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "a file" / "below"))
    with pytest.raises(DataError, match="set HARNESS_DATA"):
        fetch_files([data_file()])


def _fetch_in_child(place: str, queue: Any) -> None:
    queue.put(str(fetch_files([data_file(place)])["set/file.bin"]))


def test_processes_that_want_the_same_file_fetch_it_once(server: Server) -> None:
    server.files["/file.bin"] = CONTENT
    server.delay = 0.5
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    children = [
        context.Process(target=_fetch_in_child, args=(f"{server.url}/file.bin", queue)) for _ in range(3)
    ]
    for child in children:
        child.start()
    assert len({queue.get(timeout=60) for _ in children}) == 1
    for child in children:
        child.join()
    assert server.requests == ["/file.bin"]


def test_a_killed_fetch_leaves_no_file_and_no_lock_behind(server: Server, cache: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.delay = 30.0
    code = (
        "from harness.datasets.files import fetch_files; from harness.protocols import DataFile; import sys; "
        "fetch_files([DataFile('set/file.bin', sys.argv[1], (sys.argv[2],))])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, sha256(CONTENT), f"{server.url}/file.bin"])
    while not server.requests:
        time.sleep(0.05)
    child.kill()
    child.wait()
    assert not (cache / "set" / "file.bin").exists()
    server.delay = 0.0
    assert fetch_files([data_file(f"{server.url}/file.bin")])["set/file.bin"].read_bytes() == CONTENT


def make_tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_a_source_distribution_is_opened_down_to_an_inner_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = make_tar({"inner/data.txt": CONTENT})
    (tmp_path / "pack-1.tar.gz").write_bytes(make_tar({"pack-1/inner.tar.gz": inner}))
    calls = []

    def download(requirement: str, folder: Path) -> Path:
        calls.append(requirement)
        return tmp_path / "pack-1.tar.gz"

    monkeypatch.setitem(places._PACKAGES, "sdist", download)
    one = data_file("sdist:pack==1:pack-1/inner.tar.gz!inner/data.txt")
    two = data_file("sdist:pack==1:pack-1/inner.tar.gz!inner/data.txt", name="set/other.bin")
    fetch_files([one, two])
    assert calls == ["pack==1"]  # one download serves all files of the data set
    with pytest.raises(DataError, match="the archive holds no inner/absent"):
        fetch_files([data_file("sdist:pack==1:pack-1/inner.tar.gz!inner/absent", name="three")])


@pytest.mark.parametrize("damage", [b"PK\x03\x04 broken", b"", b"\x1f\x8b broken"])
def test_a_damaged_package_is_a_place_that_fails(
    damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pack.whl").write_bytes(damage)
    monkeypatch.setitem(places._PACKAGES, "pip", lambda requirement, folder: tmp_path / "pack.whl")
    with pytest.raises(DataError, match="By hand"):
        fetch_files([data_file("pip:pack:data.txt")])


def test_a_wheel_is_found_through_pip_without_any_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "tinydata-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinydata/data.bin", CONTENT)
        wheel.writestr(
            "tinydata-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinydata\nVersion: 1.0\n"
        )
        wheel.writestr("tinydata-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tinydata-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    file = data_file("pip:tinydata==1.0:tinydata/data.bin")
    assert fetch_files([file])[file.name].read_bytes() == CONTENT
    with pytest.raises(DataError, match=r"pip.* failed: ERROR"):
        fetch_files([data_file("pip:tinydata==2.0:tinydata/data.bin", name="set/none.bin")])
