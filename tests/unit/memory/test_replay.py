from __future__ import annotations

from typing import Any

import pytest

from memory.replay import replay
from specialists.errors import BadInput


def at(*times: float) -> list[dict[str, Any]]:
    return [{"seq": seq, "time": time} for seq, time in enumerate(times, 1)]


def test_events_keep_their_distances() -> None:
    events = at(5.0, 5.5, 7.5)
    assert list(replay(events, speed=1)) == [(0.0, events[0]), (0.5, events[1]), (2.0, events[2])]
    assert [wait for wait, _ in replay(events, speed=4)] == [0.0, 0.125, 0.5]
    assert [wait for wait, _ in replay(events, speed=None)] == [0.0, 0.0, 0.0]


def test_a_session_taken_up_again_follows_at_once() -> None:
    assert [wait for wait, _ in replay(at(0.0, 90.0, 0.0, 0.5), speed=1)] == [0.0, 90.0, 0.0, 0.5]


def test_a_process_that_opens_the_session_later_does_not_count_from_the_old_clock() -> None:
    events = [{"type": "reply.text", "time": 1.0}, {"type": "session.opened", "time": 50.0}]
    assert [wait for wait, _ in replay(events, speed=1)] == [0.0, 0.0]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(BadInput, match="speed"):
        replay([], speed=speed)


def test_nothing_is_replayed_from_nothing() -> None:
    assert list(replay([], speed=1)) == []
