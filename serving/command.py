"""`antiphon serve --ray`: start, say where, wait for the signal to stop, take everything down."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

from orchestrator.config import Config
from specialists.errors import Unavailable


def start_ray(config: Config, host: str, port: int) -> None:
    """Serve over HTTP at `host` and `port` on Ray until SIGINT or SIGTERM arrives.

    Nothing is fetched in here: the models lie in the model store before. Raises Unavailable when Ray is not
    installed, the port is taken or a deployment cannot start, BadConfig for a configuration that cannot be.
    """
    server = config.server.model_copy(update={"host": host, "port": _free_port(host, port)})
    config = config.model_copy(update={"server": server})
    try:
        import ray  # noqa: F401
        from ray import serve  # noqa: F401
    except ImportError as error:
        raise Unavailable(
            "Ray Serve is not installed", part="serve --ray", remedy="pip install 'antiphon[ray]'"
        ) from error
    from serving.app import application, run
    from serving.cluster import cluster
    from serving.deployments import hosts

    bound, cards = hosts(config)
    with cluster(config, cards):
        run(application(config, bound, cards))
        with _stop_signal() as stop:
            where = f"http://{server.host}:{server.port}"
            print(f"Serving {len(bound)} specialists on Ray at {where}. Ctrl-C stops it.", flush=True)
            stop.wait()


def _free_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises Unavailable when it cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"cannot listen there: {error.strerror}",
                part=f"{host}:{port}",
                remedy="Choose another with --host and --port",
            ) from error
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
