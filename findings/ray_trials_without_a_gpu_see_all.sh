#!/usr/bin/env bash
# Ray Tune, a trial that claims no GPU on a node that has some: what it sees of them is not hidden from it. A trial that claims one finds
# CUDA_VISIBLE_DEVICES set to that one; beside it, a trial with {"GPU": 0}, or without a word of GPUs, finds the variable as the node had
# it, so that `torch.cuda.is_available()` is true in it and whatever library takes the GPU it sees shares the one that another trial
# has claimed. RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 brings back an empty variable, which is how it used to be.
# No GPU is needed to see it: Ray is told that there are two.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'ray[tune]==2.60.0'
cd "$work"
cat >seen.py <<'PY'
import os, sys
os.environ.update(RAY_AIR_NEW_OUTPUT="0", RAY_USAGE_STATS_ENABLED="0")
import ray
from ray import tune

def look(config):
    return {"seen": os.environ.get("CUDA_VISIBLE_DEVICES", "unset")}

ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
for claim in (1, 0):
    trial = tune.with_resources(look, {"CPU": 1, "GPU": claim})
    run = tune.RunConfig(storage_path=os.getcwd(), verbose=0)
    print(claim, tune.Tuner(trial, run_config=run).fit()[0].metrics["seen"])
PY
seen() { CUDA_VISIBLE_DEVICES=0,1 "$@" "$work/venv/bin/python" seen.py 2>log | grep -E '^[01] ' | tr '\n' ';' || { cat log >&2; exit 1; }; }
now=$(seen env); before=$(seen env RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1)
echo "ray 2.60.0, two GPUs, claim and CUDA_VISIBLE_DEVICES in the trial: $now with the old behaviour asked for: $before"
[[ "$now" =~ ^1\ [01]\;0\ 0,1\;$ ]] && [[ "$before" =~ ^1\ [01]\;0\ \;$ ]]
