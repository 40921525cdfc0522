"""The price catalogue brought up to date, from lists as gpuhunt publishes them, served on this machine."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.costs import find_price, load_prices, own_prices, update

HEAD = (
    "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,gpu_vendor,flags,"
    "cpu_arch,provider_data"
)
AWS = [
    "c7i.large,eu-west-1,0.1012,2,4.0,0,,,False,,,,x86,{}",
    "c7i.large,us-east-1,0.0915,2,4.0,0,,,False,,,,x86,{}",
    "c7i.large,us-east-1,0.0321,2,4.0,0,,,True,,,,x86,{}",
    "g6.12xlarge,us-east-1,4.6,48,192.0,4,L4,24.0,False,,nvidia,,x86,{}",
]
GCP = [
    "n4-standard-2,us-central1-a,0.0947,2,8.0,0,,,False,,,,x86,{}",
    "n4-standard-2,us-central1-b,0.0947,2,8.0,0,,,False,,,,x86,{}",
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served as the publisher's address."""
    folder = tmp_path / "lists"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=partial(server.serve_forever, 0.01))
    thread.start()
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{server.server_port}/")
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def publish(folder: Path, rows: Mapping[str, list[str]], version: str = "20261120-7") -> None:
    for provider, lines in rows.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(f"{provider}.csv", "\n".join([HEAD, *lines]))
        (folder / provider / version).mkdir(parents=True)
        (folder / provider / "version").write_text(f"{version}\n")
        (folder / provider / version / "catalog.zip").write_bytes(packed.getvalue())


def test_an_update_replaces_older_rows_adds_new_ones_and_keeps_the_rest(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = find_price("azure/Standard_D2s_v3")
    publish(lists, {"aws": AWS, "gcp": GCP})
    assert main(["prices", "update", "--providers", "aws,gcp"]) == 0
    assert "aws: 3 machines on demand\ngcp: 1 machines on demand\n" in capsys.readouterr().err
    here = find_price("aws/c7i.large")
    assert (here.region, here.usd_per_hour, here.term) == ("us-east-1", 0.0915, "on-demand")
    assert here.age() == "of 2026-11-20" and here.source == "gpuhunt 20261120-7"
    assert find_price("aws/eu-west-1/c7i.large").usd_per_hour == 0.1012
    assert find_price("aws/g6.12xlarge").gpu == "4x L4"
    assert find_price("gcp/us-central1/n4-standard-2").vcpus == 2
    assert find_price("azure/Standard_D2s_v3") == shipped


def test_a_list_older_than_the_snapshot_does_not_replace_its_rows(lists: Path) -> None:
    before = find_price("aws/c7i.large")
    publish(lists, {"aws": AWS}, version="20200101-1")
    assert main(["prices", "update", "--providers", "aws"]) == 0
    assert find_price("aws/c7i.large") == before
    assert find_price("aws/g6.12xlarge").usd_per_hour == 4.6


def test_a_suite_is_priced_by_the_updated_list(lists: Path, tmp_path: Path) -> None:
    publish(lists, {"aws": [AWS[1].replace("c7i.large", "c99.large")]})
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        Path("suites/quickstart.yaml").read_text(encoding="utf-8").replace("aws/c7i.large", "aws/c99.large")
    )
    assert "aws/c99.large" in suite.read_text()
    assert main(["plan", str(suite)]) == 2
    assert main(["prices", "update", "--providers", "aws"]) == 0
    assert main(["plan", str(suite)]) == 0


