"""Every record says what it ran on, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness import environment


def test_the_machine_the_versions_and_the_commit_are_captured() -> None:
    found = environment.capture()
    assert set(found) == {"machine", "versions", "commit", "threads", "env", "load"}
    assert found["machine"]["cores"] == os.cpu_count()
    assert found["machine"]["cpu"] not in ("", "unknown")
    assert found["machine"]["memory_mb"] > 500
    assert found["machine"]["class"] == environment.machine_class()
    assert found["versions"]["python"] == sys.version.split()[0]
    assert "numpy" in found["versions"]
    assert 1 <= found["threads"]["cpus_allowed"] <= found["machine"]["cores"]
    json.dumps(found)


def test_no_secret_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OMP_SECRET"):
        monkeypatch.setenv(name, "do-not-store-me")
    assert "do-not-store-me" not in json.dumps(environment.capture())


def test_the_machine_class_depends_on_hardware_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.machine_class()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(environment.platform, "node", lambda: "another-host")
    assert environment.machine_class() == before
    other = {**environment.hardware(), "cores": 96}
    monkeypatch.setattr(environment, "hardware", lambda: other)
    assert environment.machine_class() != before


@pytest.mark.parametrize(
    ("text", "family", "instructions"),
    [
        (
            "cpu family: 25\nmodel: 1\nmodel name: AMD EPYC\nflags: fpu avx avx2 sse2\n\nmodel: 9",
            "25/1",
            "avx avx2",
        ),
        (
            "cpu family: 25\nmodel: 17\nmodel name: AMD EPYC\nflags: avx2 avx512_bf16",
            "25/17",
            "avx2 avx512_bf16",
        ),
        ("CPU implementer: 0x41\nCPU part: 0xd40\nFeatures: fp asimd sve crc32", "0x41/0xd40", "asimd sve"),
        ("", None, None),
    ],
)
def test_processors_of_one_name_differ_by_family_and_vector_instructions(
    text: str, family: str | None, instructions: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.Path, "read_text", lambda path: text)
    assert environment._cpu_family() == family
    assert environment._vector_instructions() == instructions


def test_a_machine_without_tools_is_captured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    environment._gpus.cache_clear()
    environment.commit.cache_clear()
    assert environment._gpus() == []
    assert environment.commit() == {}
    environment._gpus.cache_clear()
    environment.commit.cache_clear()


@pytest.mark.parametrize(("built", "is_dirty"), [("0123abcd", False), ("0123abcd-dirty", True)])
def test_an_image_knows_its_commit_without_a_checkout(
    built: str, is_dirty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_COMMIT", built)
    assert environment.commit.__wrapped__() == {"id": "0123abcd", "dirty": is_dirty}


def test_capturing_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys, harness.environment as e; e.capture(); "
        "sys.exit(bool({'torch','ray','numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
