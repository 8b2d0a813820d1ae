"""`antiphon serve --ray`: start, say where, wait for the signal to stop, take everything down."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

from orchestrator.config import Config
from specialists.errors import Unavailable

_STOP = (signal.SIGINT, signal.SIGTERM)


def start_ray(config: Config, host: str, port: int) -> None:
    """Serve over HTTP at `host` and `port` on Ray until SIGINT or SIGTERM arrives.

    Nothing is fetched in here: the models lie in the model store before. Raises Unavailable when Ray is not
    installed, the port is taken or a deployment cannot start, BadConfig for a configuration that cannot be.
    """
    server = config.server.model_copy(update={"host": host, "port": _free_port(host, port)})
    config = config.model_copy(update={"server": server})
    # Read when ray is imported: no call may start another cluster while this one is being taken down.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
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
    stop = threading.Event()
    with _signals(stop), cluster(config, cards):
        _listen(stop)  # again, as Ray takes SIGTERM for itself when it starts
        if run(application(config, bound, cards), config, stop):
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
def _signals(stop: threading.Event) -> Iterator[None]:
    """Have SIGINT and SIGTERM set `stop`. Raising inside Ray's start would leave processes behind."""
    before = {number: signal.getsignal(number) for number in _STOP}
    _listen(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(stop: threading.Event) -> None:
    for number in _STOP:
        signal.signal(number, lambda *_: stop.set())
