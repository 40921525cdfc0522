"""A user's models, each with one fault; copied beside a drill's suite."""

import ctypes
import os
import signal
import time
from pathlib import Path

import torch


class Faulty(torch.nn.Module):
    """A small network that does one wrong thing: when it is trained, in the second epoch, or when it is
    served, one example at a time."""

    def __init__(self, fault: str, marker: str) -> None:
        super().__init__()
        self.fault, self.marker, self.batches, self.eaten = fault, marker, 0, []
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU())
        self.head = torch.nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            self.batches += 1
            if self.batches > 20:
                x = self.misbehave(x, self.fault)
        elif self.fault.endswith(" when served") and not self.training and len(x) == 1:
            x = self.misbehave(x, self.fault.removesuffix(" when served"))
        return self.head(self.layers(x))

    def misbehave(self, x: torch.Tensor, fault: str) -> torch.Tensor:
        if fault == "raise":
            raise RuntimeError("the third layer does not fit")
        if fault == "nan":
            return x * float("nan")
        if fault == "segfault":
            ctypes.string_at(0)
        if fault == "hang":
            time.sleep(3600)
        if fault == "hang in C":
            ctypes.PyDLL(None).sleep(3600)  # holds the interpreter's lock: no thread of Python runs
        if fault == "eat":
            while True:
                self.eaten.append(torch.ones(64 * 2**20 // 4))
                time.sleep(0.02)
        if fault == "exit":
            raise SystemExit(3)
        if fault == "package":
            import a_package_that_is_not_here  # noqa: F401
        if fault == "kill" or (fault == "kill once" and self.first_time()):
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    def first_time(self) -> bool:
        path = Path(self.marker)
        if path.exists():
            return False
        path.write_text("killed once")
        return True


def build(task, *, fault: str, marker: str = ""):
    return Faulty(fault, marker)
