"""Collecting garbage must not be heard."""

import gc

from orchestrator.speech.collector import leave_loaded_alone


class Node:
    """Part of a cycle."""

    def __init__(self) -> None:
        self.other = self


def test_what_is_loaded_is_left_alone_and_what_comes_later_is_collected() -> None:
    leave_loaded_alone()
    loaded = gc.get_freeze_count()
    assert loaded > 10_000
    Node()
    assert gc.collect() > 0
    leave_loaded_alone()
    assert gc.get_freeze_count() == loaded