@pytest.mark.parametrize(
    "fault, said",
    [("missing", "cannot be had from"), ("no archive", "cannot be read"), ("empty", "holds no machine")],
)
def test_what_cannot_be_had_changes_nothing_and_names_the_way_out(
    fault: str, said: str, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_prices()
    publish(lists, {"aws": AWS, "gcp": [] if fault == "empty" else GCP})
    archive = lists / "gcp" / "20261120-7" / "catalog.zip"
    if fault == "missing":
        archive.unlink()
    if fault == "no archive":
        archive.write_bytes(b"<html>not here</html>")
    assert main(["prices", "update", "--providers", "aws,gcp"]) == 2
    told = capsys.readouterr().err
    assert said in told and "machine.usd_per_hour" in told
    assert not own_prices().exists() and load_prices() == before


class Joined(ThreadingHTTPServer):
    daemon_threads = False  # closing it waits for them


class Broken(Quiet):
    """A network in between: what it gives in place of the lists."""

    fault = ""

    def do_GET(self) -> None:
        if self.fault == "login":
            self._give(b"<!DOCTYPE html>\n<html>Please accept the terms</html>")
            return
        if self.fault == "login for files" and self.path.endswith(".zip"):
            self._give(b"\n<html>Please accept the terms</html>")
            return
        if self.path.endswith("version") or self.fault == "nothing":
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        match self.fault:
            case "cut short":
                self._give(content[: len(content) // 2], len(content))
            case "cut short, length unknown":
                self._give(content[: len(content) // 2])
            case "flipped bits":
                middle = content.index(b"catalog") if b"catalog" in content else 45
                self._give(content[:middle] + bytes(20) + content[middle + 20 :])
            case "silence":
                self.send_response(200)
                self.end_headers()
                time.sleep(1.0)
            case "silence from the start":
                time.sleep(1.0)

    def _give(self, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("login", "a web page came in its place"),
        ("login for files", "a web page came in its place"),
        ("cut short", "the answer ended after"),
        ("cut short, length unknown", "cannot be read"),
        ("flipped bits", "cannot be read"),
        ("silence", "no answer for 0.3 s"),
        ("silence from the start", "no answer for 0.3 s"),
    ],
)
def test_half_an_answer_keeps_the_last_update_whole(
    fault: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = type("Handler", (Broken,), {"fault": "nothing"})
    server = Joined(("127.0.0.1", 0), partial(handler, directory=str(tmp_path)))
    thread = threading.Thread(target=partial(server.serve_forever, 0.01))
    thread.start()
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        many = [AWS[1].replace("c7i.large", f"c7i.{k}xlarge") for k in range(300)]
        publish(tmp_path, {"aws": [*AWS, *many], "gcp": GCP})
        assert main(["prices", "update", "--providers", "aws,gcp"]) == 0
        kept = own_prices().read_bytes()
        capsys.readouterr()
        handler.fault = fault
        if fault.startswith("silence"):
            monkeypatch.setattr(update, "SILENT_S", 0.3)
        assert main(["prices", "update", "--providers", "gcp,aws"]) == 2
        told = capsys.readouterr().err
        assert said in told and "your last update" in told and "usd_per_hour" in told, told
        assert "Traceback" not in told and "bug" not in told
        assert own_prices().read_bytes() == kept and find_price("aws/c7i.large").usd_per_hour == 0.0915
        assert [p.name for p in own_prices().parent.iterdir()] == ["prices.csv"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    "row",
    [
        "c7i.large,us-east-1,nan,2,4.0,0,,,False,,,,x86,{}",
        "c7i.large,us-east-1",
        "c7i.large,us-east-1,inf,2,4.0,0,,,False,,,,x86,{}",
    ],
)
def test_a_row_without_a_price_is_none(row: str, lists: Path) -> None:
    publish(lists, {"aws": [row]})
    assert main(["prices", "update", "--providers", "aws"]) == 2
    assert not own_prices().exists()


def test_where_there_is_no_network_it_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", "http://127.0.0.1:9")
    assert main(["prices", "update"]) == 2
    told = capsys.readouterr().err
    assert "the prices of aws cannot be had from http://127.0.0.1:9" in told
    assert "the snapshot that ships" in told and "machine.usd_per_hour" in told


def test_an_update_of_one_provider_keeps_what_an_earlier_one_had_of_others(lists: Path) -> None:
    newer = [GCP[0].replace("0.0947", "0.05")]
    publish(lists, {"aws": AWS, "gcp": newer})
    assert main(["prices", "update", "--providers", "aws,gcp"]) == 0
    assert main(["prices", "update", "--providers", "aws"]) == 0
    assert find_price("gcp/n4-standard-2").usd_per_hour == 0.05


def test_a_catalogue_of_ones_own_that_is_spoilt_is_named_with_its_cure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own_prices().parent.mkdir(parents=True)
    own_prices().write_text("provider,price\naws,cheap\n")
    assert main(["prices", "list"]) == 2
    assert "prices.csv: is not a price catalogue" in capsys.readouterr().err


def test_prices_are_listed_by_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "list", "aws/c7i*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["name", "vCPUs", "GiB"] and len(lines) >= 5
    assert all(line.startswith("aws/us-east-1/c7i") for line in lines[1:])
    assert main(["prices", "list", "aws/c7i.larg"]) == 2
    assert "nearest: aws/c7i.large" in capsys.readouterr().err
    for wrong, said in (
        ("C7I.large", "nearest: aws/c7i.large"),
        ("gcp/zzz-9", "`harness prices list 'aws/*'` has those of AWS"),
        ("aws/c99*", "no price is named like 'aws/c99*'"),
        ("aws/mars-1/c7i.large", "`aws/c7i.large` is known in us-east-1 alone"),
    ):
        assert main(["prices", "list", wrong]) == 2
        assert said in capsys.readouterr().err
    assert main(["prices", "update", "--providers", "awss"]) == 2
    assert "did you mean `aws`" in capsys.readouterr().err
