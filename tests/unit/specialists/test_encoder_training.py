"""Fitting heads on an encoder: a tiny one, with random weights, learns two words apart."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from specialists.encoder_heads import EncoderHeads
from specialists.encoder_training import HeadTrainer, Recipe, Row
from specialists.errors import BadConfig
from tests.unit.specialists.tiny_encoder import WORDS, make_encoder

RECIPE = Recipe(epochs=30, batch=8, encoder_rate=3e-3, head_rate=1e-2, tokens=16, seed=3)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("start"))


def rows() -> list[Row]:
    """The first head: whether `cat` is asked for. The second: whether `dog` was said before."""
    pairs = [(a, b) for a in WORDS for b in ("", *WORDS)] * 4
    return [Row(a, b, (float(a == "cat"), float(b == "dog")), (1.0, 1.0)) for a, b in pairs]


def fitted(start: Path, folder: Path, examples: list[Row]) -> tuple[EncoderHeads, list[float]]:
    losses: list[float] = []
    trainer = HeadTrainer(start, 2, RECIPE)
    trainer.fit(examples, lambda row, _: row, lambda _, loss: losses.append(loss))
    trainer.export(folder / "model.onnx")
    return EncoderHeads(folder / "model.onnx", start / "tokenizer.json", RECIPE.tokens), losses


def test_what_was_learned_is_in_the_file(start: Path, tmp_path: Path) -> None:
    heads, losses = fitted(start, tmp_path, rows())
    assert losses[-1] < losses[0] / 2
    assert [tuple(heads.logits(*pair) > 0) for pair in (("cat", "dog"), ("dog", ""), ("tree", "cat"))] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_the_same_seed_gives_the_same_model(start: Path, tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(fitted(start, tmp_path / name, rows()[:16])[0].logits("cat", "dog"))
    np.testing.assert_array_equal(*found)


def test_a_target_without_weight_teaches_nothing(start: Path, tmp_path: Path) -> None:
    shown = [Row(row.first, row.second, (row.targets[0], 1.0), (1.0, 0.0)) for row in rows()]
    heads, _ = fitted(start, tmp_path, shown)
    assert abs(heads.logits("cat", "")[1]) < abs(heads.logits("cat", "")[0])


def test_each_epoch_sees_new_wording(start: Path) -> None:
    seen: list[str] = []

    def vary(row: Row, rng: random.Random) -> Row:
        seen.append(rng.choice(WORDS))
        return row

    trainer = HeadTrainer(start, 2, Recipe(epochs=2, batch=4, tokens=16))
    trainer.fit(rows()[:8], vary, lambda *_: None)
    assert len(seen) == 16


def test_files_that_are_no_model_are_refused(start: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(BadConfig, match="not a fitted encoder"):
        EncoderHeads(tmp_path / "model.onnx", start / "tokenizer.json", 16)
