"""How specialists are found, configured and refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from specialists import registry
from specialists.base import Specialist, Task
from specialists.errors import BadConfig
from specialists.fakes import Scripted, card, words
from specialists.models import ModelStore
from specialists.registry import Setup, build, factories, load_factory


def echo(setup: Setup) -> Specialist:
    """A factory with one option, as a package would have it."""
    setup.check_options("line")
    return Scripted(card(setup.name), words(str(setup.option("line", "nothing"))))


def misnamed(_: Setup) -> Specialist:
    return Scripted(card("someone-else"), ())


NOT_CALLABLE = 3
HERE = __name__


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


async def said(store: ModelStore, name: str, **table: object) -> str:
    runtime = build(store, {name: table})
    return "".join([chunk.text async for chunk in runtime.run(Task("1", name))])


def test_every_built_in_one_is_built_without_its_model(store: ModelStore) -> None:
    cards = {known.name: known for known in build(store).cards()}
    assert set(registry.BUILT_IN) <= set(cards)
    assert all(known.description and known.consumes and known.produces for known in cards.values())
    assert list(store.root.iterdir()) == []


def test_reading_cards_loads_no_model_library(tmp_path: Path) -> None:
    import subprocess

    program = f"""
import sys
from pathlib import Path
from specialists.models import ModelStore
from specialists.registry import build
build(ModelStore(Path({str(tmp_path)!r}))).cards()
heavy = {{"torch", "transformers", "onnxruntime", "faster_whisper", "rapidocr", "av", "diffusers", "piper"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_table_with_a_use_line_adds_one(store: ModelStore) -> None:
    assert await said(store, "parrot", use=f"{HERE}:echo", line="hello") == "hello"


async def test_a_use_line_replaces_a_built_in_one(store: ModelStore) -> None:
    assert await said(store, "chat", use=f"{HERE}:echo", line="mine") == "mine"


def test_enabled_false_leaves_one_out(store: ModelStore) -> None:
    names = {known.name for known in build(store, {"ocr": {"enabled": False}}).cards()}
    assert "ocr" not in names
    assert "vision" in names


async def test_an_entry_point_adds_one(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "thing-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[antiphon.specialists]\nparrot = {HERE}:echo\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert factories()["parrot"] == f"{HERE}:echo"
    assert await said(store, "parrot", line="found") == "found"
    # Configuration has the last word.
    assert factories({"parrot": "mine:create"})["parrot"] == "mine:create"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"parrot": {}}, "no specialist of this name"),
        ({"parrot": {"use": "no.such.module:create"}}, "cannot import"),
        ({"parrot": {"use": f"{HERE}:missing"}}, "cannot import"),
        ({"parrot": {"use": HERE}}, "cannot import"),
        ({"parrot": {"use": ""}}, "cannot import"),
        ({"parrot": {"use": f"{HERE}:NOT_CALLABLE"}}, "not callable"),
        ({"parrot": {"use": f"{HERE}:misnamed"}}, "its card says 'someone-else'"),
        ({"parrot": {"use": f"{HERE}:echo", "lien": "typo"}}, "unknown option 'lien'"),
        ({"tts": {"voice": "typo"}}, "unknown option 'voice'"),
    ],
)
def test_what_cannot_be_built_names_its_table(
    store: ModelStore, tables: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(BadConfig, match=message) as caught:
        build(store, tables)
    assert caught.value.part.startswith(f"specialists.{next(iter(tables))}")


def test_a_factory_that_is_there_is_found() -> None:
    assert load_factory(f"{HERE}:echo", part="x") is echo


def test_examples_on_the_cards_differ(store: ModelStore) -> None:
    """The same request on two Cards would teach routing nothing."""
    seen: dict[str, str] = {}
    for known in build(store).cards():
        for example in known.examples:
            assert seen.setdefault(example.casefold(), known.name) == known.name, example
