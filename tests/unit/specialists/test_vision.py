"""Looking: the wording without a model, the real classifier, and a tiny vision-language model."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image

from specialists import labels
from specialists.base import Chunk, Task
from specialists.colours import main_colours, nearest
from specialists.content import AUDIO, IMAGE, TEXT, Anchor, Box, MemoryBlobs, Part
from specialists.errors import BadConfig, BadInput, SpecialistFailed
from specialists.fakes import Failing, Hanging, Scripted, card
from specialists.models import ModelStore
from specialists.ocr import NO_TEXT
from specialists.pool import ModelPool
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from specialists.vision import create


def probabilities(**shares: float) -> list[float]:
    """Class probabilities by `c281=0.5`; the rest is spread thin over the others."""
    given = {int(name[1:]): share for name, share in shares.items()}
    rest = (1 - sum(given.values())) / (1000 - len(given))
    return [given.get(i, rest) for i in range(1000)]


# Words


def test_names_are_short_and_plain() -> None:
    names = labels.names()
    assert len(names) == 1000
    assert not [name for name in names if not 2 <= len(name) < 34 or set(name) & set("(),/")]
    assert names[281] == "tabby cat"
    assert names[282] == "tiger cat"


def test_groups_hold_what_they_say() -> None:
    members = [index for group in labels.GROUPS.values() for index in group]
    assert len(members) == len(set(members))
    assert {labels.names()[i] for i in labels.GROUPS["cat"]} >= {"tabby cat", "Persian cat", "Siamese cat"}
    assert labels.names()[labels.GROUPS["dog"][0]] == "Chihuahua"
    assert labels.names()[labels.GROUPS["dog"][-1]].startswith("Mexican hairless")
    assert {labels.names()[i] for i in labels.GROUPS["car"]} >= {"sports car", "taxicab", "limousine"}


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"c967": 0.82}, "It shows an espresso (82 % sure)."),
        ({"c967": 0.999}, "It shows an espresso (99 % sure)."),
        (
            {"c285": 0.4, "c281": 0.3},
            "It shows a cat (70 % sure), perhaps an Egyptian Mau (40 %) or a tabby cat (30 %).",
        ),
        ({"c281": 0.8, "c282": 0.1}, "It shows a cat (90 % sure), most likely a tabby cat (80 %)."),
        ({"c922": 0.98}, "It shows a printed page or screen (98 % sure)."),
        (
            {"c560": 0.2, "c450": 0.1},
            "It is not clear what it shows; "
            "the best guesses are a football helmet (20 %) and a bobsleigh (10 %).",
        ),
        ({"c560": 0.2}, "It is not clear what it shows; the best guess is a football helmet (20 %)."),
        ({"c560": 0.02}, "It is not clear what it shows."),
        ({"c836": 0.3, "c837": 0.4}, "It shows sunglasses (70 % sure)."),  # two classes of one name
    ],
)
def test_a_sentence_says_no_more_than_the_numbers(shares: dict[str, float], said: str) -> None:
    assert labels.sentence(probabilities(**shares))[0] == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cat", "a cat"),
        ("espresso", "an espresso"),
        ("hourglass", "an hourglass"),
        ("unicycle", "a unicycle"),
        ("umbrella", "an umbrella"),
        ("European polecat", "a European polecat"),
        ("jeans", "jeans"),
        ("toilet paper", "toilet paper"),
        ("one-piece bathing suit", "a one-piece bathing suit"),
    ],
)
def test_articles(name: str, said: str) -> None:
    assert labels.article(name) == said


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((250, 250, 250), "white"),
        ((255, 0, 0), "red"),
        ((0, 0, 255), "blue"),
        ((0, 128, 0), "green"),
        ((255, 165, 0), "orange"),
        ((128, 128, 130), "grey"),
    ],
)
def test_colour_names(rgb: tuple[int, int, int], name: str) -> None:
    assert nearest(rgb) == name


def test_main_colours_come_with_their_shares() -> None:
    image = Image.new("RGB", (90, 30), (220, 30, 30))
    image.paste((250, 250, 250), (60, 0, 90, 30))
    (first, share), (second, _) = main_colours(image)
    assert (first, second) == ("red", "white")
    assert share == pytest.approx(2 / 3, abs=0.05)


# The classifier


POOL = ModelPool()


def setup(models: ModelStore, runtime: LocalRuntime, **options: object) -> Setup:
    return Setup("vision", models, runtime, options=options, pool=POOL)


def task(*files: bytes, words: str = "", deadline: float | None = None) -> Task:
    blobs = MemoryBlobs()
    parts = tuple(Part(IMAGE, blob=blobs.put(data, ""), name="file.jpg") for data in files)
    return Task("t", "vision", parts=parts, instruction=words, deadline=deadline, blobs=blobs)


NOTHING = (Chunk(TEXT, "", label=NO_TEXT),)
SIGN = (
    Chunk(TEXT, "Opening hours\n", anchor=Anchor(box=Box(10, 10, 50, 10)), score=0.9, label="line"),
    Chunk(TEXT, "9 to 5\n", anchor=Anchor(box=Box(20, 30, 30, 10)), score=0.8, label="line"),
)


def seeing(models: ModelStore, *ocr: Scripted | Failing | Hanging) -> LocalRuntime:
    runtime = LocalRuntime(ocr)
    runtime.add(create(setup(models, runtime)))
    return runtime


async def look(runtime: LocalRuntime, call: Task) -> list[Chunk]:
    return [chunk async for chunk in runtime.run(call)]


def joined(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_a_cat_is_a_cat(model_store: ModelStore, media: Path) -> None:
    runtime = seeing(model_store, Scripted(card("ocr", (IMAGE,)), NOTHING))
    chunks = await look(runtime, task((media / "cat.jpg").read_bytes()))
    said = joined(chunks)
    assert said.startswith("It shows a cat (9")
    assert said.endswith("it is 451 x 300 pixels. No words were found in it.")
    assert chunks[0].label == "cat"
    assert chunks[0].score == pytest.approx(0.93, abs=0.05)
    assert chunks[0].facts["tabby cat"] > 0.1
    assert chunks[1].facts["width"] == 451


async def test_pictures_are_answered_one_after_another(model_store: ModelStore, media: Path) -> None:
    runtime = seeing(model_store, Scripted(card("ocr", (IMAGE,)), NOTHING))
    files = [(media / name).read_bytes() for name in ("coffee.jpg", "astronaut.jpg")]
    chunks = await look(runtime, task(*files))
    first, second = joined(chunks).split("\n")
    assert first.startswith("Picture 1: It shows an espresso (9")
    assert second.startswith("Picture 2: It is not clear what it shows")
    assert [chunk.anchor.part for chunk in chunks if chunk.anchor] == [0, 0, 0, 1, 1, 1]


async def test_words_in_the_picture_are_quoted_with_their_place(model_store: ModelStore, media: Path) -> None:
    ocr = Scripted(card("ocr", (IMAGE,)), SIGN)
    chunks = await look(seeing(model_store, ocr), task((media / "cat.jpg").read_bytes()))
    assert joined(chunks).endswith(" The words in it: “Opening hours / 9 to 5”.")
    assert chunks[-1].anchor == Anchor(box=Box(10, 10, 50, 30))
    assert chunks[-1].score == pytest.approx(0.85)
    assert ocr.tasks[0].parts[0].name == "file.jpg"


async def test_without_ocr_the_rest_still_comes_and_the_gap_is_named(
    model_store: ModelStore, media: Path
) -> None:
    data = (media / "cat.jpg").read_bytes()
    failing = Failing(card("ocr", (IMAGE,)), [SpecialistFailed("out of memory", part="ocr")])
    for runtime in (seeing(model_store), seeing(model_store, failing)):
        chunks = await look(runtime, task(data))
        assert joined(chunks).startswith("It shows a cat")
        assert "Whether there are words in it is not known" in chunks[-1].text


async def test_a_slow_ocr_is_named_within_the_deadline(model_store: ModelStore, media: Path) -> None:
    hanging = Hanging(card("ocr", (IMAGE,)))
    runtime = seeing(model_store, hanging)
    await runtime.load("vision")
    chunks = await look(runtime, task((media / "cat.jpg").read_bytes(), deadline=3.0))
    assert "is not known: did not finish" in chunks[-1].text
    assert hanging.cancelled.is_set()


async def test_cancelling_reaches_the_ocr(model_store: ModelStore, media: Path) -> None:
    hanging = Hanging(card("ocr", (IMAGE,)))
    running = asyncio.create_task(look(seeing(model_store, hanging), task((media / "cat.jpg").read_bytes())))
    await hanging.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert hanging.cancelled.is_set()


async def test_what_it_cannot_see_is_refused(model_store: ModelStore) -> None:
    runtime = seeing(model_store)
    with pytest.raises(BadInput, match="no picture"):
        await look(runtime, Task("t", "vision", parts=(Part(AUDIO),)))
    with pytest.raises(BadInput, match="does not hold a picture"):
        await look(runtime, task(b"nothing"))


async def test_other_weights_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pth")
    vision = create(setup(ModelStore(tmp_path), LocalRuntime(), model=f"path:{tmp_path}/other.pth"))
    with pytest.raises(BadConfig, match="not the weights"):
        await vision.load()


def test_the_card(model_store: ModelStore) -> None:
    made = create(setup(model_store, LocalRuntime())).card
    assert len(made.examples) >= 20
    assert made.requires == ("ocr",)
    assert not made.parameters  # the words of the question do not change what it finds
    with pytest.raises(BadConfig, match="unknown option"):
        create(setup(model_store, LocalRuntime(), weights="x"))


# A vision-language model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vision-language model of transformers with random weights, and the processor that belongs to it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("tiny")
    words = [
        "<pad>",
        "<s>",
        "</s>",
        "<unk>",
        "<image>",
        "what",
        "is",
        "it",
        "?",
        *(f"w{i}" for i in range(55)),
    ]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    square = {"height": 16, "width": 16}
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=square),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template="{% for m in messages %}{% for c in m['content'] %}"
        "{{ '<image> ' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %}",
    ).save_pretrained(folder)
    tiny = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=16, patch_size=8, **tiny),
        text_config=LlamaConfig(vocab_size=64, **tiny),
        image_token_index=4,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = list(range(9, 64, 4))  # it ends after some words
    model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    return folder


def small_picture() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, "PNG")
    return out.getvalue()


def asking(models: ModelStore, folder: Path) -> LocalRuntime:
    runtime = LocalRuntime()
    runtime.add(create(setup(models, runtime, model=f"path:{folder}")))
    return runtime


async def test_a_vision_language_model_answers_the_question(model_store: ModelStore, tiny: Path) -> None:
    runtime = asking(model_store, tiny)
    made = runtime.cards()[0]
    assert [parameter.name for parameter in made.parameters] == ["instruction"]
    assert made.model == f"path:{tiny}"
    one = await look(runtime, task(small_picture(), words="what is it ?"))
    other = await look(runtime, task(small_picture(), words="w1 w2 w3"))
    assert len(one) > 2  # it streams
    assert all(chunk.kind == TEXT and chunk.anchor == Anchor(part=0) for chunk in one)
    assert joined(one) != joined(other)
    assert joined(one) == joined(await look(runtime, task(small_picture(), words="what is it ?")))


async def test_it_answers_about_each_picture(model_store: ModelStore, tiny: Path) -> None:
    said = joined(await look(asking(model_store, tiny), task(small_picture(), small_picture(), words="what")))
    first, second = said.split("\n")
    assert first.startswith("Picture 1: ")
    assert second.startswith("Picture 2: ")


async def test_a_reader_that_leaves_stops_the_model(
    model_store: ModelStore, tiny: Path, tmp_path: Path
) -> None:
    endless = shutil.copytree(tiny, tmp_path / "endless")
    rules = json.loads((endless / "generation_config.json").read_text())
    (endless / "generation_config.json").write_text(json.dumps(rules | {"eos_token_id": None}))
    answer = asking(model_store, endless).run(task(small_picture(), words="what"))
    async for _ in answer:
        break
    await answer.aclose()  # type: ignore[attr-defined]
    assert "vision-language" not in {thread.name for thread in threading.enumerate()}


async def test_a_folder_without_a_model_is_refused(model_store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="not a vision-language model"):
        await asking(model_store, tmp_path).load("vision")
