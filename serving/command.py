"""`antiphon serve --ray`: start, say where, wait for the signal to stop, take everything down."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from orchestrator.config import Config
from specialists.errors import Unavailable

_STOP = (signal.SIGINT, signal.SIGTERM)
_UNDO_TRIES = 20


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
    from serving.cluster import cluster, remove
    from serving.deployments import hosts

    bound, cards = hosts(config)
    stop = threading.Event()
    with _signals(stop), cluster(config, cards):
        _listen(stop)  # again, as Ray takes SIGTERM for itself when it starts
        if _done_before(stop, lambda: run(application(config, bound, cards), config), remove):
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


def _done_before(stop: threading.Event, work: Callable[[], None], undo: Callable[[], None]) -> bool:
    """Run `work` in a thread of its own and wait for it. Raises what it raises.

    When `stop` is set meanwhile, `undo` is called until `work` gives up; the answer is then False.
    """
    outcome: Future[None] = Future()

    def carry() -> None:
        try:
            work()
            outcome.set_result(None)
        except BaseException as error:  # noqa: BLE001 - carried over to the main thread
            outcome.set_exception(error)

    worker = threading.Thread(target=carry, name="deploy", daemon=True)
    worker.start()
    while worker.is_alive() and not stop.is_set():
        worker.join(0.1)
    if stop.is_set():
        for _ in range(_UNDO_TRIES):
            if worker.is_alive():
                undo()
                worker.join(1.0)
        return False
    outcome.result()
    return True
