"""Ways to break a run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.small_suites import Ended, command, surroundings

SLOW_MODEL = """
import time
import torch

class Net(torch.nn.Sequential):
    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            time.sleep(0.15)
        return super().forward(x)

def build(task, *, width: int = 16):
    return Net(torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))
"""
"""A user's model whose steps take their time, so that a drill can break its training."""


class Started:
    """A run in the background, in its own process group, as a shell starts it."""

    def __init__(self, folder: Path, *arguments: str | Path, **more: str) -> None:
        self.log = folder / f"log-{time.monotonic_ns()}.txt"
        self._file = self.log.open("w")
        self.process = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=surroundings(folder, **more),
            stdout=self._file,
            stderr=self._file,
            start_new_session=True,
        )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str, timeout_s: float = 900) -> None:
        end = time.monotonic() + timeout_s
        while text not in self.text:
            assert self.process.poll() is None, f"ended before {text!r}:\n{self.text}"
            assert time.monotonic() < end, f"never said {text!r}:\n{self.text}"
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """What a terminal does on Ctrl-C: the driver and everything it started without a new session."""
        os.killpg(self.process.pid, number)

    def end(self, timeout_s: float = 900) -> Ended:
        code = self.process.wait(timeout_s)
        self._file.close()
        return Ended(code, "", self.text)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._file.close()


def harness_processes(folder: Path) -> list[int]:
    """Processes whose command line or environment names a drill's folder: leftovers of its runs."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if f"HARNESS_LOCKS={folder}".encode() in text and not dead:
            found.append(int(entry.name))
    return found


def wait_until_gone(folder: Path, timeout_s: float = 90) -> float:
    """Seconds until no process of a drill's runs is left.

    The harness's own are gone within seconds of their driver's death; two idle agents of Ray look for their
    raylet every half minute (seen: gone after 17 to 37 s).

    Raises:
        AssertionError: some stay; they are killed first.
    """
    began = time.monotonic()
    while left := harness_processes(folder):
        if time.monotonic() - began > timeout_s:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"{len(left)} processes stayed")
        time.sleep(0.2)
    return time.monotonic() - began
