"""What Ray Serve is told about each deployment, from Cards and the configuration. Pure: no Ray in here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from orchestrator.config import Config
from specialists.base import Card
from specialists.errors import BadConfig, Unavailable

APPLICATION = "antiphon"
INGRESS = "antiphon-api"

CALLS_PER_REPLICA = 16
"""Streams that one replica serves at a time; more wait at their caller."""
CALLS_WANTED = 2
"""Streams a replica has on average before another is started, where the number of replicas may vary."""
CALLS_WAITING = 64
"""Calls that may wait at one caller for a free replica; one more fails as a transient failure."""
REQUESTS = 512
"""Requests, event streams and WebSockets open at the ingress at a time."""
DRAIN_SECONDS = 20.0
"""How long a replica that is to stop may finish the calls it has."""


def deployment_options(card: Card, config: Config) -> dict[str, Any]:
    """The options of the deployment that hosts the specialist of this Card.

    Raises BadConfig for a number of replicas that cannot be.
    """
    least, most = _replicas(card, config)
    actor: dict[str, float] = {"num_cpus": card.resources.cpus, "num_gpus": card.resources.gpus}
    if config.ray.address:
        # Memory decides on which machine a replica fits. On a single one it could only keep it from starting.
        actor["memory"] = card.resources.memory_mb * 2**20
    return {
        "name": card.name,
        **_scale(least, most),
        "max_ongoing_requests": CALLS_PER_REPLICA,
        "max_queued_requests": CALLS_WAITING,
        "graceful_shutdown_timeout_s": DRAIN_SECONDS,
        "graceful_shutdown_wait_loop_s": 0.2,
        "ray_actor_options": actor,
    }


def _replicas(card: Card, config: Config) -> tuple[int, int]:
    """How many replicas a specialist has: at least, at most."""
    given = config.ray.replicas.get(card.name, 1)
    least, most = given if isinstance(given, tuple) else (given, given)
    if not 1 <= least <= most:
        raise BadConfig(
            f"{given} replicas are not possible",
            part=f"ray.replicas.{card.name}",
            remedy="Give a number from 1, or [least, most]; "
            f"to leave it out, set enabled = false in [specialists.{card.name}]",
        )
    return least, most


def _scale(least: int, most: int) -> dict[str, Any]:
    if least == most:
        return {"num_replicas": least}
    return {
        "autoscaling_config": {
            "min_replicas": least,
            "max_replicas": most,
            "target_ongoing_requests": CALLS_WANTED,
        }
    }


def ingress_options() -> dict[str, Any]:
    """The options of the one deployment that answers HTTP and WebSockets.

    It has one replica, because it holds the sessions and their memory, and it stays on the head node, where
    their folder is.
    """
    return {
        "name": INGRESS,
        "num_replicas": 1,
        "max_ongoing_requests": REQUESTS,
        "graceful_shutdown_timeout_s": DRAIN_SECONDS,
        "graceful_shutdown_wait_loop_s": 0.2,
        "ray_actor_options": {"num_cpus": 1.0, "resources": {"node:__internal_head__": 0.001}},
    }


def check_replicas(cards: Iterable[Card], config: Config) -> None:
    """Raise BadConfig when `[ray.replicas]` names a specialist that is not registered."""
    known = {card.name for card in cards}
    for name in config.ray.replicas:
        if name not in known:
            raise BadConfig(
                "no specialist of this name is registered",
                part=f"ray.replicas.{name}",
                remedy=f"Registered: {', '.join(sorted(known))}",
            )


def local_resources(cards: Iterable[Card], config: Config, *, gpus: int) -> dict[str, Any]:
    """The logical CPUs and GPUs that a cluster of this machine alone must offer, as `ray.init` takes them.

    CPUs are only counted, so every specialist starts however few cores there are. `gpus` is how many GPUs
    this machine has; raises Unavailable when the specialists need more.
    """
    served = [(card, _replicas(card, config)[1]) for card in cards if card.available]
    needed = sum(card.resources.gpus * replicas for card, replicas in served)
    if needed > gpus:
        raise Unavailable(
            f"the specialists need {needed:g} GPUs and this machine has {gpus}",
            part="ray",
            remedy="Lower [ray.replicas], choose smaller models, or set ray.address to a cluster",
        )
    cpus = 1.0 + sum(card.resources.cpus * replicas for card, replicas in served)
    return {"num_cpus": math.ceil(cpus), "num_gpus": gpus}
