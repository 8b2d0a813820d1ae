"""Planning over catalogues that were never seen: which tools, and which works on the result of which.

The requests of `benchmarks/data/planning-held-out.jsonl`: three catalogues, 166 tools, of one to six steps.
A node is a tool of the plan, an edge a pair of tools of which the second works on the result of the first.
Precision, recall and F1 are over all nodes and edges together. Baselines in the same run: tools by the words
that a request shares with their descriptions (BM25), and by the sense of both (MiniLM), each once with the
three best and once with as many as the right plan has; linked where their kinds fit, in the order found.

    python benchmarks/planning.py            # a quarter of a minute
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from orchestrator.cli.models import ensure
from orchestrator.config import ControllerTable, load
from orchestrator.controller.build import by_example
from orchestrator.controller.catalogues import Catalogue, Planned, read
from orchestrator.controller.features import Embed
from orchestrator.controller.route import decision_of
from orchestrator.controller.text_form import offers
from orchestrator.planner import plan
from orchestrator.vectors import cached
from specialists.base import Card
from specialists.embed import encoder
from specialists.models import ModelStore

HELD_OUT = Path(__file__).parent / "data" / "planning-held-out.jsonl"

Edges = frozenset[tuple[str, str]]
Solve = Callable[[Planned], tuple[Sequence[str], Edges]]
"""The tools of a plan and its edges."""


@dataclass
class Counts:
    """How many were right, too many, and missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, found: frozenset, wanted: frozenset) -> None:
        self.right += len(found & wanted)
        self.wrong += len(found - wanted)
        self.missed += len(wanted - found)

    def __str__(self) -> str:
        precision = self.right / max(1, self.right + self.wrong)
        recall = self.right / max(1, self.right + self.missed)
        f1 = 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)
        return f"{precision:6.1%} {recall:6.1%} {f1:6.1%}"


@dataclass
class Result:
    nodes: Counts = field(default_factory=Counts)
    edges: Counts = field(default_factory=Counts)
    tools_right: int = 0
    plans_right: int = 0
    requests: int = 0
    seconds: list[float] = field(default_factory=list)
    by_steps: dict[int, list[bool]] = field(default_factory=dict)


def ours(catalogue: Catalogue, embed: Embed) -> Solve:
    controller = by_example(ControllerTable(kind="fitted"), embed)

    def solve(asked: Planned) -> tuple[Sequence[str], Edges]:
        chosen = controller.decide(asked.request, catalogue.cards)
        parts = ["text", *asked.request.attachments]
        planned = plan(decision_of(chosen.controls), parts, catalogue.cards, hints=chosen.hints)
        names = {step.id: step.specialist for step in planned.steps}
        edges = {(names[before], step.specialist) for step in planned.steps for before in step.after}
        return list(names.values()), frozenset(edges)

    return solve


def by_score(cards: Sequence[Card], score: Callable[[str], np.ndarray], wanted: int | None) -> Solve:
    def solve(asked: Planned) -> tuple[Sequence[str], Edges]:
        best = np.argsort(-score(asked.request.text), kind="stable")[: wanted or len(asked.tools)]
        return [cards[i].name for i in best], chained([cards[i] for i in best])

    return solve


def chained(cards: Sequence[Card]) -> Edges:
    """Each tool works on the result of the nearest tool before it whose kind it takes."""
    edges = set()
    for i, card in enumerate(cards):
        for before in reversed(cards[:i]):
            if set(before.produces) & set(card.consumes):
                edges.add((before.name, card.name))
                break
    return frozenset(edges)


def by_words(cards: Sequence[Card]) -> Callable[[str], np.ndarray]:
    """BM25 (Robertson and Zaragoza, 2009) of a request's words over names and descriptions."""
    texts = [Counter(re.findall(r"[a-z0-9]+", offers(card)[0])) for card in cards]
    length = sum(map(Counter.total, texts)) / len(texts)
    seen = Counter(word for text in texts for word in text)

    def score(request: str) -> np.ndarray:
        found = np.zeros(len(texts))
        for word in set(re.findall(r"[a-z0-9]+", request.lower())) & set(seen):
            rarity = math.log(1 + (len(texts) - seen[word] + 0.5) / (seen[word] + 0.5))
            for i, text in enumerate(texts):
                found[i] += rarity * text[word] * 2.2 / (text[word] + 0.3 + 0.9 * text.total() / length)
        return found

    return score


def by_sense(cards: Sequence[Card], embed: Embed) -> Callable[[str], np.ndarray]:
    vectors = embed([offers(card)[0] for card in cards])
    return lambda request: vectors @ embed([request])[0]


def measure(solver: Callable[[Catalogue], Solve], catalogues: Sequence[Catalogue]) -> Result:
    result = Result()
    for catalogue in catalogues:
        solve = solver(catalogue)
        solve(catalogue.requests[0])  # the first call reads the catalogue
        for asked in catalogue.requests:
            began = time.perf_counter()
            tools, edges = solve(asked)
            result.seconds.append(time.perf_counter() - began)
            nodes, wanted = frozenset(tools), frozenset(asked.tools)
            result.nodes.add(nodes, wanted)
            result.edges.add(edges, asked.links)
            whole = nodes == wanted and edges == asked.links
            result.tools_right += nodes == wanted
            result.plans_right += whole
            result.requests += 1
            result.by_steps.setdefault(len(asked.tools), []).append(whole)
    return result


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    catalogues = read(HELD_OUT)
    solvers: list[tuple[str, Callable[[Catalogue], Solve]]] = []
    for name, wanted in (("3 best", 3), ("as many as right", None)):
        solvers += [
            (f"words (BM25), {name}", lambda c, k=wanted: by_score(c.cards, by_words(c.cards), k)),
            (f"sense (MiniLM), {name}", lambda c, k=wanted: by_score(c.cards, by_sense(c.cards, embed), k)),
        ]
    solvers.append(("fitted router (default)", lambda c: ours(c, embed)))
    tools = sum(len(c.cards) for c in catalogues)
    print(f"{len(catalogues)} catalogues, {tools} tools, {sum(len(c.requests) for c in catalogues)} requests")
    columns = f"{'nodes: P':>9} {'R':>6} {'F1':>6}  {'edges: P':>9} {'R':>6} {'F1':>6}"
    print(f"{'':32} {columns}  all tools  whole plan")
    for name, solver in solvers:
        result = measure(solver, catalogues)
        shares = f"{result.tools_right / result.requests:8.1%}  {result.plans_right / result.requests:10.1%}"
        print(f"{name:32}    {result.nodes}     {result.edges}  {shares}")
    for catalogue in catalogues:
        alone = measure(solvers[-1][1], [catalogue])
        print(f"  {catalogue.name[:24]:24} ({len(catalogue.cards)})    {alone.nodes}     {alone.edges}")
    whole = "  ".join(f"{n}: {np.mean(rights):.0%}" for n, rights in sorted(result.by_steps.items()))
    p50, p95 = np.percentile(result.seconds, (50, 95)) * 1000
    print(f"whole plans right by number of tools: {whole}")
    print(f"a plan takes {p50:.1f} ms (p50), {p95:.1f} ms (p95), once the catalogue is read")


if __name__ == "__main__":
    main()
