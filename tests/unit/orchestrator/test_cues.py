"""Which messages object to how the last request was served, and which only sound like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.controller.exemplars import Decision
from orchestrator.cues import named, objects, refuses, wants_anew

CORRECTIONS = [
    ("no, read the text", "vision"),
    ("No. Read the text!", "vision"),
    ("no read what it says", "vision"),
    ("Nope, just the words on the label", "vision"),
    ("not that, look at the picture", "ocr"),
    ("not the text, I want to know what is shown", "ocr"),
    ("no no no the picture not the writing", "ocr"),
    ("don't say it aloud, just write", "chat tts"),
    ("do not read it to me, write it here", "ocr tts"),
    ("Please don't talk, I'm in a library, write", "chat tts"),
    ("stop speaking and write it down", "chat tts"),
    ("no voice please, only text", "chat tts"),
    ("wrong, I wanted you to draw it", "chat"),
    ("I wanted you to draw it", "chat"),
    ("I wanted a picture of it", "chat"),
    ("i meant a drawing", "chat"),
    ("I needed an image, not a text", "chat"),
    ("that's not what I asked, use the weather tool", "chat"),
    ("thats not what i asked for, i want to hear it", "chat"),
    ("That isn't what I meant. Translate it.", "ocr"),
    ("this is not what I wanted, summarise it", "ocr"),
    ("I didn't ask for a picture, describe it in words", "imagegen"),
    ("i didnt want a drawing. text!", "imagegen"),
    ("I never asked you to draw, I asked for a written plan", "imagegen"),
    ("no picture, words please", "imagegen"),
    ("without a picture please, only the description", "imagegen"),
    ("I asked you to read it", "vision"),
    ("I asked for the words, not a summary", "asr chat"),
    ("I asked about the photo, not about the letter", "ocr"),
    ("I asked for a drawing", "chat"),
    ("you should have looked at the photo", "ocr"),
    ("you were supposed to listen to it", "chat"),
    ("You misread me: draw the house", "vision"),
    ("you misunderstood, I want the audio as text", "chat"),
    ("can you actually look at the photo please", "chat"),
    ("could you please actually listen to it", "chat"),
    ("look at the video instead of guessing", "chat"),
    ("show me instead", "chat"),
    ("draw it instead", "chat"),
    ("rather than describing it, read what it says", "vision"),
    ("don't summarise, give me every word he says, written", "asr chat"),
    ("don't describe the page, read it", "vision"),
    ("no, watch the clip", "asr"),
    ("oh no, I meant the document", "vision"),
    ("sorry, no, out loud please", "ocr"),
    ("that's wrong, look at the photo again", "vision"),
    ("Wrong! Use your memory, I told you.", "chat"),
    ("no, you know that, look it up in your memory", "chat"),
    ("I should have said: as a drawing", "chat"),
    ("you have to listen to the recording", "chat"),
    ("no don't transcribe it, tell me what it is about", "asr"),
    ("no: not vision, ocr, the text", "vision"),
    ("hm, no, I mean the recording", "vision"),
    ("You got me wrong, I want to see it drawn", "chat"),
    ("Well, that\N{RIGHT SINGLE QUOTATION MARK}s not what I asked for, draw it", "chat"),
]

OTHERS = [
    ("no thanks", "vision"),
    ("No, thank you, that text is all I need", "ocr"),
    ("no idea, you tell me", "chat"),
    ("no problem, now read it to me", "ocr"),
    ("no worries. write him that it's fine", "asr"),
    ("no way! what does the next page say", "ocr"),
    ("no need to draw it, but how would it look", "chat"),
    ("no rush, draw it when you can", "chat"),
    ("no doubt you can draw too", "chat"),
    ("No, that's fine. Tell me a joke.", "vision"),
    ("no that's all, thanks for reading it", "ocr"),
    ("no i don't think so, what does the text mean", "ocr"),
    ("no one reads my letters", "ocr"),
    ("nobody can read this", "ocr"),
    ("nothing, just tell me a story", "chat"),
    ("no", "vision"),
    ("No.", "vision"),
    ("wrong", "vision"),
    ("that's wrong", "vision"),
    ("not bad", "imagegen"),
    ("not bad, now write a poem about it", "imagegen"),
    ("not sure, what does the text say", "vision"),
    ("not yet, first tell me what it costs", "vision"),
    ("not really. show me another picture", "imagegen"),
    ("noted. read me the rest", "ocr"),
    ("nose or ears? look at the photo", "vision"),
    ("north or south, which way does the picture look", "vision"),
    ("now read the text", "vision"),
    ("and what does the text say", "vision"),
    ("read the text", "vision"),
    ("look at the picture", "ocr"),
    ("can you draw it", "chat"),
    ("great, draw it", "chat"),
    ("say that aloud", "chat"),
    ("thanks! now translate it", "ocr"),
    ("I want a picture of a fox", "chat"),
    ("I meant to tell you: my sister can draw", "chat"),
    ("I wanted to ask what the text means", "ocr"),
    ("i said to him that i would write", "chat"),
    ("I asked my boss to write me a letter, what now", "chat"),
    ("I asked for a raise. write to my boss about it", "memory"),
    ("i didn't know you can draw", "imagegen"),
    ("I didn't mean to be rude, write him a sorry", "chat"),
    ("don't worry, show me the text", "vision"),
    ("don't stop, tell me more", "chat"),
    ("don't forget it: my page is 12", "chat"),
    ("don't you think the text is long", "ocr"),
    ("stop", "chat tts"),
    ("stop talking", "chat"),
    ("what is wrong with the text", "ocr"),
    ("wrong number, he writes. what do I answer", "chat"),
    ("is that what I asked for? yes, read on", "ocr"),
    ("actually, tell me about tea", "vision"),
    ("actually that is the right text", "ocr"),
    ("instead of a letter, should I write a mail?", "chat"),
    ("you are right, read on", "ocr"),
    ("", "vision"),
    ("   ", "vision"),
]


def done(steps: str) -> Decision:
    return Decision(tuple(steps.split()))


@pytest.mark.parametrize(("text", "steps"), CORRECTIONS)
def test_an_objection_is_recognised(text: str, steps: str) -> None:
    assert objects(text, done(steps))


@pytest.mark.parametrize(("text", "steps"), OTHERS)
def test_what_only_sounds_like_one_is_not(text: str, steps: str) -> None:
    assert not objects(text, done(steps))


def test_a_no_after_a_question_is_an_answer() -> None:
    assert not objects("no, just write me a list", done("chat"), asked_back=True)
    assert objects("no, that's not what I asked, write a list", done("chat"), asked_back=True)


def test_a_refusal_must_refuse_what_was_done() -> None:
    assert refuses("don't read it aloud, write it", done("ocr tts"))
    assert not refuses("don't draw it, just tell me", done("ocr tts"))
    assert refuses("not get_weather, use the other one", done("get_weather"))


def test_a_long_message_has_a_matter_of_its_own() -> None:
    assert not objects("no, " + "and then he wrote me a letter " * 20, done("chat"))


def test_a_specialist_may_be_asked_for_by_name() -> None:
    names = ("chat", "ocr", "vision", "get_weather", "route-planner")
    assert named("that's not what I asked, use the weather tool", names) == "get_weather"
    assert named("no, ask the route planner", names) == "route-planner"
    assert named("use vision not ocr", names) == "vision"
    assert named("not vision, use OCR", names) == "ocr"
    assert named("don't use ocr", names) == ""
    assert named("use the photo", names) == ""
    assert named("use the best tool", names) == ""


def test_a_fresh_look_is_asked_for() -> None:
    assert wants_anew("no, look again")
    assert not wants_anew("no, look at the picture")


@given(st.text(max_size=200), st.sampled_from(["chat", "ocr tts", "imagegen", "x y"]))
def test_any_text_is_judged(text: str, steps: str) -> None:
    assert objects(text, done(steps)) in (True, False)
    assert named(text, ("chat", "get_weather")) in ("", "chat", "get_weather")


@given(st.sampled_from([text for text, _ in OTHERS + CORRECTIONS]))
def test_case_and_space_do_not_matter(text: str) -> None:
    assert objects(text.upper(), done("vision")) == objects(f"  {text.replace(' ', '  ')} ", done("vision"))


def test_a_dash_is_nobodys_name() -> None:
    assert named("no, try -, read the text", ("chat", "ocr")) == ""


def test_a_message_of_any_length_is_judged_at_once() -> None:
    assert not objects("no, " + "look," * 20_000, done("vision"))
