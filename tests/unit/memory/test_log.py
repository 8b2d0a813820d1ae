from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.log import session_name
from memory.store import MemoryStore
from specialists.errors import BadInput, UnknownName


def event(seq: int, kind: str = "reply.text", turn: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": kind, "session": "trip", "turn": turn, "seq": seq, "time": seq / 10, **more}


def asked(seq: int, text: str, turn: int = 1) -> dict[str, Any]:
    return event(
        seq, "turn.started", turn, message={"role": "user", "parts": [{"kind": "text", "text": text}]}
    )


def test_events_come_back_as_they_were_appended(store: MemoryStore) -> None:
    events = [asked(1, "what is this?"), event(2, text="a cat – 猫"), event(3, turn=2)]
    store.log.append("trip", events[:2])
    store.log.append("trip", events[2:])
    assert store.log.read("trip") == events
    assert store.log.read("trip", since=2) == events[2:]
    assert store.log.read("elsewhere") == []
    assert store.log.last_seq("trip") == 3
    assert store.log.last_seq("elsewhere") == 0


@pytest.mark.parametrize("seqs", [[2], [0], [1, 3], [1, 1], [1, 2, 4], ["1"], [None]])
def test_a_gap_is_refused_and_nothing_of_the_call_is_kept(store: MemoryStore, seqs: list[Any]) -> None:
    with pytest.raises(BadInput, match="comes next"):
        store.log.append("trip", [{**event(1), "seq": seq} for seq in seqs])
    assert store.log.read("trip") == []
    assert store.log.sessions() == []


def test_the_number_of_a_logged_event_is_not_given_again(store: MemoryStore) -> None:
    store.log.append("trip", [event(1)])
    with pytest.raises(BadInput, match="2 comes next"):
        store.log.append("trip", [event(1)])


@pytest.mark.parametrize(
    "broken",
    [{"type": None}, {"turn": "1"}, {"time": None}, {"text": b"bytes"}, {"x": float("nan")}, {"x": "\ud800"}],
)
def test_what_is_not_an_event_is_refused_and_leaves_no_blob(
    store: MemoryStore, broken: dict[str, Any]
) -> None:
    speech = event(1, "reply.speech", pcm=base64.b64encode(bytes(5000)).decode())
    with pytest.raises(BadInput):
        store.log.append("trip", [speech, {**event(2), **broken}])
    assert store.log.last_seq("trip") == 0
    assert store.blobs.usage().count == 0


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_sound_lies_in_the_blob_store_and_comes_back(store: MemoryStore, encode: Any) -> None:
    sound = bytes(range(256)) * 40
    events = [event(1, "reply.speech", pcm=encode(sound).decode(), rate=22050)]
    store.log.append("trip", events)
    (slim,) = store.log.read("trip", audio=False)
    assert slim["pcm"]["size"] == len(sound)
    assert store.blobs.read(slim["pcm"]["blob"]) == sound
    assert store.log.read("trip") == events


def test_sound_is_found_at_any_depth(store: MemoryStore) -> None:
    text = base64.urlsafe_b64encode(bytes(4000)).decode()
    events = [event(1, pieces=[{"pcm": text}, {"deeper": {"pcm": text}}])]
    store.log.append("trip", events)
    assert store.blobs.usage().count == 1
    assert store.log.read("trip") == events


@pytest.mark.parametrize(
    "value", ["", "AAAA", "not base64! " * 200, "AAA" * 1000 + "A==", 7, None, ["x"], {"a": 1}]
)
def test_other_values_named_pcm_are_left_alone(store: MemoryStore, value: Any) -> None:
    store.log.append("trip", [event(1, pcm=value)])
    assert store.log.read("trip") == [event(1, pcm=value)]


def test_an_event_cannot_smuggle_in_a_strangers_blob(store: MemoryStore) -> None:
    secret = store.blobs.put(b"somebody else's recording", "audio/pcm")
    with pytest.raises(BadInput, match="pcm"):
        store.log.append("trip", [event(1, pcm={"blob": secret.digest, "size": secret.size})])


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(["text", "pcm", "facts", "digest", "blob"]), JSON))
def test_any_json_comes_back(store: MemoryStore, body: dict[str, Any]) -> None:
    seq = store.log.last_seq("trip") + 1
    logged = {**body, **event(seq)}
    store.log.append("trip", [logged])
    assert store.log.read("trip", since=seq - 1) == [logged]


def test_the_database_itself_refuses_to_change_the_log(store: MemoryStore, tmp_path: Path) -> None:
    store.log.append("trip", [event(1), event(2)])
    direct = sqlite3.connect(tmp_path / "memory" / "memory.db")
    for statement in (
        "UPDATE events SET body = '{}' WHERE seq = 1",
        "DELETE FROM events WHERE seq = 2",
        "INSERT INTO events VALUES ('trip', 4, 1, 'x', 0, 0, '{}')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="log"):
            direct.execute(statement)
    direct.close()
    assert store.log.read("trip") == [event(1), event(2)]


def test_sessions_are_listed_by_their_last_event(store: MemoryStore) -> None:
    store.log.append("first", [event(1, "session.opened", 0), asked(2, "  what is\n this? ")])
    store.log.append("second", [event(1, "session.opened", 0)])
    store.log.append("first", [asked(3, "and that?", turn=2)])
    first, second = store.log.sessions()
    assert (first.name, first.title, first.turns, first.events) == ("first", "what is this?", 2, 3)
    assert (second.name, second.title, second.turns, second.events) == ("second", "", 0, 1)
    assert first.first <= second.first <= first.last
    assert store.log.session("second") == second
    with pytest.raises(UnknownName, match="third"):
        store.log.session("third")


def test_a_spoken_question_is_a_title_too_and_a_long_one_is_cut(store: MemoryStore) -> None:
    store.log.append("voice", [event(1, "speech.transcript", text="so", final=False)])
    assert store.log.session("voice").title == ""
    store.log.append("voice", [event(2, "speech.transcript", text="so long " * 100, final=True)])
    assert store.log.session("voice").title.startswith("so long so long")
    assert len(store.log.session("voice").title) == 120


@pytest.mark.parametrize("name", ["a", "trip", "2026-11-22 in Rome", "v1.2_b", "旅行", "नमस्ते", "x" * 80])
def test_good_names(name: str) -> None:
    assert session_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " a", "a ", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a\0b", "x" * 81, "-rf", "a\ud800"]
)
def test_bad_names(store: MemoryStore, name: str) -> None:
    with pytest.raises(BadInput, match="session"):
        store.log.append(name, [event(1)])


def test_one_name_in_two_unicode_forms_is_one_session(store: MemoryStore) -> None:
    store.log.append("cafe\u0301", [event(1)])
    assert store.log.last_seq("caf\u00e9") == 1


def test_deleting_an_unknown_session_says_so(store: MemoryStore) -> None:
    with pytest.raises(UnknownName, match="nowhere"):
        store.log.delete("nowhere")
