"""The terminal, driven by keys against a staged engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Markdown, OptionList

from memory.log import SessionInfo
from orchestrator.events import Failed, PartRejected, SpeechDelta, StandingMet, TextDelta, TurnFinished
from orchestrator.standing import Standing
from specialists.errors import SpecialistFailed, Unavailable
from specialists.fakes import card
from specialists.runtime import Health
from tests.stage import Gate, Stage, until
from tui.app import AntiphonApp
from tui.screens.files import Files, FilesScreen
from tui.screens.help import HelpScreen
from tui.screens.sessions import SessionsScreen
from tui.screens.specialists import SpecialistsScreen
from tui.screens.trace import TraceScreen
from tui.widgets.chips import Chips
from tui.widgets.composer import Composer
from tui.widgets.hints import Hints
from tui.widgets.notice import Notice
from tui.widgets.plan import PlanView
from tui.widgets.prompt import Prompt
from tui.widgets.status import StatusLine
from tui.widgets.transcript import Transcript
from tui.widgets.turn import TurnView


class Driver:
    """An app under a pilot, with the few moves that the tests are written in."""

    def __init__(self, app: AntiphonApp, pilot: Pilot[None], stage: Stage) -> None:
        self.app = app
        self.pilot = pilot
        self.stage = stage
        self.prompt = app.query_one(Prompt)
        self.transcript = app.query_one(Transcript)
        self.chips = app.query_one(Chips)

    async def say(self, text: str) -> None:
        self.prompt.insert(text)
        await self.pilot.press("enter")
        await self.pilot.pause()

    async def answered(self, turns: int = 1) -> None:
        def done() -> bool:
            over = [view for view in self.app.query(TurnView) if view.trace.over]
            return len(over) >= turns and not self.transcript.busy

        await until(self.pilot, done)
        await self.pilot.pause()

    async def offered_files(self) -> list[str]:
        await until(self.pilot, lambda: isinstance(self.app.screen, FilesScreen))
        root = self.app.screen.query_one(Files).root
        await until(self.pilot, lambda: root.children)
        return [str(node.label) for node in root.children]

    @property
    def notices(self) -> list[str]:
        return [str(notice.render()) for notice in self.app.query(Notice)]

    @property
    def tails(self) -> list[str]:
        return [str(view.query_one(".tail").render()) for view in self.app.query(TurnView)]

    @property
    def sent(self) -> list[tuple[str, tuple[str, ...]]]:
        return [sent for session in self.stage.played.values() for sent in session.sent]


@asynccontextmanager
async def driving(
    stage: Stage, *, ready: bool = True, kind: type[AntiphonApp] = AntiphonApp, width: int = 100
) -> AsyncIterator[Driver]:
    app = kind(stage.opener, "here", clock=lambda: 0.0)
    try:
        async with app.run_test(size=(width, 30)) as pilot:
            driver = Driver(app, pilot, stage)
            if ready:
                await until(pilot, lambda: app.query_one(StatusLine).status.engine == "ready")
            yield driver
    finally:
        app.bridge.stop()
        app.bridge.join()


TIMINGS = {"total": 1.5, "own": 0.01}


def answer(text: str = "Hello *you*.") -> tuple[TextDelta, TurnFinished]:
    return TextDelta(text=text), TurnFinished(outcome="answered", text=text, timings=TIMINGS)


def here(*scripts: object, **more: object) -> Stage:
    return Stage({"here": scripts}, **more)  # type: ignore[arg-type]


async def test_a_message_is_sent_and_its_answer_shown() -> None:
    async with driving(here(answer())) as d:
        await d.say("hi")
        await d.answered()
        assert d.sent == [("hi", ())]
        assert d.app.query_one(".reply", Markdown).source == "Hello *you*."
        assert d.prompt.text == ""
        assert dict(d.app.query_one(StatusLine).status.timings) == TIMINGS


async def test_what_is_typed_while_the_models_load_is_kept_and_sent_when_they_are_ready() -> None:
    async with driving(here(answer("one"), answer("two"), curtain=Gate()), ready=False) as d:
        await d.say("first")
        await d.say("second")
        assert "waiting for the models" in str(d.app.query(PlanView).first().render())
        assert d.sent == []
        assert d.stage.curtain is not None
        d.stage.curtain.open()
        await d.answered(2)
        assert [text for text, _ in d.sent] == ["first", "second"]
        assert [view.trace.text for view in d.app.query(TurnView)] == ["one", "two"]


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_a_running_turn_is_stopped_and_says_so(key: str) -> None:
    async with driving(here([TextDelta(text="I was"), Gate()], answer())) as d:
        await d.say("tell me a story")
        await until(d.pilot, lambda: d.transcript.traces and d.transcript.traces[0].text)
        await d.pilot.press(key)
        await d.answered()
        assert d.tails == ["interrupted"]
        assert d.app.query_one(".reply", Markdown).source == "I was"
        await d.say("and now?")
        await d.answered(2)


async def test_a_turn_that_does_not_stop_is_given_up_on_the_second_escape() -> None:
    async with driving(here([TextDelta(text="never"), Gate()], deaf=True)) as d:
        await d.say("go")
        await until(d.pilot, lambda: d.transcript.traces and d.transcript.traces[0].text)
        await d.pilot.press("escape", "escape")
        await d.answered()
        assert d.tails == ["interrupted"]


async def test_ctrl_c_when_idle_quits_only_on_the_second_press() -> None:
    async with driving(here()) as d:
        await d.pilot.press("ctrl+c")
        assert d.app.is_running
        await d.pilot.press("ctrl+c")
        await until(d.pilot, lambda: not d.app.is_running)


@pytest.mark.parametrize("key", ["shift+enter", "ctrl+j"])
async def test_a_new_line_does_not_send(key: str) -> None:
    async with driving(here(answer())) as d:
        await d.pilot.press("a", key, "b")
        assert (d.prompt.text, d.sent) == ("a\nb", [])
        await d.pilot.press("enter")
        await d.answered()
        assert d.sent == [("a\nb", ())]


async def test_what_is_typed_right_after_enter_is_not_lost() -> None:
    async with driving(here(answer())) as d:
        for key in ("a", "enter", "b"):  # handed over at once, as by a fast typist on a busy machine
            d.prompt.post_message(events.Key(key, None if key == "enter" else key))
        await d.answered()
        assert (d.sent, d.prompt.text) == ([("a", ())], "b")


async def test_nothing_is_sent_for_nothing() -> None:
    async with driving(here()) as d:
        await d.say("   ")
        assert not d.transcript.busy


async def test_a_typed_path_becomes_a_chip_and_goes_with_the_next_message(media: Path) -> None:
    async with driving(here(answer())) as d:
        await d.say(str(media / "cat.jpg"))
        assert [file.path.name for file in d.chips.files] == ["cat.jpg"]
        assert d.sent == []
        await d.say("What is this?")
        await d.answered()
        assert d.sent == [("What is this?", ("cat.jpg",))]
        assert d.chips.files == ()


async def test_pasted_paths_become_chips_and_pasted_words_stay_words(media: Path) -> None:
    async with driving(here()) as d:
        d.prompt.post_message(events.Paste(f"{media / 'cat.jpg'} '{media / 'speech.flac'}'"))
        await until(d.pilot, lambda: len(d.chips.files) == 2)
        d.prompt.post_message(events.Paste("two\nlines \x1b[31m"))
        await until(d.pilot, lambda: d.prompt.text)
        assert d.prompt.text == "two\nlines \ufffd[31m"


async def test_attachments_come_off_with_backspace_and_with_a_click(media: Path) -> None:
    async with driving(here()) as d:
        await d.say(f"/attach {media / 'cat.jpg'}")
        await d.say(f"/image {media / 'coffee.jpg'}")
        await d.pilot.press("backspace")
        await until(d.pilot, lambda: [f.path.name for f in d.chips.files] == ["cat.jpg"])
        await d.pilot.click("Chip")
        await until(d.pilot, lambda: d.chips.files == ())
        assert d.prompt.has_focus


async def test_attachments_alone_are_a_message(media: Path) -> None:
    async with driving(here(answer())) as d:
        await d.say(f"/attach {media / 'cat.jpg'}")
        await d.pilot.press("enter")
        await d.answered()
        assert d.sent == [("", ("cat.jpg",))]


async def test_what_cannot_be_attached_says_why_and_loses_nothing() -> None:
    async with driving(here()) as d:
        await d.say("/attach /nowhere/cat.jpg")
        assert "no such file" in d.notices[0]


async def test_the_file_picker_offers_known_kinds_and_picks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.wav", "c.xyz", ".hidden.png"):
        (tmp_path / name).write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    async with driving(here()) as d:
        await d.pilot.press("ctrl+o")
        await until(
            d.pilot,
            lambda: isinstance(d.app.screen, FilesScreen) and d.app.screen.query_one(Files).root.children,
        )
        labels = [str(node.label) for node in d.app.screen.query_one(Files).root.children]
        assert labels == ["a.png", "b.wav"]
        await d.pilot.press("down", "enter")
        await until(d.pilot, lambda: d.chips.files)
        assert d.chips.files[0].path == tmp_path / "a.png"
        await d.say("/image")
        await until(
            d.pilot,
            lambda: isinstance(d.app.screen, FilesScreen) and d.app.screen.query_one(Files).root.children,
        )
        assert [str(node.label) for node in d.app.screen.query_one(Files).root.children] == ["a.png"]


HOSTILE = "[red]no \x1b]0;pwned\x07\u202egnp.[@click=app.quit]x.png"


async def test_hostile_names_and_words_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / HOSTILE).write_bytes(b"1")
    trouble = PartRejected(part=HOSTILE, reason="[bold]lies[/bold] \x1b[2J", code="bad_input")
    failed = Failed(code="x", part=HOSTILE, reason="[blink]", remedy="[link=x]y[/link]")
    script = (trouble, failed, *answer("<b>kept</b> [red]kept[/red] \x1b[2J"))
    async with driving(here(script)) as d:
        d.app.query_one(Composer).add(
            __import__("tui.attachments").attachments.attach(str(tmp_path / HOSTILE))
        )
        await d.say("[bold red]hello[/] \x07")
        await d.answered()
        shown = d.app.export_screenshot().replace("&#160;", " ")
        assert "\x1b" not in shown
        assert "[bold red]hello[/]" in shown
        assert "[red]no \ufffd]0;pwned" in shown
        assert "[bold]lies[/bold]" in d.notices[0]
        assert "[blink]" in d.notices[1]
        assert "[red]kept[/red]" in shown
        assert "&lt;b&gt;kept&lt;/b&gt;" in shown
        await d.pilot.press("ctrl+t")
        await until(d.pilot, lambda: isinstance(d.app.screen, TraceScreen))
        await d.pilot.pause()
        assert "\x1b" not in d.app.export_screenshot()


async def test_a_link_that_is_no_web_address_is_not_opened() -> None:
    opened: list[str] = []

    class Watched(AntiphonApp):
        def open_url(self, url: str, *, new_tab: bool = True) -> None:
            opened.append(url)

    async with driving(here(), kind=Watched) as d:
        for address in ("file:///etc/passwd", "javascript:x", "https://example.org"):
            d.app.post_message(Markdown.LinkClicked(Markdown(), address))
        await until(d.pilot, lambda: opened)
        assert opened == ["https://example.org"]


async def test_what_a_standing_request_waited_for_is_told_when_it_comes() -> None:
    standing = Standing("clock", seconds=300.0)
    async with driving(Stage()) as d:
        await d.transcript.take([StandingMet(turn=1, id="1", standing=standing, text="5 minutes are over.")])
        await d.pilot.pause()
        assert any("5 minutes are over." in notice for notice in d.notices)


async def test_an_error_of_a_turn_is_a_notice_with_its_remedy() -> None:
    async with driving(
        here([SpecialistFailed("it broke", part="chat", remedy="Try another")], answer())
    ) as d:
        await d.say("hi")
        await d.answered()
        assert "It broke" in d.notices[0]
        assert "Try another" in d.notices[0]
        await d.say("again")
        await d.answered(2)


async def test_without_an_engine_every_message_is_answered_with_the_reason() -> None:
    async with driving(
        here(curtain=Gate(), error=Unavailable("nothing answers", part="server")), ready=False
    ) as d:
        await d.say("one")
        assert d.stage.curtain is not None
        d.stage.curtain.open()
        await d.answered()
        await d.say("two")
        await d.answered(2)
        assert all("Nothing answers" in notice for notice in d.notices)
        assert d.app.query_one(StatusLine).status.broken


async def test_history_and_completion_in_the_prompt() -> None:
    async with driving(here(answer(), answer())) as d:
        await d.say("one")
        await d.answered()
        await d.say("two")
        await d.answered(2)
        await d.pilot.press("d", "up", "up")
        assert d.prompt.text == "one"
        await d.pilot.press("down", "down")
        assert d.prompt.text == "d"
        d.prompt.clear()
        await d.pilot.press("slash", "t", "r")
        assert d.app.query_one(Hints).display
        assert d.prompt.suggestion == "ace"
        await d.pilot.press("tab")
        assert d.prompt.text == "/trace"


async def test_tab_completes_a_path_as_far_as_it_is_clear(tmp_path: Path) -> None:
    for name in ("report-1.pdf", "report-2.pdf"):
        (tmp_path / name).touch()
    async with driving(here()) as d:
        d.prompt.insert(f"/attach {tmp_path}/re")
        await d.pilot.press("tab")
        assert d.prompt.text == f"/attach {tmp_path}/report-"


OPENERS = (
    ("f1", HelpScreen),
    ("f2", SpecialistsScreen),
    ("ctrl+t", TraceScreen),
    ("ctrl+r", SessionsScreen),
    ("/help", HelpScreen),
    ("/specialists", SpecialistsScreen),
    ("/trace", TraceScreen),
    ("/sessions", SessionsScreen),
)


async def test_screens_open_by_key_and_command_and_close_with_escape() -> None:
    stage = here(answer(), cards=[card("chat")], health={"chat": Health("ready", calls=2)})
    async with driving(stage) as d:
        await d.say("hi")
        await d.answered()
        for opener, screen in (
            ("f1", HelpScreen),
            ("f2", SpecialistsScreen),
            ("ctrl+t", TraceScreen),
            ("ctrl+r", SessionsScreen),
            ("/help", HelpScreen),
            ("/specialists", SpecialistsScreen),
            ("/trace", TraceScreen),
            ("/sessions", SessionsScreen),
        ):
            await (d.say(opener) if opener.startswith("/") else d.pilot.press(opener))
            await until(d.pilot, lambda screen=screen: isinstance(d.app.screen, screen))
            await d.pilot.press("escape")
            await until(d.pilot, lambda: len(d.app.screen_stack) == 1)
        assert d.prompt.has_focus


@pytest.mark.parametrize("key", ["f1", "f2", "ctrl+t", "ctrl+r"])
async def test_the_key_that_opens_a_screen_closes_it(key: str) -> None:
    async with driving(here(answer(), cards=[card("chat")])) as d:
        await d.say("hi")
        await d.answered()
        for screens in (2, 1, 2):
            await d.pilot.press(key)
            await until(d.pilot, lambda screens=screens: len(d.app.screen_stack) == screens)


@pytest.mark.parametrize(
    ("width", "idle", "running"),
    [
        (100, ["here · ready", "^O attach", "F1 help", "^Q quit"], ["here · ready", "Esc stop", "F1 help"]),
        (40, ["here · ready", "F1 help"], ["here · ready", "Esc stop"]),
        (24, ["here · ready"], ["Esc stop"]),
    ],
)
async def test_the_status_line_says_what_matters_at_every_width(
    width: int, idle: list[str], running: list[str]
) -> None:
    gate = Gate()
    async with driving(here((gate, *answer())), width=width) as d:
        status = d.app.query_one(StatusLine)
        assert [said for said in idle if said not in str(status.render())] == []
        await d.say("hi")
        await until(d.pilot, lambda: status.status.running)
        assert [said for said in running if said not in str(status.render())] == []
        gate.open()
        await d.answered()


@pytest.mark.parametrize("part", ["", "attachments"])
async def test_a_file_is_named_as_it_is_called(part: str) -> None:
    refused = Failed(code="bad_input", part=part, reason="cat.jpg: is empty", remedy="send another")
    async with driving(here((refused, *answer()))) as d:
        await d.say("hi")
        await d.answered()
        assert "cat.jpg: is empty" in d.notices[0]
        assert "Send another" in d.notices[0]


async def test_sessions_are_switched_and_begun() -> None:
    stage = Stage(
        {"here": [answer("first")], "trip": [answer("second")]},
        infos=[SessionInfo("here", "hi", 1, 4, 1.0, 2.0), SessionInfo("empty", "", 0, 1, 1.0, 1.0)],
    )
    async with driving(stage) as d:
        await d.say("hi")
        await d.answered()
        await d.say("/session trip")
        await until(d.pilot, lambda: d.app.session == "trip")
        assert not d.app.query(TurnView)
        await d.say("there")
        await d.answered()
        await d.pilot.press("ctrl+r")
        await until(d.pilot, lambda: isinstance(d.app.screen, SessionsScreen))
        assert d.app.screen.query_one(OptionList).option_count == 1  # the empty one is left out
        await d.pilot.press("enter")
        await until(d.pilot, lambda: d.app.session == "here" and d.app.query(TurnView))
        await d.answered()
        assert [view.trace.text for view in d.app.query(TurnView)] == ["first"]
        await d.pilot.press("ctrl+r", "n", "e", "w", "enter")
        await until(d.pilot, lambda: d.app.session == "new")
        await d.say("/session a/b")
        await until(d.pilot, lambda: d.notices)
        assert d.app.session == "new"


async def test_copy_clear_and_save(tmp_path: Path) -> None:
    async with driving(here(answer("The answer."))) as d:
        await d.say("/copy")
        assert "no answer yet" in d.notices[0]
        await d.say("hi")
        await d.answered()
        await d.pilot.press("ctrl+y")
        assert d.app.clipboard == "The answer."
        await d.say(f"/save {tmp_path / 'talk.md'}")
        await until(d.pilot, lambda: len(d.notices) == 2)
        assert "The answer." in (tmp_path / "talk.md").read_text()
        await d.say("/clear")
        assert not d.app.query("TurnView, Notice")
        await d.say("/save")
        assert "Needs PATH.md" in d.notices[0]


async def test_speech_is_offered_and_saved(tmp_path: Path) -> None:
    spoken = SpeechDelta(text="Hi", rate=8000, pcm=bytes(16000))
    async with driving(here((spoken, TurnFinished(outcome="answered")))) as d:
        await d.say("/speech x.wav")
        assert "Nothing was spoken yet" in d.notices[0]
        await d.say("say hi")
        await d.answered()
        assert "1.0 s of speech" in d.tails[0]
        await d.say(f"/speech {tmp_path / 'out.wav'}")
        await until(d.pilot, lambda: len(d.notices) == 2)
        assert (tmp_path / "out.wav").stat().st_size == 44 + 16000


async def test_a_turn_that_ends_with_nothing_says_so() -> None:
    async with driving(here([TurnFinished(outcome="failed")])) as d:
        await d.say("hi")
        await d.answered()
        assert d.tails == ["No answer came"]


async def test_an_unknown_command_names_the_nearest_and_stays_to_be_mended() -> None:
    async with driving(here()) as d:
        await d.say("/specialist")
        assert "/specialists" in d.notices[0]
        assert d.prompt.text == "/specialist"


async def test_every_action_is_in_the_palette() -> None:
    async with driving(here()) as d:
        names = {command.title for command in d.app.get_system_commands(d.app.screen)}
        assert {"Attach", "Sessions", "Specialists", "Trace", "Copy", "Clear", "Help", "Quit"} <= names
