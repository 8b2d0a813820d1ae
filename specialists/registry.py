"""How specialists are found: built in, by entry point, or by a configuration line with an import path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import entry_points
from math import inf, isfinite

from specialists.base import Card, Specialist
from specialists.errors import BadConfig
from specialists.limits import DEFAULT_LIMITS, Limits
from specialists.models import ModelStore
from specialists.pool import ModelPool
from specialists.runtime import LocalRuntime, Runtime

ENTRY_POINTS = "antiphon.specialists"

BUILT_IN: Mapping[str, str] = {
    "chat": "specialists.chat:create",
    "vision": "specialists.vision:create",
    "ocr": "specialists.ocr:create",
    "asr": "specialists.asr:create",
    "tts": "specialists.tts:create",
    "video": "specialists.video:create",
    "imagegen": "specialists.image:create",
    "embed": "specialists.embed:create",
}
"""Name to import path. The modules are imported only when their specialist is built."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a factory gets: `options` is the specialist's table in the configuration, less `use`.

    `runtime` is there for specialists that call others; it must not be used before the first Task. `pool`
    lends loaded models: all specialists of one runtime share it.
    """

    name: str
    models: ModelStore
    runtime: Runtime
    limits: Limits = DEFAULT_LIMITS
    options: Mapping[str, object] = field(default_factory=dict)
    pool: ModelPool = field(default_factory=ModelPool)

    def option(self, key: str, default: object = None) -> object:
        return self.options.get(key, default)

    def check_options(self, *known: str) -> None:
        """Raise BadConfig when the configuration gives this specialist an option it does not have."""
        for key in self.options:
            if key not in known:
                raise BadConfig(
                    f"unknown option {key!r}",
                    part=f"specialists.{self.name}",
                    remedy=f"Known options: {', '.join(sorted(known))}",
                )


Factory = Callable[[Setup], Specialist]

_RATINGS: Mapping[str, float] = {"price": inf, "quality": 1.0}
"""Options that every specialist has, and the most each may be."""


def load_factory(path: str, *, part: str) -> Factory:
    """The factory at `package.module:name`. Raises BadConfig when there is none."""
    module_name, _, attribute = path.partition(":")
    try:
        factory = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadConfig(
            f"cannot import {path!r}: {error}", part=part, remedy="Give an import path package.module:name"
        ) from error
    if not callable(factory):
        raise BadConfig(f"{path!r} is not callable", part=part)
    return factory


def factories(configured: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name to import path: built in, then entry points, then configuration; the later wins."""
    found = dict(BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        found[point.name] = point.value
    found.update(configured or {})
    return found


def build(
    models: ModelStore,
    tables: Mapping[str, Mapping[str, object]] | None = None,
    limits: Limits | None = None,
    pool: ModelPool | None = None,
) -> LocalRuntime:
    """A runtime with every registered specialist; they share the models in `pool`.

    `tables` is the `[specialists.NAME]` part of the configuration: `use` is an import path, `enabled =
    false` leaves the specialist out, `price` and `quality` correct its Card, everything else goes to its
    factory.
    """
    tables = tables or {}
    runtime = LocalRuntime()
    pool = pool or ModelPool()
    paths = factories({name: str(table["use"]) for name, table in tables.items() if "use" in table})
    for name in tables:
        if name not in paths:
            raise BadConfig(
                "no specialist of this name is registered",
                part=f"specialists.{name}",
                remedy=f'Registered: {", ".join(sorted(paths))}; or add use = "package.module:factory"',
            )
    for name, path in paths.items():
        table = dict(tables.get(name, {}))
        table.pop("use", None)
        if not table.pop("enabled", True):
            continue
        runtime.add(build_one(name, path, models, runtime, table, limits or Limits(), pool))
    return runtime


def build_one(
    name: str,
    path: str,
    models: ModelStore,
    runtime: Runtime,
    options: Mapping[str, object],
    limits: Limits,
    pool: ModelPool,
) -> Specialist:
    """Build one specialist. Raises BadConfig when its Card does not carry the name it is registered under.

    The options `price` and `quality` are not the factory's: they correct what the Card says of the two.
    """
    factory = load_factory(path, part=f"specialists.{name}")
    own = {key: option for key, option in options.items() if key not in _RATINGS}
    specialist = factory(Setup(name, models, runtime, limits, own, pool))
    if specialist.card.name != name:
        raise BadConfig(
            f"registered as {name!r} but its card says {specialist.card.name!r}", part=f"specialists.{name}"
        )
    if len(own) < len(options):
        specialist.card = _rated(specialist.card, options)
    return specialist


def _rated(card: Card, options: Mapping[str, object]) -> Card:
    """The Card with the price and the quality that the configuration gives it."""
    rated: dict[str, float] = {"price": card.cost.price, "quality": card.quality}
    for key, most in _RATINGS.items():
        given = options.get(key, rated[key])
        number = isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given)
        if not number or not 0 <= given <= most:  # type: ignore[operator]
            allowed = "0 or more" if most == inf else f"between 0 and {most:g}"
            raise BadConfig(f"option {key!r} is a number, {allowed}", part=f"specialists.{card.name}")
        rated[key] = float(given)  # type: ignore[arg-type]
    return replace(card, cost=replace(card.cost, price=rated["price"]), quality=rated["quality"])
