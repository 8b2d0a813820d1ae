"""Pictures from a real, tiny diffusion pipeline with random weights, made here."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from specialists.base import Chunk, Task
from specialists.content import AUDIO, Part, text_part
from specialists.errors import BadConfig, BadInput, LimitExceeded, Unavailable
from specialists.image import ImageGen, Painter, _Stopped
from specialists.models import ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Weights this small are slower on several threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion pipeline of a few thousand weights."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("pipeline")
    torch.manual_seed(0)
    words = ["<|startoftext|>", "<|endoftext|>", *(chr(97 + n) for n in range(26))]
    words += [f"{chr(97 + n)}</w>" for n in range(26)]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        bos_token_id=0,
        eos_token_id=1,
    )
    made = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=[4, 8],
            norm_num_groups=4,
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=4,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77),
        unet=UNet2DConditionModel(
            block_out_channels=(4, 8),
            layers_per_block=1,
            sample_size=16,
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=4,
        ),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def artist(pipeline: Path, model_store: ModelStore) -> ImageGen:
    options = {"model": f"path:{pipeline}", "device": "cpu", "steps": 2, "width": 32, "height": 32}
    return ImageGen(Setup("imagegen", model_store, LocalRuntime(), options=options))


def task(text: str = "a cat", **params: object) -> Task:
    return Task("t", "imagegen", parts=(text_part(text),), params=params)


async def drawn(artist: ImageGen, asked: Task) -> Chunk:
    chunks = [chunk async for chunk in artist.run(asked)]
    assert len(chunks) == 1
    return chunks[0]


def opened(chunk: Chunk) -> Image.Image:
    assert (chunk.kind, chunk.media_type) == ("image", "image/png")
    return Image.open(io.BytesIO(chunk.data), formats=["PNG"])


async def test_a_picture_of_the_configured_size_is_made(artist: ImageGen) -> None:
    assert artist.card.available
    assert opened(await drawn(artist, task())).size == (32, 32)


async def test_parameters_of_the_task_win(artist: ImageGen) -> None:
    assert opened(await drawn(artist, task(width=64, height=16, steps=1))).size == (64, 16)


async def test_any_size_is_met_to_the_pixel(artist: ImageGen) -> None:
    made = await drawn(artist, task(width=45, height=70, steps=1, seed=1))
    assert opened(made).size == (45, 70)
    middle = opened(await drawn(artist, task(width=48, height=72, steps=1, seed=1))).crop((1, 1, 46, 71))
    assert opened(made).tobytes() == middle.tobytes()


async def test_a_style_joins_the_description_unless_it_stands_there(artist: ImageGen) -> None:
    plain = await drawn(artist, task("A cat.", style="watercolour", steps=1))
    named = await drawn(artist, task("a watercolour of a cat", style="Watercolour", steps=1))
    assert plain.facts["prompt"] == "A cat, watercolour style"
    assert named.facts["prompt"] == "a watercolour of a cat"


async def test_the_seed_decides_the_picture_and_is_told(artist: ImageGen) -> None:
    first = await drawn(artist, task())
    seed = first.facts["seed"]
    assert isinstance(seed, int)
    again = await drawn(artist, task(seed=seed))
    other = await drawn(artist, task(seed=seed + 1))
    assert first.data == again.data != other.data


async def test_the_words_decide_the_picture(artist: ImageGen) -> None:
    cat, instruction, dog = [
        await drawn(artist, asked)
        for asked in (
            task("a cat", seed=1),
            Task("t", "imagegen", instruction="a cat", params={"seed": 1}),
            task("two dogs on the moon", seed=1),
        )
    ]
    assert cat.data == instruction.data != dog.data


async def test_it_stops_between_two_steps(artist: ImageGen) -> None:
    await drawn(artist, task())  # loaded
    painter = artist._painter()
    steps, reached = 0, threading.Event()
    step = painter.pipeline.scheduler.step

    def counted(*args: object, **more: object) -> object:
        nonlocal steps
        steps += 1
        reached.set()
        return step(*args, **more)

    painter.pipeline.scheduler.step = counted
    try:
        reader = asyncio.ensure_future(drawn(artist, task(steps=200)))
        assert await asyncio.to_thread(reached.wait, 20)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    finally:
        painter.pipeline.scheduler.step = step
    assert steps < 200
    assert opened(await drawn(artist, task())).size == (32, 32)


class Older:
    """A pipeline with the callback that diffusers had before `callback_on_step_end`."""

    def __call__(self, prompt: str, callback, callback_steps: int, generator: object) -> None:  # type: ignore[no-untyped-def]
        callback(0, 0, None)
        raise AssertionError("went on")


def test_older_pipelines_stop_too() -> None:
    painter = Painter(Older(), frozenset({"prompt", "callback", "callback_steps"}))
    stop = threading.Event()
    with pytest.raises(AssertionError, match="went on"):
        painter.paint("a cat", 0, {}, stop)
    stop.set()
    with pytest.raises(_Stopped):
        painter.paint("a cat", 0, {}, stop)


async def test_concurrent_calls_do_not_mix(artist: ImageGen) -> None:
    alone = [(await drawn(artist, task(seed=seed))).data for seed in range(3)]
    together = await asyncio.gather(*(drawn(artist, task(seed=seed)) for seed in range(3)))
    assert [chunk.data for chunk in together] == alone


@pytest.mark.parametrize(
    "params",
    [
        {"width": 15},
        {"height": 100_000},
        {"style": 5},
        {"steps": 0},
        {"steps": True},
        {"seed": -1},
        {"seed": "x"},
    ],
)
async def test_impossible_parameters_are_refused(artist: ImageGen, params: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(params))):
        await drawn(artist, task(**params))


async def test_what_is_no_description_is_refused(artist: ImageGen) -> None:
    with pytest.raises(BadInput, match="no description"):
        await drawn(artist, task(" "))
    with pytest.raises(BadInput, match="cannot draw from audio"):
        await drawn(artist, Task("t", "imagegen", parts=(Part(AUDIO),)))
    with pytest.raises(LimitExceeded, match="4000"):
        await drawn(artist, task("x" * 4001))


async def test_without_a_model_it_says_what_to_configure(model_store: ModelStore) -> None:
    nothing = ImageGen(Setup("imagegen", model_store, LocalRuntime()))
    assert not nothing.card.available
    assert '[specialists.imagegen]: model = "hf:' in nothing.card.remedy
    for attempt in (nothing.load(), anext(nothing.run(task()))):  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match="configuration"):
            await attempt


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"width": "big"}, {"guidance": -1}, {"device": "tpu"}, {"size": 3}]
)
def test_bad_options_are_refused(model_store: ModelStore, options: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        ImageGen(Setup("imagegen", model_store, LocalRuntime(), options=options))


async def test_what_is_no_pipeline_is_refused(model_store: ModelStore, tmp_path: Path) -> None:
    broken = ImageGen(Setup("imagegen", model_store, LocalRuntime(), options={"model": f"path:{tmp_path}"}))
    with pytest.raises(BadConfig, match="diffusers pipeline"):
        await broken.load()


async def test_weights_that_are_pickles_are_refused(
    pipeline: Path, model_store: ModelStore, tmp_path: Path
) -> None:
    import shutil

    import torch
    from safetensors.torch import load_file

    shutil.copytree(pipeline, tmp_path / "model")
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    pickled = ImageGen(
        Setup("imagegen", model_store, LocalRuntime(), options={"model": f"path:{tmp_path}/model"})
    )
    with pytest.raises(BadConfig, match="safetensors"):
        await pickled.load()


def test_the_card_offers_requests(artist: ImageGen) -> None:
    assert len(set(artist.card.examples)) >= 20
    assert {parameter.name for parameter in artist.card.parameters} >= {"steps", "width", "height", "seed"}
    assert {p.name for p in artist.card.parameters if p.meaning} == {"style", "width", "height"}
