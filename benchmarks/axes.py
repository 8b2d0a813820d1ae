"""Makes `specialists/embed_axes.npy`: the axes in which memory keeps the token states of the text encoder.

Memory keeps a small vector of every token of what it remembers, for which 384 dimensions are too many. The
axes begin as those of the largest second moments (principal components, not centred) of the states of 1,500
sentences. Then they are fitted, as `memory.late` uses them: so that the turns that answer a question of
`benchmarks/data/asked.jsonl` score higher than all others of forty conversations (softmax cross-entropy over
MaxSim: Khattab and Zaharia, "ColBERT", 2020). The encoder stays as it is. Of the fourteen hands that wrote
those questions, each is printed before and after; `--keep-back` leaves one out of the fit. A store embeds
everything again when it is opened with other axes.

    python benchmarks/axes.py [--keep-back h1]            # four minutes
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from memory.answering import AROUND, SENSE
from memory.late import AFTER, BEFORE, Question, words_of
from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.controller.exemplars import built_in
from specialists.embed import AXES, TextEncoder
from specialists.models import ModelStore

DATA = Path(__file__).parent / "data" / "asked.jsonl"
WIDTH = 64
SENTENCES = 1500
STEPS = 200
QUESTIONS = 80
"""Questions a step, of one hand."""
RATE = 1e-3
SHARPNESS = 15.0
"""What scores are multiplied by in the softmax: chosen with one hand kept back."""
FIRST = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: the states of its tokens [n, 384], what each counts [n], the sense of the conversation at
    each turn as it weighs for it [turns], and the turns that answer it."""

    states: torch.Tensor
    weights: torch.Tensor
    sense: torch.Tensor
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Talks:
    """What one hand wrote: the states of all tokens [tokens, 384], the turn of each, and for each turn
    whether the one before and the one after belong to the same conversation."""

    states: torch.Tensor
    turns: torch.Tensor
    after: torch.Tensor
    before: torch.Tensor
    asked: tuple[Asked, ...]

    def scores(self, axes: torch.Tensor, asked: Sequence[Asked]) -> torch.Tensor:
        """As `memory.late` has them, with the sense: [questions, turns]."""
        tokens = torch.cat([one.states for one in asked])
        cosines = _unit(tokens @ axes) @ _unit(self.states @ axes).T
        own = torch.full((len(tokens), len(self.after)), -1.0)
        own = own.scatter_reduce(1, self.turns.expand(len(tokens), -1), cosines, "amax")
        nothing = torch.zeros(len(tokens), 1)
        earlier = torch.cat([nothing, own[:, :-1]], 1) * self.after
        later = torch.cat([own[:, 1:], nothing], 1) * self.before
        best = torch.maximum(own, torch.maximum(BEFORE * earlier, AFTER * later))
        found = best.split([len(one.states) for one in asked])
        return torch.stack([one.weights @ some + one.sense for one, some in zip(asked, found, strict=True)])

    def recall(self, axes: torch.Tensor) -> float:
        """The share of answers among the first `FIRST` turns."""
        with torch.no_grad():
            places = (-self.scores(axes, self.asked)).argsort(1).argsort(1)
        shares = [(places[i, list(one.answers)] < FIRST).float().mean() for i, one in enumerate(self.asked)]
        return float(torch.stack(shares).mean())


