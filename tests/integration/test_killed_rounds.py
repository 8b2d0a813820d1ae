"""A few rounds of `benchmarks/durability.py`: processes are killed while they write, forget and index."""

from __future__ import annotations

from pathlib import Path

from benchmarks import durability


def test_what_was_acknowledged_survives_six_kills(tmp_path: Path) -> None:
    totals = durability.run(6, 11, tmp_path)
    assert totals.losses == []
    assert totals.wrong == []
    assert (totals.rounds, totals.full_rounds) == (6, 1)
    assert totals.acks > 20


def test_a_loss_is_seen(tmp_path: Path) -> None:
    ledger = durability.Ledger()
    with durability.MemoryStore.open(tmp_path / "store", durability.embed) as store:
        (kept, lost) = store.remember(
            [durability.Record(text, "text", "user", "s", 1) for text in ("a", "b")]
        )
        for record in (kept, lost):
            ledger.note(f"record {record.id} s 00 zq")
        ledger.note("event s 2")
        ledger.note("writes s zq")
        store.forget([lost.id])
    outcome = durability.check(tmp_path / "store", ledger)
    assert outcome.losses == [f"record {lost.id} with 00", "event 2 of s"]
    ledger.note(f"forgot {kept.id}")
    assert durability.check(tmp_path / "store", ledger).wrong == [f"record {kept.id} is back"]
