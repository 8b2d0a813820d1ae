"""`antiphon sessions` and `antiphon memory` on a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from memory.records import Record
from memory.store import MemoryStore
from orchestrator import events
from orchestrator.cli import memory, sessions
from orchestrator.events import Event, to_dict
from orchestrator.plan import PartRef, Plan, ResultRef, Step
from specialists.content import BlobRef, Message, Part, text_part
from specialists.errors import BadInput, UnknownName
from specialists.media import encode_wav, read_audio
from specialists.models import ModelStore

MEDIA = Path(__file__).parents[3] / "examples" / "media"
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command on the store in `tmp_path`; no model is installed there."""
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ANTIPHON_CONFIG", raising=False)

    def run(*arguments: str, keys: str = "") -> Result:
        noun, *rest = arguments
        app = {"sessions": sessions.app, "memory": memory.app}[noun]
        return CliRunner().invoke(app, rest, input=keys)

    return run


def logged(photo: Part) -> list[dict[str, object]]:
    """A session of one turn, whose reply tries to command the terminal."""
    asked = Message("user", (text_part("What is this?"), photo))
    steps = (
        Step("s1", "vision", (PartRef(1, "image"),)),
        Step("s2", "tts", (ResultRef("s1", "text"),), ("s1",)),
    )
    controls = ("<|call:vision|>", "<|say|>")
    reply = "A \x1b[31mtabby\u202e cat."
    happened: list[Event] = [
        events.SessionOpened(wall_time=1.8e9),
        events.TurnStarted(turn=1, time=1.0, message=asked),
        events.Routed(turn=1, time=1.1, controls=controls, controller="hybrid", margin=0.4),
        events.Planned(turn=1, time=1.2, plan=Plan(steps, ("text", "speech"))),
        events.StepFinished(turn=1, time=1.5, step="s1", specialist="vision", seconds=0.31, text="a cat"),
        events.StepFinished(turn=1, time=1.5, step="s2", specialist="tts", reused=True),
        events.SpeechDelta(turn=1, time=1.5, text="A cat.", rate=22050, pcm=bytes(4000)),
        events.TextDelta(turn=1, time=1.6, text=reply),
        events.Failed(turn=1, time=1.7, code="x", part="imagegen", reason="not there", remedy="Set use"),
        events.TurnFinished(turn=1, time=1.8, outcome="partial", text=reply, timings={"total": 0.8}),
    ]
    return [{**to_dict(event), "session": "trip", "seq": seq} for seq, event in enumerate(happened, 1)]


@pytest.fixture
def filled(tmp_path: Path) -> MemoryStore:
    with MemoryStore.open(tmp_path / "memory") as store:
        photo = Part("image", blob=store.blobs.put(b"photo", "image/jpeg"), name="cat.jpg")
        store.log.append("trip", logged(photo))
        facts = {"n": 2}
        seen = Record("a tabby cat", "text", "evidence", "trip", 1, "vision", media=("image",), facts=facts)
        store.remember([seen, Record("an invoice", "text", "user", "work", 1)])
    return store


def test_nothing_yet(call: Call) -> None:
    assert "No sessions yet" in call("sessions", "list").output
    assert json.loads(call("sessions", "list", "--json").output) == []
    assert "Nothing found" in call("memory", "search", "cat").output
    assert json.loads(call("memory", "stats", "--json").output)["records"] == 0


@pytest.mark.usefixtures("filled")
def test_sessions_are_listed(call: Call) -> None:
    shown = call("sessions", "list").output
    assert "trip" in shown
    assert "What is this?" in shown
    (info,) = json.loads(call("sessions", "list", "--json").output)
    assert (info["name"], info["turns"], info["events"]) == ("trip", 1, 10)


@pytest.mark.usefixtures("filled")
def test_a_transcript_says_what_was_asked_done_and_answered(call: Call) -> None:
    shown = call("sessions", "show", "trip").output
    assert shown.splitlines()[2:] == [
        "Turn 1: partial in 0.80 s",
        "  you       What is this? [image cat.jpg]",
        "  controls  <|call:vision|> <|say|>",
        "  decided   fairly sure (margin 0.40), by hybrid",
        "  plan      1 vision: cat.jpg",
        "            2 tts: the reply, as it is written",
        "            -> text, speech",
        "  ran       vision 0.31 s",
        "  reused    tts from memory",
        "  problem   imagegen: not there. Set use",
        "  antiphon  A \ufffd[31mtabby\ufffd cat.",
    ]


@pytest.mark.usefixtures("filled")
def test_the_events_come_as_json_and_are_events(call: Call) -> None:
    listed = json.loads(call("sessions", "show", "trip", "--json").output)
    assert [events.from_dict(event).seq for event in listed] == list(range(1, 11))
    speech = events.from_dict(listed[6])
    assert isinstance(speech, events.SpeechDelta)
    assert speech.pcm == bytes(4000)
    lines = call("sessions", "replay", "trip", "--instant", "--json").output.splitlines()
    assert [json.loads(line) for line in lines] == listed


@pytest.mark.usefixtures("filled")
def test_a_replay_shows_every_event_with_its_time(call: Call) -> None:
    lines = call("sessions", "replay", "trip", "--speed", "1000").output.splitlines()
    assert len(lines) == 10
    assert lines[3].startswith("    1.200 s  turn 1   turn.planned")
    assert lines[3].endswith("vision, tts (after vision) -> text, speech")
    assert not any("\x1b" in line for line in lines)
    with pytest.raises(BadInput, match="speed"):
        raise call("sessions", "replay", "trip", "--speed", "0").exception or AssertionError


