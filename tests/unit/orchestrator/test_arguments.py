"""What people say of the how: which parameters it becomes, and which attachments are meant."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.arguments import Case, cards, cases, measure, read
from orchestrator.arguments import with_arguments
from orchestrator.extraction import times
from orchestrator.extraction.languages import spoken, wanted
from orchestrator.extraction.meanings import meaning_of
from orchestrator.extraction.pages import pages
from orchestrator.extraction.words import instruction
from orchestrator.plan import PartRef, Plan, ResultRef, Step
from specialists.base import MEANINGS, Card, Parameter
from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, Part, text_part
from specialists.fakes import Scripted, card, words
from specialists.piece import STRETCH_PARAMETERS, chosen_pages
from tests.unit.orchestrator.conftest import Open

KNOWN = [case for case in cases() if not case.held_out]
HELD_OUT = [case for case in cases() if case.held_out]


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case.text[:60])
def test_a_request_gives_these_arguments_and_no_others(case: Case) -> None:
    assert read(case) == case.expect


def test_the_held_out_requests_are_read_as_well() -> None:
    found = measure(HELD_OUT)
    assert found.cases >= 40
    assert found.precision >= 0.9
    assert found.recall >= 0.9


def test_there_are_enough_requests_that_name_nothing() -> None:
    assert sum(not case.expect for case in KNOWN) >= 40


def planned(of: Card, text: str, *parts: Part) -> Step:
    every = (text_part(text), *parts)
    refs = tuple(PartRef(i, p.kind) for i, p in enumerate(every) if i and p.kind in of.consumes)
    before = Plan((Step("s1", of.name, refs or (PartRef(0, TEXT),)),))
    return with_arguments(before, text, every, [of]).steps[0]


def tool(parameter: Parameter, consumes: str = TEXT, produces: str = TEXT) -> Card:
    return Card("tool", "A tool", (consumes,), (produces,), parameters=(parameter,))


LISTENER = Card("asr", "Writes down", (AUDIO,), (TEXT,), parameters=STRETCH_PARAMETERS)


def test_what_a_step_has_already_stays() -> None:
    plan = Plan((Step("s1", "asr", (PartRef(1, AUDIO),), params={"start": 7.0}),))
    parts = (text_part(""), Part(AUDIO))
    (step,) = with_arguments(plan, "from 0:10 to 0:20", parts, [LISTENER]).steps
    assert step.params == {"start": 7.0, "end": 20.0}
    assert plan.steps[0].params == {"start": 7.0}


def test_without_words_a_plan_stays_as_it_is() -> None:
    plan = Plan((Step("s1", "asr", (PartRef(1, AUDIO),)),))
    assert with_arguments(plan, " ", (text_part(" "), Part(AUDIO)), [LISTENER]) is plan


def test_parameters_without_a_meaning_are_nobodys_to_fill() -> None:
    odd = tool(Parameter("start", "number", "Seconds"), AUDIO)
    assert planned(odd, "from 0:10 to 0:20", Part(AUDIO)).params == {}


def test_a_piece_is_cut_out_once() -> None:
    cutter = Card("cut", "Cuts", (AUDIO,), (AUDIO,), parameters=STRETCH_PARAMETERS)
    plan = Plan(
        (
            Step("s1", "cut", (PartRef(1, AUDIO),)),
            Step("s2", "asr", (ResultRef("s1", AUDIO),), after=("s1",)),
            Step("s3", "asr", (PartRef(1, AUDIO),)),
        )
    )
    parts = (text_part(""), Part(AUDIO))
    found = with_arguments(plan, "write down 0:10 to 0:20", parts, [cutter, LISTENER]).steps
    assert [bool(step.params) for step in found] == [True, False, True]


@pytest.mark.parametrize(("seconds", "start"), [(None, 465.0), (600.0, 465.0), (30.0, None)])
def test_a_time_beyond_the_end_is_one_of_the_day(seconds: float | None, start: float | None) -> None:
    facts = {} if seconds is None else {"seconds": seconds}
    found = planned(LISTENER, "what is it at 7:50?", Part(AUDIO, facts=facts))
    assert found.params.get("start") == start


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (Parameter("from", "string", "h:mm:ss", meaning="start"), "from 1:20 to 2:05", "0:01:20"),
        (Parameter("range", "string", "r", meaning="time_range"), "from 1:20 to 2:05", "0:01:20-0:02:05"),
        (Parameter("at", "integer", "s", meaning="time"), "at 0:45", 45),
        (Parameter("long", "number", "s", meaning="duration"), "make it a minute and a half", 90.0),
        (Parameter("to", "string", "Name of it", meaning="target_language"), "put it into French", "French"),
        (
            Parameter("to", "string", "t", choices=("French", "German"), meaning="target_language"),
            "put it into German",
            "German",
        ),
        (
            Parameter("to", "string", "t", choices=("fr", "de"), meaning="target_language"),
            "put it into Spanish",
            None,
        ),
        (Parameter("n", "integer", "How many words", meaning="count"), "in 2.5 words", None),
        (Parameter("quality", "integer", "q", meaning="quantity"), "quality 80 please", 80),
    ],
)
def test_a_value_has_the_type_that_its_parameter_declares(
    parameter: Parameter, text: str, value: object
) -> None:
    assert planned(tool(parameter, AUDIO), text, Part(AUDIO)).params.get(parameter.name) == value


def test_a_page_of_a_picture_is_no_page() -> None:
    reader = tool(Parameter("pages", "string", "p", meaning="pages"), IMAGE)
    assert planned(reader, "page 2", Part(IMAGE)).params == {}


def test_what_is_quoted_or_recited_is_content() -> None:
    speaker = tool(Parameter("speed", "number", "s", meaning="speed"))
    assert planned(speaker, 'say "please speak slowly"').params == {}
    assert planned(speaker, "read this aloud:\nWe drive slowly. Say it slowly.").params == {}
    assert planned(speaker, 'say "hello" slowly').params == {"speed": 0.75}


@pytest.mark.parametrize(
    ("text", "there", "asked"),
    [
        ("translate the voice note from Italian to English", "it", "en"),
        ("es ist auf Spanisch, bitte ins Deutsche", "es", "de"),
        ("c'est en anglais, en français s'il vous plaît", "en", "fr"),
        ("переведи: in Russian, please", None, "ru"),
        ("put it in 日本語", None, "ja"),
        ("not in French but in Italian", None, "it"),
        ("into French and German", None, None),
        ("lets go to pools in Dutch fries", None, None),
    ],
)
def test_languages_that_are_there_and_that_are_wanted(
    text: str, there: str | None, asked: str | None
) -> None:
    assert (spoken(instruction(text)), wanted(instruction(text))) == (there, asked)


SECONDS = st.integers(0, 35_999)


def as_clock(seconds: int, *, hours: bool = False) -> str:
    if hours or seconds >= 3600:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds // 60}:{seconds % 60:02}"


def as_words(seconds: int) -> str:
    minutes = f"{seconds // 60} minutes and " if seconds >= 60 else ""
    return f"{minutes}{seconds % 60} seconds"


@given(
    SECONDS,
    SECONDS,
    st.booleans(),
    st.sampled_from(["from {} to {}", "{} - {}", "between {} and {}", "von {} bis {}"]),
)
def test_a_stretch_between_two_clock_times(first: int, second: int, hours: bool, form: str) -> None:
    text = form.format(as_clock(first, hours=hours), as_clock(second, hours=hours))
    expected = times.Stretch(first, second) if first < second else None
    assert times.stretch(instruction(f"transcribe this {text} please")) == expected


@given(st.integers(1, 3599), st.integers(1, 3599))
def test_a_stretch_between_two_times_in_words(first: int, second: int) -> None:
    text = f"what is said from {as_words(first)} to {as_words(second)}?"
    expected = times.Stretch(first, second) if first < second else None
    assert times.stretch(instruction(text)) == expected


@given(st.integers(1, 500), st.sampled_from([("seconds", 1), ("minutes", 60), ("secs", 1), ("Sekunden", 1)]))
def test_the_first_and_the_last_so_much(many: int, unit: tuple[str, int]) -> None:
    seconds = float(many * unit[1])
    assert times.stretch(f"the first {many} {unit[0]}") == times.Stretch(0.0, seconds)
    assert times.stretch(f"the last {many} {unit[0]}") == times.Stretch(-seconds, None)
    assert times.stretch(f"skip the first {many} {unit[0]}") == times.Stretch(seconds, None)


@given(st.integers(0, 3599))
def test_a_moment_lies_inside_its_stretch(seconds: int) -> None:
    text = f"what does she say at {as_clock(seconds)}?"
    found = times.stretch(text)
    assert times.moment(text) == seconds
    assert found is not None
    assert (found.start, found.end) == (max(0.0, seconds - times.AROUND), seconds + times.AROUND)


@given(st.integers(-36_000, 36_000))
def test_a_clock_reads_back(seconds: int) -> None:
    sign = -1 if seconds < 0 else 1
    hours, minutes, rest = map(int, times.clock(seconds).lstrip("-").split(":"))
    assert sign * (hours * 3600 + minutes * 60 + rest) == seconds


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=4))
def test_listed_pages_are_those_of_the_document(ranges: list[tuple[int, int]]) -> None:
    written = [f"{low}-{low + more}" if more else str(low) for low, more in ranges]
    expected = sorted({n for low, more in ranges for n in range(low, low + more + 1)})
    found = pages(f"read pages {', '.join(written)} to me")
    assert found is not None
    assert chosen_pages(found, 99, "letter.pdf") == expected


VOCABULARY = (
    "from to at in the first second last minute page pages 1:20 0:05 30 2 and not skip picture photos of "
    "it style French German slowly read say as a cartoon wide 512x512 : . , \" ' ten questions is between "
    "after before"
)
WORDS = st.lists(st.sampled_from(VOCABULARY.split()), max_size=25).map(" ".join)


@settings(max_examples=60)
@given(st.one_of(st.text(max_size=200), WORDS))
def test_whatever_people_write_arguments_are_usable(text: str) -> None:
    attached = [Part(kind) for kind in (IMAGE, IMAGE, AUDIO, AUDIO, VIDEO, DOCUMENT, DOCUMENT)]
    for each in cards():
        step = planned(each, text, *attached)
        types = {parameter.name: parameter.type for parameter in each.parameters}
        for name, value in step.params.items():
            assert isinstance(value, {"string": str, "number": float, "integer": int}[types[name]])
        start, end = step.params.get("start"), step.params.get("end")
        if isinstance(start, float) and isinstance(end, float):
            assert start < end
        assert step.inputs


def test_long_and_hostile_words_are_read_quickly() -> None:
    began = time.perf_counter()
    for text in ("1:20 to " * 4000, "first, second and " * 4000, "page 1, " * 4000, "a " * 40_000):
        for each in cards():
            planned(each, text, Part(IMAGE), Part(IMAGE), Part(AUDIO), Part(DOCUMENT))
    assert time.perf_counter() - began < 20  # 80 readings; a pattern that goes wrong takes minutes for one


@pytest.mark.parametrize(
    ("name", "type", "description", "consumes", "meaning"),
    [
        ("target_lang", "string", "", TEXT, "target_language"),
        ("language", "string", "The spoken language", AUDIO, "source_language"),
        ("lang", "string", "", TEXT, "target_language"),
        ("lang", "string", "", AUDIO, "source_language"),
        ("startTime", "number", "", VIDEO, "start"),
        ("end_seconds", "integer", "", VIDEO, "end"),
        ("start_date", "string", "", TEXT, ""),
        ("time_range", "string", "", VIDEO, "time_range"),
        ("sample_rate", "integer", "In Hz", AUDIO, "quantity"),
        ("numImages", "integer", "", TEXT, "count"),
        ("limit", "integer", "How many results", TEXT, "count"),
        ("query", "string", "What to look for", TEXT, ""),
        ("page_size", "integer", "", DOCUMENT, "quantity"),
        ("strict", "boolean", "", TEXT, ""),
    ],
)
def test_what_a_foreign_parameter_means(
    name: str, type: str, description: str, consumes: str, meaning: str
) -> None:
    assert meaning_of(name, type, description, (), (consumes,)) == meaning


def test_every_meaning_has_a_reader() -> None:
    from orchestrator.arguments import _READERS

    assert set(_READERS) == set(MEANINGS)


async def test_memory_never_answers_one_piece_with_another(open_engine: Open, media: Path) -> None:
    asr = Scripted(card("asr", ["audio"], parameters=STRETCH_PARAMETERS), words("Move the meeting."))
    async with open_engine(asr) as orchestrator:
        session = orchestrator.session("s")
        for text in (
            "transcribe the first two seconds",
            "transcribe the last second",
            "Transcribe the last second!",
        ):
            async for _ in session.send(text, audio=[media / "question.wav"]):
                pass
    assert [dict(task.params) for task in asr.tasks] == [{"start": 0.0, "end": 2.0}, {"start": -1.0}]


async def test_only_the_picture_that_is_meant_is_looked_at(open_engine: Open, media: Path) -> None:
    vision = Scripted(card("vision", ["image"]), words("It shows coffee."))
    async with open_engine(vision) as orchestrator:
        pictures = [media / "cat.jpg", media / "coffee.jpg"]
        async for _ in orchestrator.session("s").send("What is in the second picture?", images=pictures):
            pass
    assert [part.name for task in vision.tasks for part in task.parts] == ["coffee.jpg"]
