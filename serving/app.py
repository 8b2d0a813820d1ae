"""The Serve application: an ingress with the API in front of one deployment a specialist."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatus,
    ProxyStatus,
)

from orchestrator.config import Config
from serving.config import APPLICATION, INGRESS, ingress_options
from serving.runtime import RayRuntime
from specialists.base import Card
from specialists.errors import Unavailable

if TYPE_CHECKING:
    from starlette.applications import Starlette


@serve.deployment(**ingress_options())
@serve.ingress()
class Ingress:
    """The one replica that holds the orchestrator: sessions, memory and routing, and no model."""

    def __init__(
        self, config: Config, handles: Mapping[str, DeploymentHandle], cards: tuple[Card, ...]
    ) -> None:
        self._config = config
        self._runtime = RayRuntime(handles, cards)

    def __serve_build_asgi_app__(self) -> Starlette:
        """The API. Serve calls this in the replica and then runs the lifespan of what it returns."""
        from starlette.applications import Starlette

        return Starlette(lifespan=self._open)

    @contextlib.asynccontextmanager
    async def _open(self, outer: Starlette) -> AsyncIterator[None]:
        # A lifespan is one task from beginning to end, as the task groups of the orchestrator ask for.
        from orchestrator.api.app import build
        from orchestrator.engine import Orchestrator

        async with Orchestrator.open(self._config, runtime=self._runtime) as orchestrator:
            outer.mount("/", build(orchestrator))
            await orchestrator.warm()  # the controller; the replicas load their models themselves
            yield


def application(
    config: Config, hosts: Mapping[str, serve.Application], cards: tuple[Card, ...]
) -> serve.Application:
    """The whole application, to be given to `run`."""
    return Ingress.bind(config, dict(hosts), cards)  # type: ignore[attr-defined]


def run(app: serve.Application, config: Config, stop: threading.Event) -> bool:
    """Deploy on the connected cluster and wait until every specialist is ready; False if `stop` came first.

    HTTP is served at `config.server`, unless the cluster already serves it elsewhere.
    Raises Unavailable, with the reason, when one cannot start.
    """
    serve.start(http_options={"host": config.server.host, "port": config.server.port})
    target = serve.RunTarget(app, name=APPLICATION)
    serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
    while not _ready():
        if stop.wait(0.2):
            return False
    return True


def _ready() -> bool:
    status = serve.status()
    application = status.applications.get(APPLICATION)
    if application is None:
        return False
    if application.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
        reason = _reasons(application) or application.message
        raise Unavailable(reason, part="ray", remedy="Read the logs of Ray Serve")
    proxies = [proxy is ProxyStatus.HEALTHY for proxy in status.proxies.values()]
    return application.status is ApplicationStatus.RUNNING and bool(proxies) and all(proxies)


def _reasons(application: ApplicationStatusOverview) -> str:
    """Why deployments did not start: the last line that each of them left behind."""
    failed = {
        name: deployment.message.strip().splitlines()[-1]
        for name, deployment in application.deployments.items()
        if deployment.status is DeploymentStatus.DEPLOY_FAILED and deployment.message.strip()
    }
    return "; ".join(f"{'the API' if name == INGRESS else name}: {line}" for name, line in failed.items())
