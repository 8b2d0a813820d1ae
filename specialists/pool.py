"""Loaded models, shared: each is loaded once and lent to every specialist that names it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar, cast

T = TypeVar("T")


class ModelPool:
    """Lends one loaded model a key. A key says all that makes two models differ: URI, backend, settings.

    A model lives as long as its pool. What is lent must serve concurrent callers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[Hashable, Future[Any]] = {}

    def lend(self, key: Hashable, load: Callable[[], T]) -> T:
        """The model of that key. The first caller loads it, callers that come meanwhile wait for it.

        Blocks. When `load` raises, everyone who waits gets its error, and the next call loads again.
        """
        with self._lock:
            found = self._models.get(key)
            if mine := found is None:
                found = self._models[key] = Future()
        if mine:
            try:
                found.set_result(load())
            except BaseException as error:
                with self._lock:
                    del self._models[key]
                found.set_exception(error)
                raise
        return cast(T, found.result())

    def __contains__(self, key: Hashable) -> bool:
        """Whether that model is loaded."""
        with self._lock:
            found = self._models.get(key)
        return found is not None and found.done()
