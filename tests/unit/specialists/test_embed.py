"""Vectors with the real encoder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from specialists.base import Task
from specialists.content import IMAGE, Part, kinds, text_part
from specialists.embed import MEDIA_TYPE, VECTOR, Embed, TextEncoder
from specialists.errors import BadConfig, BadInput, LimitExceeded
from specialists.media import Limits
from specialists.models import DEFAULTS, ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime


@pytest.fixture(scope="module")
def encoder(model_store: ModelStore) -> TextEncoder:
    return TextEncoder(model_store)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("The cat sits on the mat.", "A kitten is lying on a rug.", "The stock market fell today."),
        ("How much did lunch cost?", "What was the price of the meal?", "Who painted this picture?"),
        ("Read this aloud to me.", "Say the text with your voice.", "How tall is the tower?"),
    ],
)
def test_closeness_is_closeness_of_meaning(encoder: TextEncoder, text: str, near: str, far: str) -> None:
    vectors = encoder.encode([text, near, far])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.15


def test_vectors_are_unit_vectors_of_one_width(encoder: TextEncoder) -> None:
    vectors = encoder.encode(["a", "", "\ud800 broken", "word " * 5000])
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert encoder.encode([]).shape == (0, 384)


def test_a_text_has_one_vector_whatever_stands_beside_it(encoder: TextEncoder) -> None:
    texts = ["short", "a text of a good many more words than the first one has", "the end"] * 25
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts[:3]])
    assert together[:3] == pytest.approx(alone, abs=2e-3)
    assert together[-3:] == pytest.approx(alone, abs=2e-3)


def test_threads_may_share_an_encoder(model_store: ModelStore) -> None:
    fresh = TextEncoder(model_store)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fresh.encode, [["one"], ["two"], ["one"], ["two"]]))
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[1], found[3])


async def test_the_specialist_answers_with_a_vector_a_part(model_store: ModelStore) -> None:
    specialist = Embed(Setup("embed", model_store, LocalRuntime()))
    task = Task("t", "embed", parts=tuple(text_part(f"text {number}") for number in range(40)))
    chunks = [chunk async for chunk in specialist.run(task)]
    assert [chunk.anchor.part for chunk in chunks if chunk.anchor] == list(range(40))
    assert {(chunk.kind, chunk.media_type) for chunk in chunks} == {(VECTOR, MEDIA_TYPE)}
    direct = TextEncoder(model_store).encode(["text 7"])[0]
    assert np.frombuffer(chunks[7].data, "<f4") == pytest.approx(direct, abs=2e-3)
    assert VECTOR in kinds()


async def test_what_is_no_text_is_refused(model_store: ModelStore) -> None:
    specialist = Embed(Setup("embed", model_store, LocalRuntime(), limits=Limits(text_bytes=10)))
    for task, error in (
        (Task("t", "embed"), BadInput),
        (Task("t", "embed", parts=(Part(IMAGE, name="cat.jpg"),)), BadInput),
        (Task("t", "embed", instruction="x" * 11), LimitExceeded),
    ):
        with pytest.raises(error):
            _ = [chunk async for chunk in specialist.run(task)]


def test_an_encoder_in_one_folder_is_found(model_store: ModelStore, tmp_path: Path) -> None:
    weights, tokenizer = map(model_store.resolve, DEFAULTS["embed"])
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").symlink_to(weights)
    (tmp_path / "tokenizer.json").symlink_to(tokenizer)
    assert TextEncoder(model_store, (f"path:{tmp_path}",)).encode(["a"]).shape == (1, 384)


def test_what_is_no_encoder_is_refused(model_store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"holds no model\.onnx"):
        TextEncoder(model_store, (f"path:{tmp_path}",)).load()
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(BadConfig, match="not a text encoder"):
        TextEncoder(model_store, (f"path:{tmp_path}",)).load()
    with pytest.raises(BadConfig, match="no model"):
        Embed(Setup("embed", model_store, LocalRuntime(), options={"tokenizer": "path:/x"}))


def test_tokens_come_with_the_characters_they_cover(encoder: TextEncoder) -> None:
    texts = ["The ferry to Bergen", "", "A"]
    found = encoder.encode_tokens(texts)
    np.testing.assert_array_equal([text.vector for text in found], encoder.encode(texts))
    assert [texts[0][start:end] for start, end in found[0].spans] == ["The", "ferry", "to", "Bergen"]
    assert [text.states.shape for text in found] == [(4, 64), (0, 64), (1, 64)]
    assert found[0].states.dtype == np.int8
    assert abs(found[0].states).max(axis=1).tolist() == [127] * 4


def test_a_token_is_nearest_to_one_of_its_sense(encoder: TextEncoder) -> None:
    boat, other = encoder.encode_tokens(["a boat across the water", "she fixed the oven on Monday"])
    ferry = encoder.encode_tokens(["the ferry"])[0].states[1].astype(float)
    near, far = (
        (text.states @ ferry / np.linalg.norm(text.states.astype(float), axis=1)).max()
        for text in (boat, other)
    )
    assert near > far * 1.2


def test_any_other_encoder_has_tokens_too(model_store: ModelStore, tmp_path: Path) -> None:
    for name, uri in zip(("model.onnx", "tokenizer.json"), DEFAULTS["embed"], strict=True):
        (tmp_path / name).symlink_to(model_store.resolve(uri))
    (found,) = TextEncoder(model_store, (f"path:{tmp_path}",)).encode_tokens(["two words"])
    assert found.states.shape == (2, 128)
