"""The manifests of deploy/ are what Ray and Kubernetes expect, as far as that shows without a cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.schedule.cluster import NODE

DEPLOY = Path(__file__).parent.parent / "deploy"
RAY = "2.60.0"


FIELDS = {
    kind: set(names.split())
    for kind, names in {
        "RayJobSpec": "activeDeadlineSeconds backoffLimit clusterSelector deletionStrategy entrypoint "
        "entrypointNumCpus entrypointNumGpus entrypointResources jobId managedBy metadata rayClusterSpec "
        "runtimeEnvYAML shutdownAfterJobFinishes submissionMode submitterConfig submitterPodTemplate suspend "
        "ttlSecondsAfterFinished",
        "RayClusterSpec": "authOptions autoscalerOptions enableInTreeAutoscaling gcsFaultToleranceOptions "
        "headGroupSpec headServiceAnnotations managedBy rayVersion suspend workerGroupSpecs",
        "HeadGroupSpec": "enableIngress headService rayStartParams serviceType template",
        "WorkerGroupSpec": "groupName idleTimeoutSeconds maxReplicas minReplicas numOfHosts rayStartParams "
        "replicas scaleStrategy suspend template",
        "PodSpec": "affinity containers hostNetwork imagePullSecrets initContainers nodeSelector "
        "priorityClassName runtimeClassName securityContext serviceAccountName tolerations "
        "topologySpreadConstraints volumes",
        "Container": "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports "
        "readinessProbe resources securityContext volumeMounts workingDir",
    }.items()
}
"""Fields of KubeRay's `ray.io/v1` as its API reference names them (docs/reference/api.md; `authOptions` from
1.5.1 on), and those of a pod that a manifest may need. The API server drops a misspelt one without a word."""


def read(name: str) -> dict[str, Any]:
    content = yaml.safe_load((DEPLOY / name).read_text())
    assert isinstance(content, dict)
    return content


def test_the_cluster_file_is_valid_by_rays_own_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    autoscaler = pytest.importorskip("ray.autoscaler")
    schema = json.loads((Path(autoscaler.__file__).parent / "ray-schema.json").read_text())
    config = read("ray-cluster.yaml")
    jsonschema.validate(config, schema)
    assert config["head_node_type"] in config["available_node_types"]
    serving = config["available_node_types"]["serving"]
    assert serving["resources"][NODE] == 1
    assert "InstanceMarketOptions" not in serving["node_config"], "spot nodes do not serve"


def test_every_node_type_has_the_image_for_its_hardware() -> None:
    config = read("ray-cluster.yaml")
    for name, kind in config["available_node_types"].items():
        image = kind.get("docker", {}).get("worker_image", config["docker"]["image"])
        assert image.endswith("-gpu") == bool(kind["resources"].get("GPU")), name
    for group in read("rayjob.yaml")["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
        for container in group["template"]["spec"]["containers"]:
            has_gpu = "nvidia.com/gpu" in container["resources"]["limits"]
            assert container["image"].endswith("-gpu") == has_gpu, group["groupName"]


def test_whoever_joins_a_cluster_shows_a_token() -> None:
    config = read("ray-cluster.yaml")
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert all("RAY_AUTH_MODE=token ray start" in line for line in starts if "ray start" in line)
    assert "~/.ray/auth_token" in config["file_mounts"]
    assert read("rayjob.yaml")["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_the_rayjob_names_its_parts_consistently() -> None:
    job = read("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) <= FIELDS["RayJobSpec"]
    cluster = job["spec"]["rayClusterSpec"]
    assert set(cluster) <= FIELDS["RayClusterSpec"]
    assert cluster["rayVersion"] == RAY
    assert set(cluster["headGroupSpec"]) <= FIELDS["HeadGroupSpec"]
    assert all(set(group) <= FIELDS["WorkerGroupSpec"] for group in cluster["workerGroupSpecs"])
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        assert set(pod) <= FIELDS["PodSpec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert set(container) <= FIELDS["Container"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["requests"] == container["resources"]["limits"], "whole cores"
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    serving = next(group for group in cluster["workerGroupSpecs"] if group["groupName"] == "serving")
    assert json.loads(json.loads(serving["rayStartParams"]["resources"].replace("'", ""))) == {NODE: 1}


def test_the_image_pins_the_ray_that_the_project_pins() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert f"ray[default]=={RAY}" in text
    # ray.autoscaler's command runner calls both inside the container; boto3 is its AWS provider's.
    assert all(name in text for name in ("rsync", "openssh-client", "boto3"))
    assert "ARG COMMIT" in text and "HARNESS_COMMIT=$COMMIT" in text
    project = (DEPLOY.parent / "pyproject.toml").read_text()
    assert f"ray[tune]=={RAY}" in project
    assert re.search(r"^USER (?!root)\w+", text, re.MULTILINE), "user code does not run as root"
