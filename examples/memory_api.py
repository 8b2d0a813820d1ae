"""Memory by itself: remember, recall, link, state, forget. No engine, no models but the built-in encoder.

    python examples/memory_api.py

It works in a temporary folder. `docs/memory.md` explains what is called here.
"""

from __future__ import annotations

import io
import tempfile
from datetime import datetime
from pathlib import Path

from PIL import Image

from memory.forgetting import Forget
from memory.records import Query, Record
from memory.store import MemoryStore
from specialists.content import IMAGE, TEXT

MEDIA = Path(__file__).parent / "media"


def said(text: str, day: str, turn: int, role: str = "user") -> Record:
    when = datetime.fromisoformat(day).timestamp()
    return Record(text, TEXT, role, session="home", turn=turn, time=when)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, MemoryStore.open(Path(folder)) as store:
        picture = store.blobs.put((MEDIA / "cat.jpg").read_bytes(), "image/jpeg")
        found = Record(
            "a tabby cat on a sofa",
            IMAGE,
            "evidence",
            session="home",
            turn=3,
            source="vision",
            key="a key of your own",
            blobs=(picture.digest,),
            media=(IMAGE,),
            time=datetime.fromisoformat("2026-03-09").timestamp(),
        )
        store.remember(
            [
                said("We live in Halle.", "2026-03-02", 1),
                said("The boiler makes a knocking noise when it heats up.", "2026-03-05", 2),
                said("Who is this?", "2026-03-09", 3),
                found,
                said("That is a tabby cat.", "2026-03-09", 3, role="assistant"),
                said("We moved to Leipzig.", "2026-06-01", 4),
                said("My sister's phone number is 0341 5550199.", "2026-06-02", 5),
            ]
        )

        print("Recall, though hardly a word is the same:")
        (hit,) = store.recall("what is wrong with the heating?", k=1)
        print(f"  {hit.record.text}  {dict(hit.ranks)}")

        print("By picture, and what belongs to the same turn:")
        (hit,) = store.recall(Query(blobs=(picture.digest,), k=1))
        print(f"  {hit.record.text}")
        for other in store.linked(hit.record):
            print(f"    {other.role}: {other.text}")

        print("By a part of it, smaller:")
        (hit,) = store.recall(Query(like=(_cut(MEDIA / "cat.jpg"),), k=1))
        print(f"  {hit.record.text}; then was said: {store.complete(hit)[0].text}")

        print("The same asked again costs no model:")
        known = store.evidence("a key of your own")
        print(f"  {known.source if known else 'nobody'} found: {known.text if known else ''}")

        store.consolidate()
        print("Facts, with what held before:")
        for fact in store.facts(ended=True):
            print(f"  {fact.text}  {_day(fact.valid_from)} to {_day(fact.valid_to)}")
        (summary,) = store.recall(Query("where do we live?", k=1, levels=("summary",)))
        print(f"  summary: {summary.record.text}")

        wish = Forget(query="phone number")
        extent = store.erasable(wish)
        print(f"To be forgotten: {len(extent.rows)} records, what was made of them included")
        proof = store.erase(wish).proof
        left = ", ".join(proof.left) or "nothing"
        print(f"Looked for {proof.pieces} pieces in {len(proof.looked)} places; left: {left}")
        wrong = ", ".join(finding.check for finding in store.audit() if finding.wrong) or "nothing"
        print(f"Audit: {wrong} is wrong")


def _cut(path: Path) -> bytes:
    """A part of a picture, smaller, as a file of its own."""
    image = Image.open(path)
    part = image.crop((30, 20, image.width - 40, image.height - 30))
    out = io.BytesIO()
    part.resize((part.width // 2, part.height // 2)).save(out, "JPEG")
    return out.getvalue()


def _day(moment: float | None) -> str:
    return "now" if moment is None else datetime.fromtimestamp(moment).strftime("%Y-%m-%d")


if __name__ == "__main__":
    main()
