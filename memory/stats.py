"""What a store holds, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexState:
    """How recall works now. `mode` is "words and meaning" or "words only".

    `embedded` records have their vector, `pending` ones wait for it; `problem` is why the encoder failed
    the last time it was asked. `search` says how the nearest vectors are found: exactly, or by an
    approximate index with the recall that it was seen to have.
    """

    mode: str
    embedded: int
    pending: int
    problem: str = ""
    search: str = "not loaded"


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts; `blob_bytes` and `database_bytes` are what they take on disk."""

    records: int
    by_role: Mapping[str, int]
    by_kind: Mapping[str, int]
    sessions: int
    events: int
    blobs: int
    blob_bytes: int
    database_bytes: int
    index: IndexState
