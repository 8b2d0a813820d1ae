"""The memory store: records, blobs and session logs in one folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from memory import uses
from memory.blobs import BlobStore
from memory.corrections import Corrections
from memory.database import Database
from memory.ids import new_id
from memory.index import VectorIndex
from memory.log import SessionLog, session_name
from memory.recall import Recall
from memory.records import Hit, Query, Record
from memory.rows import COLUMNS, from_row, to_row
from memory.stats import IndexState, Stats
from memory.vectors import Embed, Vectors
from specialists.content import Kind
from specialists.errors import BadInput, Unavailable, UnknownName

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM records"
_INSERT = f"INSERT INTO records ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


class MemoryStore:
    """Everything that is remembered. Any number of threads may share one, any number of processes a folder.

    What a call has stored when it returns survives the death of the process. `blobs` holds the bytes,
    `log` the sessions' events, `corrections` how people want their requests routed.
    """

    def __init__(self, path: Path, embed: Embed | None = None) -> None:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.blobs = BlobStore(path / "blobs")
        except OSError as error:
            raise Unavailable(
                f"the memory folder cannot be made: {error}",
                part=str(path),
                remedy="Choose a writable folder for the data",
            ) from error
        self.path = path
        self._database = Database(path / "memory.db")
        self._vectors = Vectors(self._database, embed)
        self._index = VectorIndex(self._database, path / "index.faiss")
        self._recall = Recall(self._database, self._vectors, self._index)
        self.log = SessionLog(self._database, self.blobs, self._clean)
        self.corrections = Corrections(self._database)
        uses.collect(self._database, self.blobs)

    @classmethod
    def open(cls, path: Path, embed: Embed | None = None) -> Self:
        """Open the store in this folder, or begin one there.

        `embed` turns n texts into float32 unit rows [n, d]; without it recall goes by words alone.
        Raises BadInput when what lies there is damaged, foreign or of a newer version, Unavailable when the
        folder cannot be used.
        """
        return cls(path, embed)

    def close(self) -> None:
        """Save the index and close the files. Closing twice is harmless."""
        try:
            if not self._database.closed:
                self._index.save()
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def remember(self, records: Sequence[Record]) -> list[Record]:
        """Store records, all or none; durable when it returns. Gives them back as stored.

        Each gets an id, and the present time where it has none. Their vectors follow at the next recall,
        or before it by `embed_pending`. Raises BadInput, which names the field that cannot be stored.
        """
        stored = [self._prepared(record) for record in records]
        values = [to_row(record) for record in stored]
        with self._database.write() as connection:
            for record, row_values in zip(stored, values, strict=True):
                row = int(connection.execute(_INSERT, row_values).lastrowid or 0)
                connection.executemany(
                    "INSERT INTO record_kinds VALUES (?, ?)",
                    [(kind, row) for kind in {record.kind, *record.media}],
                )
                uses.by_record(connection, row, (*record.blobs, *uses.digests_in(dict(record.facts))))
        return [from_row(row_values) for row_values in values]

    def recall(
        self,
        query: str | Query,
        k: int = 10,
        kinds: Sequence[Kind] | None = None,
        since: float | None = None,
        session: str | None = None,
    ) -> list[Hit]:
        """The k records that answer best, by words and by meaning. A Query brings its own restrictions.

        A record is of a kind when it is of that kind itself or rests on media of it.
        """
        if isinstance(query, Query):
            return self._recall(query)
        return self._recall(Query(query, k, None if kinds is None else tuple(kinds), since, session))

    def evidence(self, key: str, scope: str = "") -> Record | None:
        """The newest evidence with exactly this key, None when there is none. See `evidence_key`.

        With a `scope`, only from sessions whose names begin with it.
        """
        with self._database.read() as connection:
            row = connection.execute(
                f"{_SELECT} WHERE key = ? AND key != '' AND role = 'evidence'"
                " AND substr(session, 1, ?) = ? ORDER BY row DESC LIMIT 1",
                (key, len(scope), scope),
            ).fetchone()
        return from_row(row) if row else None

    def get(self, record_id: str) -> Record:
        """One record. Raises UnknownName."""
        with self._database.read() as connection:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (record_id,)).fetchone()
        if row is None:
            raise _unknown(record_id)
        return from_row(row)

    def records(self, session: str | None = None) -> list[Record]:
        """All records, or those of one session, in the order they were stored."""
        where, values = ("", ()) if session is None else (" WHERE session = ?", (session,))
        with self._database.read() as connection:
            return [from_row(row) for row in connection.execute(f"{_SELECT}{where} ORDER BY row", values)]

    def forget(self, ids: Sequence[str]) -> None:
        """Delete records with their vectors, their words and the blobs that only they used.

        The logs of their sessions stay; `log.delete` removes those. Raises UnknownName, and then nothing is
        deleted.
        """
        with self._database.write() as connection:
            for record_id in dict.fromkeys(ids):
                if not connection.execute("DELETE FROM records WHERE id = ?", (record_id,)).rowcount:
                    raise _unknown(record_id)
        self._clean()

    def embed_pending(self, limit: int | None = None) -> int:
        """Embed records that still wait for their vector, at most `limit`; how many got it.

        Recall does some of it by itself; called after `remember`, off the path of an answer, it keeps
        recall fast. Without an encoder it does nothing. Raises SpecialistFailed when the encoder fails.
        """
        return self._vectors.embed_pending(limit)

    def stats(self) -> Stats:
        with self._database.read() as connection:
            by_role, by_kind = (
                dict(connection.execute(f"SELECT {name}, count(*) FROM records GROUP BY 1 ORDER BY 1"))
                for name in ("role", "kind")
            )
            sessions, events = connection.execute(
                "SELECT count(*), coalesce(sum(last), 0) FROM sessions"
            ).fetchone()
        usage = self.blobs.usage()
        return Stats(
            records=sum(by_role.values()),
            by_role=by_role,
            by_kind=by_kind,
            sessions=sessions,
            events=events,
            blobs=usage.count,
            blob_bytes=usage.bytes,
            database_bytes=self._database.size(),
            index=self.index_state(),
        )

    def index_state(self) -> IndexState:
        """How recall works now."""
        working = self._vectors.configured and not self._vectors.problem
        progress = self._vectors.progress()
        return IndexState(
            mode="words and meaning" if working else "words only",
            embedded=progress.embedded,
            pending=progress.pending,
            problem=self._vectors.problem,
        )

    def _prepared(self, record: Record) -> Record:
        if record.id:
            raise BadInput("it is stored already: a new record has no id", part=f"record {record.id}")
        session = session_name(record.session) if record.session else ""
        return replace(record, id=new_id(), time=record.time or time.time(), session=session)

    def _clean(self) -> None:
        """After a deletion: nothing of it may stay in the blobs, the index file or the free pages."""
        uses.collect(self._database, self.blobs)
        self._index.drop()
        self._database.scrub()


def _unknown(record_id: str) -> UnknownName:
    return UnknownName(
        "there is no such record",
        part=f"record {record_id!r}",
        remedy="`antiphon memory search` shows records with their ids",
    )
