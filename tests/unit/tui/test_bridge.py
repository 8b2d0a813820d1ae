"""The bridge between an engine's thread and the screen."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import TypeVar

import pytest
from textual.message import Message

from orchestrator.events import TextDelta, TurnFinished
from specialists.errors import SpecialistFailed, Unavailable
from specialists.fakes import card
from tests.stage import Gate, Stage
from tui.bridge import Bridge
from tui.messages import Broken, Followed, Happened, Loading, Outgoing, Ready, Refused, TurnOver

M = TypeVar("M", bound=Message)

ANSWER = (TextDelta(text="Hi"), TurnFinished(outcome="answered", text="Hi"))


class Told:
    """A bridge on a stage, and what it told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.bridge = Bridge(stage.opener, "s")
        self.seen: list[Message] = []
        self._queue: queue.Queue[Message] = queue.Queue()

    def start(self) -> None:
        self.bridge.start(self._queue.put)

    def until(self, kind: type[M]) -> M:
        """The next message of a kind; those before it are kept in `seen`."""
        while True:
            message = self._queue.get(timeout=30)
            self.seen.append(message)
            if isinstance(message, kind):
                return message

    def until_text(self) -> None:
        while not any(isinstance(event, TextDelta) for event in self.until(Happened).events):
            pass

    def outcomes(self) -> list[str]:
        told = [event for m in self.seen if isinstance(m, Happened) for event in m.events]
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        return [event.outcome for event in told if isinstance(event, TurnFinished)]


@pytest.fixture
def tell() -> Iterator[list[Told]]:
    made: list[Told] = []
    yield made
    for told in made:
        told.bridge.stop()
        told.bridge.join()


def staged(tell: list[Told], stage: Stage, *, start: bool = True) -> Told:
    told = Told(stage)
    tell.append(told)
    if start:
        told.start()
    return told


def test_what_answers_is_loaded_before_ready_and_the_rest_after(tell: list[Told]) -> None:
    cards = [card("vision"), card("chat"), card("imagegen", available=False), card("ocr")]
    told = staged(tell, Stage(cards=cards))
    told.until(Ready)
    assert told.stage.loaded[:1] == ["chat"]
    while told.until(Loading).what:
        pass
    assert told.stage.loaded == ["chat", "vision", "ocr"]


def test_a_turn_is_over_only_when_all_of_its_events_were_told(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [ANSWER, ANSWER]}))
    for _ in range(2):
        told.bridge.send(Outgoing("hello"))
        assert told.until(TurnOver).error is None
    assert told.outcomes() == ["answered", "answered"]


def test_what_is_sent_before_the_engine_is_open_waits_in_order(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [ANSWER, ANSWER]}, curtain=Gate()), start=False)
    told.bridge.send(Outgoing("one"))
    told.start()
    told.bridge.send(Outgoing("two"))
    assert told.stage.curtain is not None
    told.stage.curtain.open()
    told.until(TurnOver)
    told.until(TurnOver)
    assert [text for text, _ in told.stage.played["s"].sent] == ["one", "two"]
    assert told.outcomes() == ["answered", "answered"]


def test_interrupting_ends_the_turn(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [[TextDelta(text="H"), Gate()]]}))
    told.bridge.send(Outgoing("hello"))
    told.until_text()
    told.bridge.interrupt()
    told.until(TurnOver)
    assert told.outcomes() == ["interrupted"]


def test_a_new_message_interrupts_the_running_turn(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [[TextDelta(text="H"), Gate()], ANSWER]}))
    told.bridge.send(Outgoing("one"))
    told.until_text()
    told.bridge.send(Outgoing("two"))
    told.until(TurnOver)
    told.until(TurnOver)
    assert told.outcomes() == ["interrupted", "answered"]


def test_a_session_that_does_not_stop_is_given_up_on_the_second_try(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [[TextDelta(text="H"), Gate()], ANSWER]}, deaf=True))
    told.bridge.send(Outgoing("one"))
    told.until_text()
    told.bridge.interrupt()
    told.bridge.interrupt()
    told.until(TurnOver)
    told.bridge.send(Outgoing("two"))
    told.until(TurnOver)
    assert told.outcomes() == ["answered"]


def test_what_waits_for_the_engine_can_be_taken_back(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [ANSWER]}, curtain=Gate()))
    told.bridge.send(Outgoing("one"))
    told.bridge.interrupt()
    told.until(TurnOver)
    assert told.stage.curtain is not None
    told.stage.curtain.open()
    told.bridge.send(Outgoing("two"))
    told.until(TurnOver)
    assert told.stage.played["s"].sent == [("two", ())]


def test_an_error_of_a_turn_is_told_and_the_next_turn_runs(tell: list[Told]) -> None:
    broken = SpecialistFailed("it broke", part="chat")
    told = staged(tell, Stage({"s": [[broken], ANSWER]}))
    told.bridge.send(Outgoing("one"))
    assert told.until(TurnOver).error is broken
    told.bridge.send(Outgoing("two"))
    assert told.until(TurnOver).error is None


def test_an_engine_that_cannot_be_opened_is_told_and_asking_it_says_so(tell: list[Told]) -> None:
    broken = Unavailable("nothing answers there", part="server", remedy="Start it")
    told = staged(tell, Stage(error=broken))
    message = told.until(Broken)
    assert (message.error, message.ended) == (broken, True)
    told.bridge.join()
    told.bridge.send(Outgoing("lost"))  # no one is there to take it, and nothing breaks


async def test_asking_before_the_engine_is_open_is_refused(tell: list[Told]) -> None:
    told = staged(tell, Stage(curtain=Gate()))
    with pytest.raises(Unavailable):
        await told.bridge.ask(lambda backend: backend.health())


def test_another_session_is_followed_from_its_first_event(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [ANSWER], "t": [ANSWER]}))
    told.bridge.send(Outgoing("one"))
    told.until(TurnOver)
    told.bridge.follow("t")
    assert told.until(Followed).session == "t"
    told.seen.clear()
    told.bridge.send(Outgoing("two"))
    told.until(TurnOver)
    assert told.outcomes() == ["answered"]
    told.bridge.follow("s")
    told.until(Followed)
    told.seen.clear()
    assert told.until(Happened).events[0].seq == 1


def test_a_name_that_is_none_is_refused_and_the_session_stays(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [ANSWER]}))
    told.until(Ready)
    told.bridge.follow("a/b")
    assert told.until(Refused).error.part == "a/b"
    told.bridge.send(Outgoing("one"))
    assert told.until(TurnOver).error is None


def test_stopping_ends_a_running_turn_and_the_thread(tell: list[Told]) -> None:
    told = staged(tell, Stage({"s": [[TextDelta(text="H"), Gate()]]}, deaf=True))
    told.bridge.send(Outgoing("one"))
    told.until_text()
    told.bridge.stop()
    told.bridge.join()