class States:
    """The encoder's vectors, token states and places of the tokens of texts."""

    def __init__(self) -> None:
        settings = load()
        ensure(settings, ["embed"])
        self._encoder = TextEncoder(ModelStore(settings.engine.models))

    def of(self, text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, states, vectors = self._encoder._states([text])
        kept = np.array(rows[0].attention_mask, bool) & ~np.array(rows[0].special_tokens_mask, bool)
        found = states[0][kept]
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return vectors[0], found, np.array(rows[0].offsets, np.int32).reshape(-1, 2)[kept]


def principal(states: States) -> torch.Tensor:
    """The main axes of the exemplars' tokens, float32 [384, WIDTH]."""
    texts = [exemplar.request.text for exemplar in built_in() if exemplar.request.text][-SENTENCES:]
    rows = np.concatenate([states.of(text)[1] for text in texts])
    values, axes = np.linalg.eigh(rows.T @ rows)
    kept = values[-WIDTH:].sum() / values.sum()
    print(f"{WIDTH} of {len(values)} main axes keep {kept:.0%} of the squared length")
    return torch.tensor(axes[:, ::-1][:, :WIDTH].astype(np.float32))


def read(states: States) -> dict[str, Talks]:
    """The conversations and questions of each hand."""
    written: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in DATA.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        written[row["hand"]].append(row)
    return {hand: _talks(rows, states) for hand, rows in written.items()}


def _talks(rows: Sequence[dict[str, Any]], states: States) -> Talks:
    texts = [f"{who}: {text}" for row in rows for who, text in row["turns"]]
    talk = np.array([number for number, row in enumerate(rows) for _ in row["turns"]])
    begins = np.searchsorted(talk, np.arange(len(rows)))
    found = [states.of(text) for text in texts]
    having = Counter(word for text in texts for word in words_of(text))
    vectors = np.stack([vector for vector, _, _ in found])
    around = np.zeros_like(vectors)
    for offset, weight in AROUND.items():
        for turn in range(len(texts)):
            if 0 <= turn + offset < len(texts) and talk[turn + offset] == talk[turn]:
                around[turn] += weight * vectors[turn + offset]
    around /= np.linalg.norm(around, axis=1, keepdims=True)

    def asked(question: str, answers: tuple[int, ...]) -> Asked:
        vector, tokens, spans = states.of(question)
        rarity = {word: math.log(1 + len(texts) / (1 + having[word])) for word in words_of(question)}
        weights = Question.of(question, tokens, spans, rarity).weights
        sense = torch.tensor(SENSE * (around @ vector))
        return Asked(torch.tensor(tokens), torch.tensor(weights), sense, answers)

    same = torch.tensor(talk[1:] == talk[:-1])
    edge = torch.zeros(1, dtype=torch.bool)
    return Talks(
        torch.tensor(np.concatenate([tokens for _, tokens, _ in found])),
        torch.tensor(np.repeat(np.arange(len(texts)), [len(tokens) for _, tokens, _ in found])),
        torch.cat([edge, same]),
        torch.cat([same, edge]),
        tuple(
            asked(one["question"], tuple(int(begins[number]) + turn for turn in one["evidence"]))
            for number, row in enumerate(rows)
            for one in row["questions"]
        ),
    )


def fitted(start: torch.Tensor, talks: Sequence[Talks]) -> torch.Tensor:
    """The axes after `STEPS` steps, each over some questions of one hand."""
    torch.manual_seed(0)
    axes = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([axes], lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, STEPS)
    for _ in range(STEPS):
        written = talks[int(torch.randint(len(talks), ()))]
        asked = [written.asked[i] for i in torch.randperm(len(written.asked))[:QUESTIONS]]
        shares = torch.log_softmax(SHARPNESS * written.scores(axes, asked), 1)
        loss = -torch.stack([shares[i, list(one.answers)].mean() for i, one in enumerate(asked)]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return axes.detach()


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keep-back", default="", help="a hand that is not learned from; nothing is written")
    kept_back = parser.parse_args().keep_back
    states = States()
    start, talks = principal(states), read(states)
    axes = fitted(start, [written for hand, written in talks.items() if hand != kept_back])
    for hand, written in talks.items():
        before, after = written.recall(start), written.recall(axes)
        note = "  (kept back)" if hand == kept_back else ""
        print(f"{hand}: answers among the first {FIRST}: {before:.1%} before, {after:.1%} fitted{note}")
    if not kept_back:
        np.save(AXES, axes.numpy().astype(np.float16))


if __name__ == "__main__":
    main()
