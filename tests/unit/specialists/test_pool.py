from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from specialists.pool import ModelPool


def test_a_model_is_loaded_once_and_lent_to_all() -> None:
    pool, loads = ModelPool(), []
    first = pool.lend("a", lambda: loads.append("a") or object())
    assert pool.lend("a", lambda: loads.append("again") or object()) is first
    assert pool.lend("b", lambda: loads.append("b") or object()) is not first
    assert loads == ["a", "b"]
    assert "a" in pool
    assert "c" not in pool


def test_concurrent_first_calls_load_once() -> None:
    pool, loads = ModelPool(), []
    started, go = threading.Event(), threading.Event()
    asking = threading.Barrier(4)

    def load() -> object:
        loads.append(1)
        started.set()
        assert go.wait(10)
        return object()

    def ask() -> object:
        asking.wait(10)
        return pool.lend("a", load)

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(ask) for _ in range(4)]
        assert started.wait(10)
        assert "a" not in pool  # still loading
        go.set()
        assert len({id(answer.result()) for answer in answers}) == 1
    assert loads == [1]


def test_a_failed_load_is_told_and_tried_again() -> None:
    pool = ModelPool()

    def fail() -> object:
        raise OSError("no weights")

    with pytest.raises(OSError, match="no weights"):
        pool.lend("a", fail)
    assert "a" not in pool
    assert pool.lend("a", lambda: 7) == 7


def test_everyone_who_waits_learns_that_the_load_failed() -> None:
    pool = ModelPool()
    started, go = threading.Event(), threading.Event()

    def fail() -> object:
        started.set()
        assert go.wait(10)
        raise OSError("no weights")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.lend, "a", fail)
        assert started.wait(10)
        second = threads.submit(pool.lend, "a", fail)
        go.set()
        assert isinstance(first.exception(), OSError)
        assert isinstance(second.exception(), OSError)
