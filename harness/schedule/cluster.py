"""Ray's start, and what its nodes offer: every private touch-point and environment variable is here."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, TypedDict

from harness import environment
from harness.progress import Watcher
from harness.record import HarnessError, Record, Trial
from harness.schedule.alone import lightly
from harness.schedule.lost import LOOK_S, head_watched
from harness.schedule.submit import code_package
from harness.store.runs import RunFolder

if TYPE_CHECKING:
    from harness.schedule.settings import SchedulerSettings

log = logging.getLogger("harness")

NODE = "harness_node"
"""The custom resource that each node offers once; a serve trial claims it, and so the node."""

_LOCAL = {
    "RAY_memory_monitor_refresh_ms": "0",  # its kill ends the whole sweep; our watchdog acts first
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # the default is 15: a serve trial would be timed behind everything else
}
_ALWAYS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # five files a trial, and torch in the driver
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # one trial without the metric would end the sweep
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's returns normally from an interrupted sweep
    "TUNE_WARN_THRESHOLD_S": "3600",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}


@dataclass(frozen=True)
class ClusterNode:
    """A living node of the cluster.

    Args:
        serves: whether serve trials may run on it.
    """

    id: str
    host: str
    cpus: float
    gpus: float
    memory_mb: float
    serves: bool
    machine_class: str = ""


def prepare_environment(address: str | None) -> None:
    """Set what Ray reads from the environment; some of it only when it is first imported.

    A cluster of this machine asks for a token that is drawn for it and lives in the environment of its
    processes (Ray's own would be written into HOME).
    """
    os.environ.update(_ALWAYS)
    if address is None:
        os.environ.update(_LOCAL)
        if "ray" not in sys.modules:
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


class Cluster:
    """A Ray that was started or joined, and what it has learnt of its nodes."""

    def __init__(self, settings: SchedulerSettings, run: RunFolder) -> None:
        self.settings, self.run = settings, run
        self._classes: dict[str, str] = {}  # of the nodes that were asked
        self._measured: str | None = None

    def nodes_for(
        self, trials: Sequence[Trial], watcher: Watcher, patience_s: float = 0.0
    ) -> tuple[ClusterNode, ...]:
        """The nodes that live now and are able to run every trial; those that `serves` are of one class.

        Args:
            patience_s: how long to wait for one that fits.
        Raises:
            HarnessError: a trial fits no node.
        """
        end, is_told = time.monotonic() + patience_s, False
        while True:
            nodes = self._known(living_nodes())
            wanted = self._serving_class() if any(t.kind == "serve" for t in trials) else None
            try:
                _check_fit(nodes, trials, wanted)
            except HarnessError as error:
                if time.monotonic() >= end:
                    raise
                if not is_told:
                    watcher.said(f"waiting for a node, {patience_s:g} s at most: {error}")
                is_told = True
                time.sleep(min(LOOK_S, patience_s))
            else:
                able = {node.id for node in serving_nodes(nodes, wanted)}
                return tuple(replace(node, serves=node.id in able) for node in nodes)

    def _known(self, nodes: Sequence[ClusterNode]) -> tuple[ClusterNode, ...]:
        """Nodes of a joined cluster with their machine classes; new ones are asked for it.

        Raises:
            HarnessError: at the first call, that a node cannot be used; later such a node is left out.
        """
        if self.settings.address is None:
            return tuple(nodes)
        new, is_first = [node for node in nodes if node.id not in self._classes], not self._classes
        try:
            self._classes |= _machine_classes(new, self.run)
        except HarnessError as error:
            if is_first:
                raise
            log.warning("%s", error)
        return tuple(replace(n, machine_class=self._classes[n.id]) for n in nodes if n.id in self._classes)

    def _serving_class(self) -> str | None:
        """The class that serve trials must run on: the one asked for, else that of the speeds there are."""
        if self.settings.machine_class is not None or self.settings.address is None:
            return self.settings.machine_class
        self._measured = self._measured or measured_class(self.run.records())
        return self._measured


def measured_class(records: Iterable[Record]) -> str | None:
    """The machine class that most speeds were measured on, None where there are none."""
    served = [r for r in records if r.trial.kind == "serve" and r.status == "finished"]
    machines = [r.environment.get("machine") for r in served]
    classes = Counter(str(m["class"]) for m in machines if isinstance(m, Mapping) and "class" in m)
    return classes.most_common(1)[0][0] if classes else None


@contextlib.contextmanager
def connected(settings: SchedulerSettings) -> Iterator[None]:
    """Start Ray on this machine, or join a cluster; end or leave it afterwards.

    Raises:
        HarnessError: no cluster at the address.
    """
    import ray

    _silence()
    options: dict[str, object] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    if settings.address is None:
        options |= {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": environment.cpus_allowed(),
            "resources": {NODE: 1},
            "object_store_memory": 128 * 2**20,  # trials exchange files, not objects
        }
    else:
        options["address"] = settings.address
    with contextlib.ExitStack() as travelling:
        if (
            settings.address is not None
            and settings.suite_path
            and "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ
        ):
            # A submitted job has its code with it already.
            options["runtime_env"] = travelling.enter_context(code_package(settings.suite_path))
        _connect(ray, options, settings)
    try:
        with contextlib.ExitStack() as watched:
            if settings.address is not None:
                watched.enter_context(head_watched(ray.get_runtime_context().gcs_address))
            yield
    finally:
        ray.shutdown()


def _connect(ray: ModuleType, options: dict[str, object], settings: SchedulerSettings) -> None:
    """Start or join Ray; on a machine so busy that Ray gives up its own start, try once more.

    Raises:
        HarnessError: it does not answer.
    """
    for attempt in (1, 2):
        try:
            with _own_signals(), lightly():
                ray.init(**options)
            return
        except Exception as error:  # Ray raises the bare class when a node does not come up in time
            ray.shutdown()
            slow = type(error) is Exception and "timed out" in str(error)
            if slow and attempt == 1:
                log.warning("Ray did not start in time, once more: is this machine busy with other work?")
                continue
            if not slow and not isinstance(error, (ConnectionError, RuntimeError, ValueError, TimeoutError)):
                raise
            where = settings.address or "this machine"
            cure = "is the cluster up? `ray start --head` starts one" if settings.address else _room()
            raise HarnessError(f"Ray on {where} does not answer: {error}; {cure}") from error


def _room() -> str:
    """What this machine lacks that Ray needs to start: it says itself only that a file never came."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < 2**20:
        return f"the disk of {folder} is full: free some space there, or set TMPDIR to another folder"
    return "free some memory and CPU and run again; `python -m harness doctor` looks at the machine"


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray's start takes SIGTERM for itself and ends the process with code 15; ours ends a run in order."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not the main thread: nothing was taken either
            signal.signal(signal.SIGTERM, before)


def _silence() -> None:
    """Ray prints the death of each worker on stdout, whatever `log_to_driver` says; records say it better."""
    import ray._private.worker

    logging.getLogger("ray").setLevel("CRITICAL")
    ray._private.worker.print_to_stdstream = lambda data, ignore_prefix: log.debug("ray: %s", data)


class _NodeOfRay(TypedDict):
    """What is read of the nodes that Ray lists."""

    Alive: bool
    NodeID: str
    NodeManagerHostname: str
    Resources: Mapping[str, float]


def living_nodes() -> tuple[ClusterNode, ...]:
    """The nodes that Ray holds for alive, in the order of their ids."""
    import ray

    found = []
    nodes: list[_NodeOfRay] = ray.nodes()  # type: ignore[no-untyped-call]
    for node in nodes:
        if not node["Alive"]:
            continue
        offers = node["Resources"]
        found.append(
            ClusterNode(
                id=node["NodeID"],
                host=node["NodeManagerHostname"],
                cpus=offers.get("CPU", 0.0),
                gpus=offers.get("GPU", 0.0),
                memory_mb=offers.get("memory", 0.0) / 2**20,
                serves=offers.get(NODE, 0.0) >= 1,
                machine_class=environment.machine_class(),  # until it is asked (`_machine_classes`)
            )
        )
    return tuple(sorted(found, key=lambda node: node.id))


def serving_nodes(nodes: Sequence[ClusterNode], wanted: str | None) -> tuple[ClusterNode, ...]:
    """The nodes that may serve: of the class asked for, else of the class that most of them have.

    Speeds of two machine classes are never compared, so all serve trials go to one.
    """
    able = [node for node in nodes if node.serves]
    if wanted is None and able:
        wanted = Counter(node.machine_class for node in able).most_common(1)[0][0]
    return tuple(node for node in able if node.machine_class == wanted)


def resolve_gpus(trials: Sequence[Trial], nodes: Sequence[ClusterNode]) -> list[Trial]:
    """Trials whose claim of -1 GPUs (one, if a node where they may run has any) has become a number: one for
    each of several workers, if a node has as many."""

    def one(trial: Trial) -> float:
        places = [node for node in nodes if node.serves or trial.kind != "serve"]
        return float(trial.workers) if any(node.gpus >= trial.workers for node in places) else 0.0

    return [
        replace(t, resources=replace(t.resources, gpus=one(t))) if t.resources.gpus < 0 else t for t in trials
    ]


def _machine_classes(nodes: Sequence[ClusterNode], run: RunFolder) -> dict[str, str]:
    """Ask nodes for their machine class, and whether they see the run folder.

    Raises:
        HarnessError: a node does not see the folder, or has no harness installed.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if nodes:
        run.write_text(".probe", run.id)
    probe = ray.remote(num_cpus=0, max_retries=0)(_probe)
    asked = [
        probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(run)
        for node in nodes
    ]
    found = {}
    for node, reference in zip(nodes, asked, strict=True):
        try:
            machine_class, seen = ray.get(reference, timeout=120)
        except (ray.exceptions.RayError, TimeoutError) as error:
            lines = [line for line in str(error).strip().splitlines() if line.strip()]
            raise HarnessError(
                f"node {node.host} cannot run the harness: {lines[-1] if lines else error}; "
                "install the same version of it on every node (deploy/README.md)"
            ) from error
        if not seen:
            raise HarnessError(
                f"node {node.host} does not see {run.url}: "
                "give --out a folder that all nodes share, or a URL (s3://…)"
            )
        found[node.id] = machine_class
    return found


def _probe(run: RunFolder) -> tuple[str, bool]:
    return environment.machine_class(), run.exists(".probe")


def fits(trial: Trial, node: ClusterNode) -> bool:
    """Whether a node has what a train or score trial claims."""
    claim = trial.resources
    return node.cpus >= claim.cpus and node.gpus >= claim.gpus and node.memory_mb >= claim.memory_mb


def _check_fit(nodes: Sequence[ClusterNode], trials: Sequence[Trial], wanted: str | None) -> None:
    """A trial that fits no node would wait for ever.

    Args:
        wanted: the machine class that serve trials must run on, None for any.
    Raises:
        HarnessError: names the trial, what it claims, what the largest node has, and the cure.
    """
    able = serving_nodes(nodes, wanted)
    for trial in trials:
        claim = trial.resources
        if trial.kind == "serve":
            if not any(node.serves for node in nodes):
                raise HarnessError(
                    f"no node of the cluster offers {NODE}, which keeps serve trials alone: "
                    f"start the nodes with --resources='{{\"{NODE}\": 1}}'"
                )
            if not able:
                classes = sorted({node.machine_class for node in nodes if node.serves})
                raise HarnessError(
                    f"no node is of machine class {wanted}, which this run serves on: there is "
                    f"{', '.join(classes)} (machine.class in the suite chooses one and measures all speeds "
                    "there; `python -m harness doctor` prints a machine's own)"
                )
            if not any(node.gpus >= claim.gpus for node in able):
                raise HarnessError(
                    f"{trial.label} claims {claim.gpus:g} GPUs; the largest node that serves has "
                    f"{max(node.gpus for node in able):g}: leave training.resources.gpus open (training then "
                    f"takes a GPU where there is one), or start nodes with GPUs that offer {NODE}"
                )
        elif not any(fits(trial, node) for node in nodes):
            most = max(nodes, key=lambda node: (node.gpus, node.cpus, node.memory_mb), default=None)
            has = f"{most.cpus:g}, {most.gpus:g} and {most.memory_mb:.0f} MB" if most else "died"
            raise HarnessError(
                f"{trial.label} claims {claim.cpus} CPUs, {claim.gpus:g} GPUs, {claim.memory_mb} MB; "
                f"the largest node has {has}: "
                "lower training.resources or join a larger cluster with --address"
            )
