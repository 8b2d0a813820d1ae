"""A Ray cluster to serve on: one that this process starts and ends, or one that is there already."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import RayServeException

from orchestrator.config import Config
from serving.config import APPLICATION, local_resources
from specialists.base import Card
from specialists.errors import BadConfig, Unavailable

OBJECT_STORE_BYTES = 256 * 2**20
"""Only pictures, sound and film on their way to a replica lie there; what does not fit goes to the disk."""


@contextlib.contextmanager
def cluster(config: Config, cards: Iterable[Card]) -> Iterator[None]:
    """Connect to `config.ray.address`, or start a cluster on this machine, and leave nothing behind.

    Of a cluster that was there before only this application is removed. Raises BadConfig for an address that
    cannot be used, Unavailable when no cluster is there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        _connect(config, cards)
        yield
    finally:
        if ray.is_initialized():
            with contextlib.suppress(RayServeException):  # Serve itself does not run yet
                serve.delete(APPLICATION)  # calls may end, within `config.DRAIN_SECONDS`
            ray.shutdown()


def _connect(config: Config, cards: Iterable[Card]) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": APPLICATION}
    if config.ray.address:
        try:
            _check_address(config.ray.address)
            ray.init(address=config.ray.address, **quiet)
        except OSError as error:
            raise Unavailable(
                f"no cluster answers: {error}",
                part=f"ray.address {config.ray.address}",
                remedy="Start it, or leave the address empty to serve on this machine",
            ) from error
        return
    with _import_path():
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            **local_resources(cards, config, gpus=_gpus()),
            **quiet,
        )


def _check_address(address: str) -> None:
    """Find out within seconds that nobody listens: Ray itself tries for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "://" in host:
        raise BadConfig(
            "not an address of a Ray cluster",
            part=f"ray.address {address}",
            remedy="Give HOST:PORT of its head node, or auto for the cluster this machine belongs to",
        )
    socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()


@contextlib.contextmanager
def _import_path() -> Iterator[None]:
    """Let the workers of a cluster started in here import what this process can import."""
    before = os.environ.get("PYTHONPATH")
    own = [str(Path(entry).resolve()) for entry in sys.path if not _is_installed(entry)]
    os.environ["PYTHONPATH"] = os.pathsep.join(own)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _is_installed(entry: str) -> bool:
    """Whether the interpreter of a worker has this entry of `sys.path` by itself."""
    return any(Path(entry).resolve().is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix))


def _gpus() -> int:
    from ray._private.accelerators import NvidiaGPUAcceleratorManager

    return int(NvidiaGPUAcceleratorManager.get_current_node_num_accelerators())
