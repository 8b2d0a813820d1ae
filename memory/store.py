"""The memory store: records, blobs and session logs in one folder."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from memory import locks, uses
from memory.answerable import ASKED_FOR, TELLING, answerable
from memory.audit import Audit, Finding
from memory.blobs import BlobStore
from memory.completion import Completion
from memory.consolidation import Consolidation, Write
from memory.corrections import Corrections
from memory.database import ALONE_SECONDS, Database
from memory.episodes import Episode, turn_episode
from memory.forgetting import Extent, Forget, carry_out, survey
from memory.ids import new_id
from memory.index import VectorIndex
from memory.index_file import IndexFile
from memory.levels import Levels
from memory.likeness import Likeness, beside
from memory.locks import all_closed, open_sessions
from memory.log import SessionLog, session_name
from memory.proof import Erased, Traces, gather, prove
from memory.recall import Recall
from memory.records import Alike, Hit, Query, Record
from memory.retention import Policy, Retained, cut, steps
from memory.rows import COLUMNS, from_row, insert, to_row
from memory.senses import Senses
from memory.stats import IndexState, Stats
from memory.two_speed import Recollection, TwoSpeed
from memory.vectors import Embed, EncodeTokens, Vectors
from specialists.content import Kind
from specialists.embed import default_encoder
from specialists.errors import BadInput, Unavailable, UnknownName

log = logging.getLogger("antiphon")

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM records"


class MemoryStore:
    """Everything that is remembered. Any number of threads may share one, any number of processes a folder.

    What a call has stored when it returns survives the death of the process. `blobs` holds the bytes,
    `log` the sessions' events, `corrections` how people want their requests routed.
    """

    def __init__(self, path: Path, embed: Embed | None = None, tokens: EncodeTokens | None = None) -> None:
        path = path.resolve()
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
        self._vectors = Vectors(self._database, embed, tokens)
        self._index_path = path / "index.faiss"
        self._index = VectorIndex(self._database, self._index_path)
        self._senses = Senses(self._database, self.blobs)
        self._recall = Recall(self._database, self._vectors, self._index, self._senses)
        self._completion = Completion(self._database)
        self._two_speed = TwoSpeed(self._database, self._recall)
        self._levels = Levels(self._database)
        self._consolidation = Consolidation(self._database, self._vectors)
        self.log = SessionLog(self._database, self.blobs, lambda name: self.erase(Forget(session=name)))
        self.corrections = Corrections(self._database, self.clean)
        self._likeness = Likeness(self._database, self.blobs)
        # Also what a process was killed over that had deleted something.
        uses.collect(self._database, self.blobs)
        self._index.erase()
        self._clean_if_possible()

    @classmethod
    def open(
        cls,
        path: Path,
        embed: Embed | Literal["default"] | None = "default",
        tokens: EncodeTokens | None = None,
    ) -> Self:
        """Open the store in this folder, or begin one there.

        `embed` turns n texts into float32 unit rows [n, d], and `tokens` tells the same and the vectors of
        their tokens, without which recall compares whole texts. By default the built-in encoder does both,
        fetched and loaded when it is first needed; with `embed` None recall goes by words alone.
        Raises BadInput when what lies there is damaged, foreign or of a newer version, Unavailable when the
        folder cannot be used.
        """
        if embed == "default":
            encoder = default_encoder()
            return cls(path, encoder.encode, encoder.encode_tokens)
        return cls(path, embed, tokens)

    def close(self) -> None:
        """Clean up after deletions, stop building the index, save it, and close the files. Closing twice is
        harmless."""
        try:
            if not self._database.closed:
                self._clean_if_possible()
                self._index.close()
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
            for record in stored:
                insert(connection, record)
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

    def recollect(self, query: str | Query, k: int = 10) -> Recollection:
        """Recall by what was made of experience (summaries, facts, moments of clips), and by the details
        where that is not sure: see `memory.two_speed`. A Query brings its own k; its levels do not count."""
        return self._two_speed(query if isinstance(query, Query) else Query(query, k))

    def answerable(self, query: str | Query) -> float:
        """How likely it is that something stored answers a question, 0 to 1: see `memory.answerable`, whose
        `DOUBTFUL` is the least that lets one say so. 1.0 where it cannot be told. A Query brings its own
        restrictions; its k and levels do not count."""
        asked = query if isinstance(query, Query) else Query(query)
        return answerable(self._recall(replace(asked, k=ASKED_FOR, levels=TELLING)))

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

    def begun(self, key: str, scope: str = "") -> Record | None:
        """The newest evidence about a first piece of what has this key; None when there is none. Its own key
        is this one with "@" and the piece behind it. With a `scope`, only from sessions of that prefix."""
        with self._database.read() as connection:
            row = connection.execute(
                f"{_SELECT} WHERE key > ? AND key < ? AND key != '' AND role = 'evidence'"
                " AND substr(session, 1, ?) = ? ORDER BY row DESC LIMIT 1",
                (f"{key}@", f"{key}A", len(scope), scope),
            ).fetchone()
        return from_row(row) if row else None

    @beside
    def alike(
        self, asked: str, digest: str, scope: str, least: float, unlike: Sequence[str] = ()
    ) -> Alike | None:
        """The evidence about another picture that holds for this one: see `asked_key`, `Likeness.find`."""
        return self._likeness.find(asked, digest, scope, least, unlike)

    @beside
    def keep_asked(self, record_id: str, asked: str, digest: str) -> None:
        """Let `alike` find the evidence of a record about a picture: see `Likeness.keep`."""
        self._likeness.keep(record_id, asked, digest)

    def get(self, record_id: str) -> Record:
        """One record. Raises UnknownName."""
        with self._database.read() as connection:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (record_id,)).fetchone()
        if row is None:
            raise _unknown(record_id)
        return from_row(row)

    def records(self, session: str | None = None) -> list[Record]:
        """All that was said or found, or that in one session, in the order it was stored."""
        where, values = ("", ()) if session is None else (" AND session = ?", (session,))
        with self._database.read() as connection:
            found = connection.execute(f"{_SELECT} WHERE level = ''{where} ORDER BY row", values)
            return [from_row(row) for row in found]

    def episodes(
        self, session: str | None = None, limit: int | None = None, scope: str = ""
    ) -> list[Episode]:
        """The newest episodes, or those of one session, in the order of time. Those of clips and recordings
        are there once `consolidate` has cut them.

        With a `scope`, only from sessions whose names begin with it.
        """
        return self._levels.episodes(session, limit, scope)

    def episode(self, name: str) -> list[Record]:
        """The records of an episode across kinds, in the order of time. Raises UnknownName."""
        return self._levels.episode(name)

    def linked(self, record: Record) -> list[Record]:
        """What of other kinds belongs to the same episode: from a sound to the picture that was there.

        Of a moment of a clip, what happens at the same time comes first and the turn that looked at it last.
        """
        return self._levels.linked(record)

    @beside
    def recognise(self, query: Query) -> list[Hit]:
        """The part of `recall` that rests on what looks or sounds like `query.like`, the most alike first."""
        return [hit for hit in self._recall(query) if hit.likeness is not None]

    def complete(self, hit: Hit) -> list[Record]:
        """What of other kinds belongs to a hit: what was said when this picture was shown, what the screen
        showed when this was heard. See `Completion`."""
        return self._completion(hit)

    def facts(self, scope: str = "", *, ended: bool = False) -> list[Record]:
        """What people stated and still holds, in the order of time; with `ended`, also what held before."""
        return self._levels.of_level("fact", scope=scope, ended=ended)

    def derived(self, level: str, scope: str = "") -> list[Record]:
        """All that was derived of a level ("episode", "summary", "theme", "fact"), in the order of time."""
        return self._levels.of_level(level, scope=scope)

    def consolidate(
        self, limit: int | None = None, stop: Callable[[], bool] = lambda: False, write: Write | None = None
    ) -> int:
        """Work what is new into episodes of clips, facts, summaries and themes; how many steps were taken.

        At most `limit` steps, and none once `stop` says so: what is left is done the next time, also after
        the process was killed. `write` is a capable chat model that words facts and summaries; without it
        they consist of sentences as they were said. Other threads get 0 meanwhile.
        """
        return self._consolidation(limit, stop, write)

    def unconsolidated(self) -> dict[str, int]:
        """How many records wait for `consolidate`, by the level they are to be worked into."""
        return dict(self._consolidation.waiting())

    def forget(self, ids: Sequence[str]) -> None:
        """Delete records with their vectors, their words and the blobs that only they used.

        The logs of their sessions stay as they are: this takes back what was remembered. `erase` removes what
        was said and seen. The bytes of their words leave the disk with the next `clean`. Raises UnknownName,
        and then nothing is deleted.
        """
        with self._database.deleting() as connection:
            for record_id in ids:
                if connection.execute("SELECT 1 FROM records WHERE id = ?", (record_id,)).fetchone() is None:
                    raise _unknown(record_id)
            # One may take another with it: what is derived goes with what it rests on.
            connection.executemany("DELETE FROM records WHERE id = ?", [(record_id,) for record_id in ids])
        uses.collect(self._database, self.blobs)
        self._index.erase()

    def clean(self) -> None:
        """Let nothing that was deleted stay in the word index, the free pages, the journal, the index file,
        the blobs and the lock files. Costs nothing when there is nothing to clean.

        `erase` and `retain` do it themselves. What `forget` leaves is cleaned here, when the store is closed,
        or when it is opened after its process was killed.
        """
        self._clean()

    def _clean(self, patience: float = ALONE_SECONDS) -> None:
        if not self._database.unclean:
            return
        with self._database.cleaning(patience) as unclean:
            if not unclean:  # another one has just done it
                return
            uses.collect(self._database, self.blobs)
            self._index.erase()
            with self._database.read() as connection:
                locks.remove(self.path, locks.left(self.path, connection))

    def erasable(self, what: Forget) -> Extent:
        """What `erase` would remove; nothing is changed. Raises as `erase` does, but for open sessions."""
        with self._database.read() as connection:
            return survey(connection, what)

    def erase(self, what: Forget, beside: Sequence[Path] = ()) -> Erased:
        """Forget for good, in the records and in the logs, and prove it: see `memory.forgetting`.

        The proof searches the folder of the store and the files `beside` it. Raises UnknownName for what is
        not there, BadInput while a session is open that would change; nothing is forgotten then.
        """
        extent, traces = self._erase(what)
        self.clean()
        return Erased(extent, prove(self._database, self.blobs, traces, self._indexed(), beside))

    def retain(
        self, policy: Policy, *, dry_run: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> Retained:
        """Forget what is older, and more, than the policy allows, the oldest first and step by step.

        It takes its time, and lets writers in between its steps: call it off the path of an answer. Once
        `stop` says so, the rest is left for the next time.
        """
        done = self._retained(policy, stop, dry_run=dry_run)
        gone = done.records + done.events
        # What a record takes is an estimate: there may be a little too much left.
        while gone and policy.max_bytes and done.bytes_after > policy.max_bytes and not (dry_run or stop()):
            more = self._retained(policy, stop, dry_run=False)
            gone = more.records + more.events
            counts = done.records + more.records, done.events + more.events
            done = Retained(more.before or done.before, *counts, done.bytes_before, more.bytes_after)
        return done

    def _retained(self, policy: Policy, stop: Callable[[], bool], *, dry_run: bool) -> Retained:
        used = self.live_bytes()
        with self._database.read() as connection:
            before, freed = cut(connection, policy, time.time(), used, self.blobs.sizes())
            moments = steps(connection, before) if before is not None else []
            spared = open_sessions(self.path)
            if before is None or dry_run:
                extent = survey(connection, Forget(before=before, spared=spared)) if moments else Extent()
                counts = extent.counted(connection)
                return Retained(before, *counts, used, max(0, used - freed))
        records = events = 0
        for moment in moments:
            if stop():
                break
            extent, traces = self._erase(Forget(before=moment, spared=spared))
            records, events = records + len(extent.rows), events + traces.events
        self.clean()
        return Retained(before, records, events, used, self.live_bytes())

    def live_bytes(self) -> int:
        """Bytes of what is stored: the database without its free pages, the index, the blobs."""
        index = self._index_path.stat().st_size if self._index_path.exists() else 0
        return self._database.live_bytes() + index + self.blobs.size()

    def audit(self, *, repair: bool = False) -> list[Finding]:
        """What does not fit together or looks wrong; with `repair`, what can be is made anew before."""
        audit = Audit(self._database, self.blobs, self._indexed, self._cleaned)
        return audit(repair=repair)

    def embed_pending(self, limit: int | None = None) -> int:
        """Embed records that still wait for their vector, at most `limit`; how many got it.

        Recall does some of it by itself; called after `remember`, off the path of an answer, it keeps
        recall fast. Without an encoder it does nothing. Raises SpecialistFailed when the encoder fails.
        """
        return self._vectors.embed_pending(limit)

    def load(self) -> None:
        """Get ready what the first recall needs, its encoder aside."""
        self._index.load()

    @beside
    def sense_pending(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Go through pictures, films and recordings that records rest on and were not gone through yet, so
        that recall finds them by what is like them; how many were done.

        Recall that asks by such a thing does it itself. Once `stop` says so, the rest is left for the next
        time.
        """
        return self._senses.catch_up(stop)

    def stats(self) -> Stats:
        with self._database.read() as connection:
            counted = connection.execute(
                "SELECT role, kind, count(*) FROM records GROUP BY role, kind ORDER BY role, kind"
            ).fetchall()
            sessions, events = connection.execute(
                "SELECT count(*), coalesce(sum(last), 0) FROM sessions"
            ).fetchone()
        by_role: Counter[str] = Counter()
        by_kind: Counter[str] = Counter()
        for role, kind, count in counted:
            by_role[role] += count
            by_kind[kind] += count
        usage = self.blobs.usage()
        return Stats(
            records=by_role.total(),
            by_role=dict(by_role),
            by_kind=dict(sorted(by_kind.items())),
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
            search=self._index.state(),
        )

    def _prepared(self, record: Record) -> Record:
        if record.id:
            raise BadInput("it is stored already: a new record has no id", part=f"record {record.id}")
        session = session_name(record.session) if record.session else ""
        return replace(
            record,
            id=new_id(),
            time=record.time or time.time(),
            session=session,
            episode=record.episode or turn_episode(session, record.turn),
        )

    def _erase(self, what: Forget) -> tuple[Extent, Traces]:
        with ExitStack() as held:
            with self._database.deleting() as connection:
                extent = survey(connection, what)
                held.enter_context(all_closed(self.path, extent.changed))
                traces = gather(connection, extent)
                carry_out(connection, extent)
            locks.remove(self.path, extent.sessions)
        return extent, traces

    def _clean_if_possible(self) -> None:
        try:
            self._clean(patience=0.0)  # who is at it already takes this along
        except Unavailable as error:  # a full disk, say: the note stays, and with it the next try
            log.warning("what was deleted is not cleaned away yet: %s", error)

    def _cleaned(self) -> None:
        """Clean up also where nothing tells that there is anything."""
        with self._database.deleting():
            pass
        self.clean()

    def _indexed(self) -> set[int]:
        """The records whose vectors lie in the file of the index."""
        kept = IndexFile(self._index_path).read(lambda stored: True)
        rows = (rows for rows, _ in kept[0].contents()) if kept else ()
        return {int(row) for some in rows for row in some if row >= 0}


def _unknown(record_id: str) -> UnknownName:
    return UnknownName(
        "there is no such record",
        part=f"record {record_id!r}",
        remedy="`antiphon memory search` shows records with their ids",
    )