@pytest.mark.usefixtures("filled")
def test_a_session_is_deleted_only_when_meant(call: Call, tmp_path: Path) -> None:
    assert call("sessions", "delete", "trip", keys="n\n").exit_code == 1
    assert len(json.loads(call("sessions", "list", "--json").output)) == 1
    assert call("sessions", "delete", "trip", "--yes").exit_code == 0
    assert json.loads(call("sessions", "list", "--json").output) == []
    stats = json.loads(call("memory", "stats", "--json").output)
    assert (stats["records"], stats["blobs"], stats["by_role"]) == (1, 0, {"user": 1})


@pytest.mark.usefixtures("filled")
def test_a_session_that_is_not_there_is_not_asked_about(call: Call) -> None:
    result = call("sessions", "delete", "no", keys="y\n")
    assert isinstance(result.exception, UnknownName)
    assert "for good" not in result.output


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("arguments", [("show", "no"), ("replay", "no"), ("delete", "no", "--yes")])
def test_an_unknown_session_is_an_error(call: Call, arguments: tuple[str, ...]) -> None:
    result = call("sessions", *arguments)
    assert isinstance(result.exception, UnknownName)


@pytest.mark.usefixtures("filled")
def test_memory_is_searched_shown_and_forgotten(call: Call) -> None:
    shown = call("memory", "search", "cats", "--kind", "image").output
    assert "a tabby cat" in shown
    assert "By words alone" in shown
    (hit,) = json.loads(call("memory", "search", "cats", "--json").stdout)
    assert hit["ranks"] == {"lexical": 1}
    assert json.loads(call("memory", "search", "cats", "--session", "work", "--json").stdout) == []
    record_id = hit["record"]["id"]
    assert json.loads(call("memory", "show", record_id, "--json").output) == hit["record"]
    assert "a tabby cat" in call("memory", "show", record_id).output
    assert "2 (1 evidence, 1 user)" in call("memory", "stats").output
    assert call("memory", "forget", record_id, "--yes").exit_code == 0
    assert isinstance(call("memory", "show", record_id).exception, UnknownName)
    assert isinstance(call("memory", "forget", record_id, "--yes").exception, UnknownName)


def test_a_search_says_that_nothing_seems_to_answer(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_store: ModelStore
) -> None:
    monkeypatch.setenv("ANTIPHON_MODELS", str(model_store.root))
    with MemoryStore.open(tmp_path / "memory", None) as store:
        towns = ("Hull", "Ely", "Bath", "York", "Wells", "Deal", "Rye", "Leek", "Bude", "Diss")
        store.remember([Record(f"We spent a summer in {town}.", "text", "user") for town in towns])
    assert "seems to answer" in call("memory", "search", "Who mended the washing machine?").output
    assert "seems to answer" not in call("memory", "search", "What did we do in Wells?").output


def test_a_wrong_call_is_a_usage_error(call: Call) -> None:
    assert call("memory", "search", "cat", "-k", "0").exit_code == 2
    assert call("sessions", "show").exit_code == 2


def test_a_photo_is_a_blob_of_the_session(filled: MemoryStore, call: Call) -> None:
    assert filled.blobs.has(BlobRef("0" * 64, 0, "")) is False
    assert filled.blobs.usage().count == 2


def test_memory_is_searched_by_a_picture_and_by_a_sound(call: Call, tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path / "memory", None) as store:
        for turn, (name, kind, text) in enumerate(
            (("cat.jpg", "image", "a tabby cat"), ("note.flac", "audio", "a note about the boiler")), 1
        ):
            ref = store.blobs.put((MEDIA / name).read_bytes(), "application/octet-stream")
            seen = Record(
                *(text, kind, "evidence", "trip", turn, "sense"), blobs=(ref.digest,), media=(kind,)
            )
            store.remember([seen, Record(f"And number {turn}?", "text", "user", "trip", turn)])
    shot = tmp_path / "shot.jpg"
    with Image.open(MEDIA / "cat.jpg") as photo:
        photo.crop((20, 20, 420, 270)).save(shot, quality=60)
    found = call("memory", "search", "--image", str(shot)).output
    assert "a tabby cat" in found
    assert "% like it" in found
    assert "+ user (text): And number 1?" in found
    assert "boiler" not in found
    sound = tmp_path / "piece.wav"
    sound.write_bytes(encode_wav(read_audio((MEDIA / "note.flac").read_bytes())[32_000:96_000], 16_000))
    (hit,) = json.loads(call("memory", "search", "--audio", str(sound), "--json").output)
    assert hit["record"]["text"] == "a note about the boiler"
    assert 1.5 < hit["where"]["span"]["start"] < hit["where"]["span"]["end"] < 6.5
    assert [other["text"] for other in hit["complete"]] == ["And number 2?"]
    assert {path.name for path in (tmp_path / "memory" / "blobs" / "incoming").iterdir()} == set()


def test_a_file_that_is_not_there_is_named(call: Call) -> None:
    failed = call("memory", "search", "--image", "nowhere.jpg")
    assert isinstance(failed.exception, BadInput)
    assert "nowhere.jpg" in str(failed.exception)
