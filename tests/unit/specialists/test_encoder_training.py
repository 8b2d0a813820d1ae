"""Fitting the router's network: a tiny one, with random weights, learns words apart, and what links them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from specialists.encoder_heads import EncoderHeads
from specialists.encoder_training import Ask, Recipe, RouterTrainer, Row, Shelf
from specialists.errors import BadConfig
from tests.unit.specialists.tiny_encoder import WORDS, make_encoder

RECIPE = Recipe(epochs=40, batch=8, encoder_rate=3e-3, head_rate=1e-2, match_rate=3e-3, tokens=16, seeds=(1,))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("start"))


def rows() -> list[Row]:
    """The first head: whether `cat` is asked for. The second: whether `dog` was said before."""
    pairs = [(a, b) for a in WORDS for b in ("", *WORDS)] * 4
    return [Row(a, b, (float(a == "cat"), float(b == "dog")), (1.0, 1.0)) for a, b in pairs]


def plainly(first: str, second: str, may_fill: bool, rng: random.Random) -> tuple[str, str]:
    return first, second


def fitted(
    start: Path, folder: Path, examples: list[Row], shelves: list[Shelf] | None = None
) -> tuple[EncoderHeads, list[float]]:
    losses: list[float] = []
    trainer = RouterTrainer(start, 2, RECIPE)
    trainer.fit(examples, shelves or [], plainly, lambda _, loss: losses.append(loss))
    trainer.export(folder / "model.onnx", folder / "model.npz")
    heads = EncoderHeads(folder / "model.onnx", folder / "model.npz", start / "tokenizer.json", RECIPE.tokens)
    return heads, losses


def shelf() -> Shelf:
    """Each word asks for the offer that names it; the dog works on what the cat made, and not the reverse."""
    asks = [Ask(word, "", (i,)) for i, word in enumerate(WORDS)]
    asks += [Ask("cat dog", "", (0, 1), ((0, 1),)), Ask("dog cat", "", (0, 1), ((0, 1),))]
    return Shelf(tuple((word,) for word in WORDS), tuple(asks * 6), frozenset({(0, 1), (1, 0)}))


def test_what_was_learned_is_in_the_file(start: Path, tmp_path: Path) -> None:
    heads, losses = fitted(start, tmp_path, rows())
    assert losses[-1] < losses[0] / 2
    assert [tuple(heads.logits(*pair) > 0) for pair in (("cat", "dog"), ("dog", ""), ("tree", "cat"))] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.npz", "model.onnx"]


@pytest.fixture(scope="module")
def matching(start: Path, tmp_path_factory: pytest.TempPathFactory) -> EncoderHeads:
    return fitted(start, tmp_path_factory.mktemp("matching"), rows()[:4], [shelf()])[0]


def test_a_request_finds_the_offers_it_asks_for_and_what_links_them(matching: EncoderHeads) -> None:
    offers = matching.offers([(word,) for word in WORDS])
    matched = matching.match("dog cat", "", offers)
    assert [share > 0.5 for share in matched.share] == [True, True, False]
    assert matched.at[1] < matched.at[0]
    assert matched.links[0, 1] > 0 > matched.links[1, 0]
    alone = matching.match("tree", "", offers)
    assert [share > 0.5 for share in alone.share] == [False, False, True]
    assert alone.words[2] == "tree"


def test_what_was_said_before_asks_for_nothing(matching: EncoderHeads) -> None:
    offers = matching.offers([(word,) for word in WORDS])
    assert (matching.match("tree", "cat dog", offers).at < len(("[CLS]", "tree", "[SEP]"))).all()


def test_several_texts_speak_for_one_offer(matching: EncoderHeads) -> None:
    offers = matching.offers([("tree", "cat"), ("dog",)])
    assert matching.match("cat", "", offers).share[0] > 0.5
    assert matching.match("cat", "", offers).share.shape == (2,)


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

    def vary(first: str, second: str, may_fill: bool, rng: random.Random) -> tuple[str, str]:
        seen.append(first)
        return first, second

    trainer = RouterTrainer(start, 2, Recipe(epochs=2, batch=4, tokens=16, seeds=(0,)))
    trainer.fit(rows()[:8], [shelf()], vary, lambda *_: None)
    assert len(seen) == 2 * (8 + len(shelf().asks))


def test_files_that_are_no_model_are_refused(start: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(BadConfig, match="not a fitted encoder"):
        EncoderHeads(tmp_path / "model.onnx", tmp_path / "model.npz", start / "tokenizer.json", 16)


def test_of_two_runs_there_is_a_mean_as_well(start: Path) -> None:
    trainer = RouterTrainer(start, 2, Recipe(epochs=1, batch=8, tokens=16, seeds=(0, 1)))
    one, other, mean = trainer.fit(rows()[:8], [], plainly, lambda *_: None)
    assert not np.array_equal(one["heads.weight"], other["heads.weight"])
    np.testing.assert_allclose(
        mean["heads.weight"], (one["heads.weight"] + other["heads.weight"]) / 2, atol=1e-7
    )
