"""How much of the slots' time is trial work: the harness beside plain Ray Tune, on the same work.

    python benchmarks/scheduling.py                      # 20 trials of 5 s on 2 slots
    python benchmarks/scheduling.py --trials 1000 --seconds 1 --nodes 8

Efficiency is Σ trial work / (wall × slots) of the sweep: from a joined Ray to the last record, the start
of the workers and their imports included. `with_join` counts joining Ray too, in which the harness asks
each node for its machine class and whether it sees the run folder. The ceiling is what packing allows:
ceil(trials / slots) · seconds. The harness does more in that time than the others: it captures the
environment, watches clock and memory, and commits a synced record for each trial.
Trials sleep, so that the figure shows scheduling and not how busy this machine is; `--burn` computes instead.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import environment
from harness.progress import Silent
from harness.protocols import Job, Outcome
from harness.record import Measurement, Trial
from harness.schedule import Kept, SchedulerSettings, run_trials
from harness.schedule.cluster import _LOCAL, _silence
from harness.store.runs import open_run

HERE = Path(__file__).resolve().parent


def work(seconds: float, burn: bool) -> None:
    """One trial's work; torch is imported, as a real one would."""
    import torch

    if not burn:
        time.sleep(seconds)
        return
    begun = time.thread_time()
    while time.thread_time() - begun < seconds:
        torch.ones(64, 64) @ torch.ones(64, 64)


def dispatch(job: Job) -> Outcome:
    work(job.trial.spec["seconds"], job.trial.spec["burn"])
    return Outcome((Measurement("accuracy", 0.5, "fraction"),))


def plain_tune(address: str, count: int, seconds: float, burn: bool, reuse: bool) -> tuple[float, float, int]:
    """The same of a sweep as the Ray documentation writes it: seconds to join and of the sweep, files."""
    import ray
    from ray import tune

    begun = time.monotonic()
    ray.init(address=address, log_to_driver=False, logging_level="CRITICAL")
    joined = time.monotonic()

    def trainable(config: dict[str, Any]) -> None:
        work(seconds, burn)
        tune.report({"accuracy": 0.5})

    storage = tempfile.mkdtemp()
    tune.Tuner(
        tune.with_resources(trainable, {"CPU": 1}),
        param_space={"n": tune.grid_search(list(range(count)))},
        tune_config=tune.TuneConfig(reuse_actors=reuse),
        run_config=tune.RunConfig(storage_path=storage, name=f"plain-{time.monotonic_ns()}", verbose=0),
    ).fit()
    ended = time.monotonic()
    ray.shutdown()
    files = sum(path.is_file() for path in Path(storage).rglob("*"))
    shutil.rmtree(storage)
    return joined - begun, ended - joined, files


def harness_sweep(address: str, count: int, seconds: float, burn: bool) -> tuple[float, float, int]:
    """Seconds to join, seconds of the sweep, files."""
    out = tempfile.mkdtemp()
    trials = [Trial("train", f"c{n}", {"n": n, "seconds": seconds, "burn": burn}) for n in range(count)]
    run = open_run(out, "bench", "0123456789abcdef")

    begun = time.monotonic()
    settings = SchedulerSettings(address=address, paths=(str(HERE),))
    with Kept() as kept:
        kept.cluster(run, Silent(), settings).nodes_for(trials, Silent())
        joined = time.monotonic()
        records = run_trials(trials, run, Silent(), settings, dispatch="scheduling:dispatch", kept=kept)
        ended = time.monotonic()
    assert len(records) == count and all(record.status == "finished" for record in records)
    files = sum(path.is_file() for path in Path(run.url).rglob("*"))
    shutil.rmtree(out)
    return joined - begun, ended - joined, files


def driver_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--slots", type=int, default=2, help="CPUs of the one node")
    parser.add_argument("--nodes", type=int, default=1, help="simulated nodes of one CPU; 1: this machine")
    parser.add_argument("--burn", action="store_true")
    parser.add_argument("--fresh", action="store_true", help="also plain Tune with fresh actors (slow)")
    options = parser.parse_args()
    os.environ.update(
        {**_LOCAL, "RAY_AUTH_MODE": "disabled", "RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    )
    os.environ["HARNESS_LOCKS"] = tempfile.mkdtemp()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parent)])
    from ray.cluster_utils import Cluster

    _silence()
    slots = options.nodes if options.nodes > 1 else options.slots
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20},
    )
    for _ in range(options.nodes):
        cpus = 1 if options.nodes > 1 else slots
        cluster.add_node(num_cpus=cpus, resources={"harness_node": 1}, object_store_memory=80 * 2**20)
    cluster.wait_for_nodes()
    count, seconds = options.trials, options.seconds
    ideal = math.ceil(count / slots) * seconds
    total = count * seconds
    print(
        f"{count} trials of {seconds:g} s on {slots} slots: {total:g} s of work, at best {ideal:g} s",
        flush=True,
    )
    rows: dict[str, Any] = {}

    def row(name: str, join: float, wall: float, files: int) -> None:
        rows[name] = {
            "join_s": round(join, 2),
            "wall_s": round(wall, 2),
            "efficiency": round(total / (wall * slots), 4),
            "with_join": round(total / ((join + wall) * slots), 4),
            "files": files,
            "driver_mb": round(driver_memory_mb()),
        }
        print(f"{name:36s} {json.dumps(rows[name])}", flush=True)

    import torch  # noqa: F401  # its files are read once, before the first of the two is timed

    given = (cluster.address, count, seconds, options.burn)
    row("harness", *harness_sweep(*given))
    row("plain Tune, reused actors", *plain_tune(*given, True))
    if options.fresh:
        row("plain Tune, fresh actors", *plain_tune(*given, False))
    cluster.shutdown()
    result = {
        "benchmark": "scheduling",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "trials": count,
        "seconds": seconds,
        "slots": slots,
        "nodes": options.nodes,
        "work": "computing" if options.burn else "sleeping",
        "ceiling": round(total / (ideal * slots), 4),
        "rows": rows,
        "machine": environment.hardware(),
        "load": os.getloadavg(),
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    name = f"scheduling-{count}x{seconds:g}s-{slots}.json"
    (folder / name).write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps({"benchmark": "scheduling", "efficiency": {k: v["efficiency"] for k, v in rows.items()}})
    )


if __name__ == "__main__":
    main()
