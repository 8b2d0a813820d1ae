"""The Runtime that calls specialists on Ray Serve. Nothing else touches the handles of deployments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import cast

from ray.exceptions import RayActorError, RayError, RaySystemError, RayTaskError, WorkerCrashedError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from serving.parcels import pack
from specialists.base import Card, Chunk, Specialist, Task
from specialists.cancellation import being_cancelled
from specialists.errors import AntiphonError, SpecialistFailed, TransientFailure, Unavailable
from specialists.runtime import Health, LocalRuntime

HEALTH_SECONDS = 2.0
"""How long a replica may take to say how it does before it counts as failed."""

Answer = DeploymentResponseGenerator[list[Chunk]]

_GONE = (RayActorError, WorkerCrashedError, RaySystemError, ReplicaUnavailableError)


class RayRuntime(LocalRuntime):
    """Runs each specialist in its deployment.

    Deadlines, cancellation and the figures of calls are kept on this, the caller's side; the replica keeps
    its own deadline as well. A Card without a handle stays listed, and a call to it raises Unavailable.
    """

    def __init__(self, handles: Mapping[str, DeploymentHandle], cards: Iterable[Card]) -> None:
        super().__init__()
        self._remotes = {}
        for card in cards:
            if card.name in handles:
                self._remotes[card.name] = Remote(card, handles[card.name])
                self.add(self._remotes[card.name])
            else:
                self.add(NotDeployed(card))

    async def health(self) -> Mapping[str, Health]:
        """What the replicas say of themselves, with the figures of the calls made from here."""
        figures = dict(await super().health())
        said = await asyncio.gather(*(remote.health() for remote in self._remotes.values()))
        for name, health in zip(self._remotes, said, strict=True):
            figures[name] = replace(figures[name], state=health.state, detail=health.detail)
        return figures


class Remote(Specialist):
    """A specialist as its callers on Ray see it: a Card and the handle of a deployment."""

    def __init__(self, card: Card, handle: DeploymentHandle) -> None:
        self.card = card
        self._handle = handle

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        parcel = await pack(task, self.card)
        answer = cast(Answer, self._handle.options(stream=True).run.remote(parcel))
        try:
            async for batch in answer:
                for chunk in batch:
                    yield chunk
        except asyncio.CancelledError:
            raise _cancelled(self.card.name) from None
        except (RayError, RayServeException) as error:
            raise translate(error, self.card.name) from error
        finally:
            answer.cancel()  # ending the reading task does not stop the replica; this does

    async def load(self) -> None:
        try:
            await self._handle.load.remote()
        except (RayError, RayServeException) as error:
            raise translate(error, self.card.name) from error

    async def health(self) -> Health:
        """How one replica of it does; `failed` when none answers in time."""
        asked = self._handle.health.remote()
        try:
            return await asyncio.wait_for(asked, HEALTH_SECONDS)
        except TimeoutError:
            return Health("failed", f"no replica answered within {HEALTH_SECONDS:g} s")
        except (RayError, RayServeException) as error:
            return Health("failed", str(translate(error, self.card.name)))
        finally:
            asked.cancel()


class NotDeployed(Specialist):
    """Stands for a specialist that has no deployment, so that its Card and its remedy stay known."""

    def __init__(self, card: Card) -> None:
        self.card = replace(card, available=False)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        raise Unavailable("this specialist is not deployed", part=self.card.name, remedy=self.card.remedy)
        yield


def translate(error: Exception, name: str) -> BaseException:
    """What an error of Ray means to the caller of the specialist `name`."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        if isinstance(cause, AntiphonError):
            return cause
        return SpecialistFailed(f"{type(cause).__name__}: {cause}", part=name)
    if isinstance(error, RequestCancelledError):
        return _cancelled(name)
    if isinstance(error, BackPressureError):
        return TransientFailure(
            "all its replicas are busy", part=name, remedy="Try again, or raise [ray.replicas]"
        )
    if isinstance(error, DeploymentUnavailableError):
        return Unavailable("its deployment could not start", part=name, remedy="Read the logs of Ray Serve")
    if isinstance(error, _GONE):
        return TransientFailure("its replica is gone", part=name, remedy="Ray starts another; try again")
    return SpecialistFailed(f"{type(error).__name__}: {error}", part=name)


def _cancelled(name: str) -> BaseException:
    """Cancellation that this side asked for stays that; one that comes from a stopping replica is a fault."""
    if being_cancelled():
        return asyncio.CancelledError()
    return TransientFailure("its replica stopped in the middle", part=name, remedy="Try again")
