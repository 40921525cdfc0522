"""A replica of a variant in Ray Serve: JSON in, JSON out, and requests that wait answered together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from harness.datasets.mapped import is_array
from harness.exported import tables
from harness.protocols import Inputs
from harness.record import TrialError
from harness.serving import memory
from harness.serving.job import ServeJob
from harness.serving.process import pin
from harness.serving.subject import Subject, load_subject

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

LOADED_WITHIN_S = 600.0
"""Ray Serve is asked for a replica so long; the trial's own limit ends it earlier."""
AHEAD = 2
"""Requests that a replica may have taken, in full batches: one is answered while the next one comes in."""


def application(job: ServeJob, request: Path, cores: Sequence[Sequence[int]]) -> serve.Application:
    """The variant as an application: a replica for each worker, each on cores of its own.

    Args:
        request: the job's file, which every replica reads.
        cores: of each replica; empty lists where none are kept for it.
    """
    batch = int(job.scenario.get("max_batch", 1)) if job.scenario["name"] == "server" else 1
    wait_s = float(job.scenario.get("max_wait_ms", 0.0)) / 1e3
    deployment = serve.deployment(
        num_replicas=job.workers,
        max_ongoing_requests=max(4, AHEAD * batch),
        ray_actor_options={"num_cpus": job.threads},
        health_check_period_s=LOADED_WITHIN_S,  # a look in between would be timed
    )(Replica)
    application: serve.Application = deployment.bind(
        str(request), [list(own) for own in cores], batch, wait_s
    )
    return application


class Replica:
    """Loads the variant as the measured process does, then answers.

    Args:
        request: the job's file. cores: of all replicas; each takes those of its rank.
        batch, wait_s: requests that may be answered together, and how long the oldest waits for company.
    """

    def __init__(self, request: str, cores: list[list[int]], batch: int, wait_s: float) -> None:
        job = ServeJob.read(Path(request))
        pin(cores[serve.get_replica_context().rank.rank % len(cores)])
        memory.limit(job.memory_mb, job.device, job.workers)
        began = time.perf_counter()
        self._subject = load_subject(job)
        self._load_ms = (time.perf_counter() - began) * 1e3
        self._read = reader(job, self._subject)
        self._batch = batch
        self._together.set_max_batch_size(batch)  # type: ignore[attr-defined]
        self._together.set_batch_wait_timeout_s(wait_s)  # type: ignore[attr-defined]

    async def __call__(self, request: Request) -> Response:
        """One request: `{"inputs": [example, …]}` → `{"outputs": [answer, …]}`, or why there is none."""
        try:
            inputs = self._read(json.loads(await request.body())["inputs"])
            answers = await self._together(inputs) if self._batch > 1 else self._subject.predict(inputs)
        except Exception as error:  # whatever the model raises is the finding; its client tells it
            said = str(error) if isinstance(error, TrialError) else f"{type(error).__name__}: {error}"
            return Response(said[:500], status_code=500, media_type="text/plain")
        text = json.dumps({"outputs": np.asarray(answers).tolist()})
        return Response(text, media_type="application/json")

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.0)
    async def _together(self, asked: list[Inputs]) -> list[np.ndarray]:
        """Answers requests that came together with one call of the model."""
        if len(asked) == 1:
            return [self._subject.predict(asked[0])]
        whole: Inputs = np.concatenate(asked) if is_array(asked[0]) else [row for one in asked for row in one]
        return np.split(self._subject.predict(whole), np.cumsum([len(one) for one in asked])[:-1])

    async def load_ms(self) -> float:
        """How long this replica loaded the variant and called it once."""
        return self._load_ms


def load_ms_of(handle: DeploymentHandle[Any]) -> float:
    """What the replica that answers first says of its loading; all load the same at the same time."""
    return float(handle.load_ms.remote().result(timeout_s=LOADED_WITHIN_S))


def reader(job: ServeJob, subject: Subject) -> Callable[[list[Any]], Inputs]:
    """What makes the variant's inputs of the examples in a request."""
    inputs, artifact = subject.inputs, job.artifact_of(job.spec)
    if artifact is not None and (artifact / tables.FILE).exists():
        return tables.read(artifact / tables.FILE).rows
    if is_array(inputs):
        return lambda given: np.asarray(given, inputs.dtype)
    return list
