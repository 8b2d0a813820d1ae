"""How typed, pasted and dragged paths become attachments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.errors import BadInput
from tui.attachments import attach, paths_in, split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat.jpg", "my cat.jpg", "it's [bold]me.png", "notes.xyz", "speech.wav"):
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "notes.xyz").write_bytes(b"\0\1\2")
    (tmp_path / "TODO").write_text("buy milk")
    return tmp_path


def test_a_file_of_unknown_name_is_told_by_its_bytes(folder: Path) -> None:
    assert attach(str(folder / "TODO")).kind == "text"


def test_a_path_becomes_a_file_with_kind_and_size(folder: Path) -> None:
    found = attach(str(folder / "cat.jpg"))
    assert (found.path, found.kind, found.size) == (folder / "cat.jpg", "image", 5)


@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}"', "{e}", "file://{u}", "  {}  "])
def test_the_forms_in_which_terminals_hand_over_a_dragged_file(folder: Path, form: str) -> None:
    path = str(folder / "my cat.jpg")
    typed = form.format(path, e=path.replace(" ", "\\ "), u=path.replace(" ", "%20"))
    assert [file.path.name for file in paths_in(typed)] == ["my cat.jpg"]
    assert attach(typed).path.name == "my cat.jpg"


def test_several_files_on_one_line_and_on_several(folder: Path) -> None:
    one, two = folder / "cat.jpg", folder / "speech.wav"
    assert [f.kind for f in paths_in(f"{one} {two}")] == ["image", "audio"]
    assert [f.kind for f in paths_in(f"{one}\n\n{two}\n")] == ["image", "audio"]


def test_home_is_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert attach("~/cat.jpg").path == folder / "cat.jpg"


def test_a_text_that_is_not_only_paths_stays_a_text(folder: Path) -> None:
    assert paths_in(f"look at {folder / 'cat.jpg'}") == ()
    assert paths_in(f"{folder / 'cat.jpg'}\nand this") == ()
    assert paths_in(str(folder / "notes.xyz")) == ()


def test_path_lines_leave_the_message(folder: Path) -> None:
    words, files = split(f"What is this?\n{folder / 'cat.jpg'}\nAnswer briefly")
    assert words == "What is this?\nAnswer briefly"
    assert [file.path.name for file in files] == ["cat.jpg"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.jpg", "no such file"), ("notes.xyz", "cannot tell what kind"), (".", "is a folder")],
)
def test_what_cannot_be_attached_says_why(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        attach(str(folder / name))
    assert caught.value.part
    assert caught.value.remedy


@given(st.text())
def test_no_text_breaks_the_look_for_paths(text: str) -> None:
    paths_in(text)
    words, files = split(text)
    assert not files
    assert words == "\n".join(text.splitlines()).strip()


@given(st.text(min_size=1))
def test_attach_raises_nothing_but_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        attach("/nowhere/" + text.replace("..", ""))
