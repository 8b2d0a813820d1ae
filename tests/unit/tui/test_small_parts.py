"""The small parts of the terminal: history, previews, speech, the saved conversation."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from orchestrator.events import PartRejected, SpeechDelta, StepFinished, TextDelta, TurnFinished, TurnStarted
from specialists.content import BlobRef, Message, Part, text_part
from specialists.errors import BadInput
from tui.history import History
from tui.preview import half_blocks
from tui.record import as_markdown, write
from tui.speech import Speech
from tui.trace import TurnTrace


def test_history_walks_back_and_returns_to_the_draft() -> None:
    history = History()
    history.add("one")
    history.add("two")
    history.add("two")
    assert history.earlier("draft") == "two"
    assert history.earlier("two") == "one"
    assert history.earlier("one") is None
    assert history.later() == "two"
    assert history.later() == "draft"
    assert history.later() is None


@given(st.lists(st.text(min_size=1)), st.integers(0, 9))
def test_going_back_and_forth_loses_no_draft(sent: list[str], steps: int) -> None:
    history = History()
    for text in sent:
        history.add(text)
    taken = sum(history.earlier("draft") is not None for _ in range(steps))
    seen = [history.later() for _ in range(taken)]
    assert not taken or seen[-1] == "draft"


def test_a_preview_has_two_pixels_a_cell_and_keeps_its_shape(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 3), "red")
    picture.putpixel((0, 1), (0, 0, 255))
    picture.save(tmp_path / "p.png")
    rows = half_blocks(tmp_path / "p.png", 30, 12)
    assert (len(rows), len(rows[0])) == (2, 4)
    assert rows[0][0] == ((255, 0, 0), (0, 0, 255))
    assert rows[1][0] == ((255, 0, 0), (0, 0, 0))  # the odd row is filled up


@pytest.mark.parametrize("suffix", ["cat.jpg", "page.png"])
def test_real_pictures_fit_the_room(media: Path, suffix: str) -> None:
    rows = half_blocks(media / suffix, 30, 12)
    assert 1 <= len(rows) <= 12
    assert 1 <= len(rows[0]) <= 30


def test_what_cannot_be_shown_has_no_preview(tmp_path: Path, media: Path) -> None:
    (tmp_path / "broken.png").write_bytes((media / "page.png").read_bytes()[:200])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "lie.png").write_text("no picture")
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    for source in (tmp_path / "broken.png", tmp_path / "empty.png", tmp_path / "lie.png", bomb.getvalue()):
        assert half_blocks(source, 30, 12) == ()
    assert half_blocks(tmp_path / "missing.png", 30, 12) == ()


def test_speech_is_saved_in_the_order_of_its_pieces(tmp_path: Path) -> None:
    speech = Speech()
    speech.add(SpeechDelta(text="b", rate=8000, pcm=b"\2\0" * 10, index=1))
    speech.add(SpeechDelta(text="a", rate=8000, pcm=b"\1\0" * 10, index=0))
    speech.save(tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as saved:
        assert (saved.getframerate(), saved.getnchannels(), saved.getsampwidth()) == (8000, 1, 2)
        assert saved.readframes(99) == b"\1\0" * 10 + b"\2\0" * 10
    with pytest.raises(BadInput, match="is there already"):
        speech.save(tmp_path / "out.wav")
    with pytest.raises(BadInput, match="cannot be written"):
        speech.save(tmp_path / "no" / "out.wav")


def test_the_saved_conversation_tells_everything(tmp_path: Path) -> None:
    trace = TurnTrace()
    cat = Part("image", blob=BlobRef("", 5, "image/jpeg"), name="cat\x1b.jpg")
    for event in (
        TurnStarted(turn=1, message=Message("user", (text_part("What is it?"), cat))),
        PartRejected(part="b.png", reason="truncated", code="bad_input"),
        StepFinished(step="s1", specialist="vision", seconds=0.5),
        StepFinished(step="s2", specialist="ocr", reused=True),
        TextDelta(text="A *cat*."),
        TurnFinished(outcome="interrupted"),
    ):
        trace.take(event, 0.0)
    text = as_markdown("trip", [trace])
    for expected in (
        "# trip",
        "What is it?",
        "- image: cat\ufffd.jpg",
        "> b.png: truncated",
        "- vision: 0.50 s",
        "- ocr: reused",
        "A *cat*.",
        "*interrupted*",
    ):
        assert expected in text
    write(tmp_path / "talk.md", text)
    assert (tmp_path / "talk.md").read_text() == text
    with pytest.raises(BadInput, match="is there already"):
        write(tmp_path / "talk.md", text)
