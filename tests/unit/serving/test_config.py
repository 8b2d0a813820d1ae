"""Deployment options from Cards and the configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator.config import Config
from serving.config import check_replicas, deployment_options, ingress_options, local_resources
from specialists.base import Resources
from specialists.errors import BadConfig, Unavailable
from specialists.fakes import card

EYE = card("vision", resources=Resources(cpus=0.5, gpus=0.25, memory_mb=300))


def config(address: str = "", **replicas: object) -> Config:
    return Config.model_validate({"ray": {"address": address, "replicas": replicas}})


def test_a_deployment_takes_its_resources_from_the_card() -> None:
    options = deployment_options(EYE, config())
    assert options["name"] == "vision"
    assert options["num_replicas"] == 1
    assert options["ray_actor_options"] == {"num_cpus": 0.5, "num_gpus": 0.25}


def test_replicas_come_from_the_configuration() -> None:
    assert deployment_options(EYE, config(vision=3))["num_replicas"] == 3
    assert deployment_options(EYE, config(ocr=3))["num_replicas"] == 1


def test_memory_is_reserved_only_where_there_are_machines_to_choose_from() -> None:
    actor = deployment_options(EYE, config("10.0.0.1:6379"))["ray_actor_options"]
    assert actor["memory"] == 300 * 1024 * 1024


def test_a_pair_of_replicas_scales_with_the_calls() -> None:
    options = deployment_options(EYE, config(vision=[1, 4]))
    assert "num_replicas" not in options
    assert options["autoscaling_config"]["min_replicas"] == 1
    assert options["autoscaling_config"]["max_replicas"] == 4


@pytest.mark.parametrize("count", [0, -1, [0, 2], [3, 2]])
def test_a_number_of_replicas_that_cannot_be_is_refused_by_its_key(count: object) -> None:
    with pytest.raises(BadConfig) as error:
        deployment_options(EYE, config(vision=count))
    assert error.value.part == "ray.replicas.vision"
    assert "enabled = false" in error.value.remedy


def test_replicas_of_a_specialist_that_is_not_registered_are_refused() -> None:
    with pytest.raises(BadConfig, match="no specialist of this name") as error:
        check_replicas([EYE], config(vison=2))
    assert error.value.part == "ray.replicas.vison"
    assert "vision" in error.value.remedy
    check_replicas([EYE], config(vision=2))


def test_a_local_cluster_offers_what_all_replicas_and_the_ingress_ask_for() -> None:
    cards = [EYE, card("chat", resources=Resources(cpus=2)), card("imagegen", available=False)]
    assert local_resources(cards, config(vision=[1, 3]), gpus=1) == {"num_cpus": 5, "num_gpus": 1}


def test_too_few_gpus_are_told_before_anything_starts() -> None:
    with pytest.raises(Unavailable, match=r"need 1\.25 GPUs and this machine has 1"):
        local_resources([EYE], config(vision=5), gpus=1)


def test_the_ingress_is_one() -> None:
    assert ingress_options()["num_replicas"] == 1


def test_reading_options_does_not_load_ray() -> None:
    code = "import sys, serving.config, serving.command; sys.exit(len({'ray', 'fastapi'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
