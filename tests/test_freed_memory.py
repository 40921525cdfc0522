"""Memory that a network's step frees stays with the process, and goes back to the system otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
from dataclasses import replace
from harness.trial.trial import fresh
from tests.fake_trials import chain

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [libc.malloc(40 * 2**20) for _ in range(2)]
        for block in blocks:
            ctypes.memset(block, 1, 40 * 2**20)
        for block in blocks:
            libc.free(block)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20

train, score, serve = chain("a")
network = [replace(t, spec={**t.spec, "model": "small_cnn"}) for t in (train, score, serve)]
estimator = replace(train, spec={**train.spec, "model": "sklearn:LogisticRegression"})
for trial in (train, network[0], estimator, network[1], network[2]):
    fresh(trial, 1)
    print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide by themselves")
def test_what_a_network_frees_is_taken_again_without_page_faults_and_a_tables_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    other, training, estimator, scoring, serving = map(int, done.stdout.split())
    assert max(training, scoring) < 0.2 * min(other, estimator, serving)
