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


def test_the_rayjob_names_its_parts_consistently() -> None:
    job = read("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    known = {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit"}
    assert set(job["spec"]) <= known | {"submissionMode", "rayClusterSpec"}
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == RAY
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["requests"] == container["resources"]["limits"], "whole cores"
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    serving = next(group for group in cluster["workerGroupSpecs"] if group["groupName"] == "serving")
    assert json.loads(json.loads(serving["rayStartParams"]["resources"].replace("'", ""))) == {NODE: 1}


def test_the_image_pins_the_ray_that_the_project_pins() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert f"ray[default]=={RAY}" in text
    project = (DEPLOY.parent / "pyproject.toml").read_text()
    assert f"ray[tune]=={RAY}" in project
    assert re.search(r"^USER (?!root)\w+", text, re.MULTILINE), "user code does not run as root"
