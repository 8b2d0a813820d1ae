"""The deployment that hosts a specialist: the same class for every one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from orchestrator.config import Config
from serving.batches import batches
from serving.config import check_replicas, deployment_options
from serving.parcels import Parcel, unpack
from serving.runtime import RayRuntime
from specialists import registry
from specialists.base import Card, Chunk
from specialists.errors import BadConfig
from specialists.models import ModelStore
from specialists.pool import ModelPool
from specialists.runtime import Health, LocalRuntime


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a replica needs to build its specialist: plain values that travel."""

    name: str
    path: str
    options: Mapping[str, Any]
    config: Config
    others: tuple[Card, ...] = ()
    """The Cards of the specialists that it calls."""


class Host:
    """A replica with one specialist in it."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, recipe: Recipe, handles: Mapping[str, DeploymentHandle]
    ) -> None:
        specialist = registry.build_one(
            recipe.name,
            recipe.path,
            ModelStore(recipe.config.engine.models),
            RayRuntime(handles, recipe.others),
            recipe.options,
            recipe.config.limits,
            ModelPool(),
        )
        self._name = recipe.name
        self._local = LocalRuntime([specialist])
        self._trouble = ""
        try:
            await self._local.load(recipe.name)
        except Exception as error:  # noqa: BLE001 - one broken model must not keep the others from starting
            self._trouble = str(error)  # `health` tells it, and every call meets it again

    async def run(self, parcel: Parcel) -> AsyncIterator[list[Chunk]]:
        """Stream the answer in batches. Raises what the specialist raises."""
        task = await unpack(parcel)
        async for batch in batches(self._local.run(task)):
            yield batch

    async def load(self) -> None:
        await self._local.load(self._name)

    async def card(self) -> Card:
        return self._local.cards()[0]

    async def health(self) -> Health:
        health = (await self._local.health())[self._name]
        if self._trouble and health.state == "idle":
            return replace(health, state="failed", detail=self._trouble)
        return health

    async def check_health(self) -> None:
        """Asked by Serve again and again: that this runs proves that the replica's event loop turns."""

    async def __del__(self) -> None:
        await self._local.close()


def hosts(config: Config) -> tuple[dict[str, serve.Application], tuple[Card, ...]]:
    """A bound deployment for every specialist that is available, by name, and the Cards of all.

    The specialists are built here once to read their Cards; no model is loaded.
    Raises BadConfig, also where two specialists require each other.
    """
    models = ModelStore(config.engine.models)
    cards = {card.name: card for card in registry.build(models, config.specialists, config.limits).cards()}
    check_replicas(cards.values(), config)
    bound: dict[str, serve.Application] = {}

    def bind(card: Card, callers: tuple[str, ...]) -> serve.Application:
        if card.name in callers:
            raise BadConfig("specialists require each other", part=" -> ".join((*callers, card.name)))
        if card.name not in bound:
            others = [cards[name] for name in card.requires if name in cards]
            handles = {other.name: bind(other, (*callers, card.name)) for other in others if other.available}
            deployment = serve.deployment(**deployment_options(card, config))(Host)
            bound[card.name] = deployment.bind(_recipe(card, tuple(others), config), handles)
        return bound[card.name]

    for card in cards.values():
        if card.available:
            bind(card, ())
    return bound, tuple(cards.values())


def _recipe(card: Card, others: tuple[Card, ...], config: Config) -> Recipe:
    table = config.specialists.get(card.name, {})
    configured = {name: str(table["use"]) for name, table in config.specialists.items() if "use" in table}
    options = {key: value for key, value in table.items() if key not in ("use", "enabled")}
    return Recipe(card.name, registry.factories(configured)[card.name], options, config, others)
