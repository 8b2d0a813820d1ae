"""How well statements are told from questions, requests and the like, and what becomes of updates.

    python -m benchmarks.facts        # under a second; no model

Prints precision and recall of facts over `data/statements.jsonl`, by what was written, and the misses.
A case is one message: `text`, its `kind`, and `facts`, the stretches that are to become facts (none for
most kinds). A fact counts as found when it holds all words of such a stretch and no other is claimed for it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from memory.facts import stated
from memory.records import Record
from memory.sentences import words

DATA = Path(__file__).parent / "data" / "statements.jsonl"


def main() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    misses: list[str] = []
    for line in DATA.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        found = [s.text for s in stated(Record(case["text"], "text", "user", id="x"))]
        open_ = list(found)
        for wanted in case["facts"]:
            hit = next((text for text in open_ if set(words(wanted)) <= set(words(text))), None)
            counts[case["kind"], "wanted"] += 1
            if hit is None:
                misses.append(f"missed  {wanted!r} in {case['text']!r}")
            else:
                open_.remove(hit)
                counts[case["kind"], "right"] += 1
        counts[case["kind"], "cases"] += 1
        counts[case["kind"], "found"] += len(found)
        misses += [f"wrong   {text!r} in {case['text']!r}" for text in open_]
    kinds = list(dict.fromkeys(kind for kind, _ in counts))
    print(f"{'kind':<14}{'messages':>9}{'facts':>7}{'found':>7}{'right':>7}")
    for kind in kinds:
        row = [counts[kind, column] for column in ("cases", "wanted", "found", "right")]
        print(f"{kind:<14}{row[0]:>9}{row[1]:>7}{row[2]:>7}{row[3]:>7}")
    total = {
        column: sum(counts[kind, column] for kind in kinds)
        for column in ("cases", "wanted", "found", "right")
    }
    print(f"\nprecision {total['right'] / max(1, total['found']):.3f}, ", end="")
    print(f"recall {total['right'] / max(1, total['wanted']):.3f} over {total['cases']} messages\n")
    print("\n".join(misses))


if __name__ == "__main__":
    main()
