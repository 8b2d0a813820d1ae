from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import clustered, crowded, nearest

from memory.database import Database
from memory.index import VectorIndex
from memory.nearest import FARTHEST, NARROW, by_vector
from memory.vectors import Floats

D = 16
DEPTH = 50
SESSIONS = {"one": 300, "many": NARROW + 500, "some": 2000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crowd")


@pytest.fixture(scope="module")
def vectors() -> Floats:
    return clustered(sum(SESSIONS.values()), D, seed=5)


@pytest.fixture(scope="module")
def database(folder: Path, vectors: Floats) -> Iterator[Database]:
    names = [name for name, count in SESSIONS.items() for _ in range(count)]
    opened = crowded(folder, vectors, names)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def index(database: Database, folder: Path) -> VectorIndex:
    return VectorIndex(database, folder / "index.faiss")


def rows(database: Database, where: str, values: tuple[object, ...]) -> list[int]:
    with database.read() as connection:
        return [row for (row,) in connection.execute(f"SELECT row FROM records WHERE {where}", values)]


@pytest.mark.parametrize(
    ("where", "values"),
    [
        ("true", ()),
        ("session = ?", ("one",)),
        ("session = ?", ("some",)),
        ("session = ?", ("many",)),
        ("session = ?", ("none",)),
        ("session != ? AND row % 2 = ?", ("one", 1)),
        ("row = ?", (77,)),
    ],
)
def test_the_nearest_that_meet_a_condition(
    where: str, values: tuple[object, ...], database: Database, index: VectorIndex, vectors: Floats
) -> None:
    allowed = rows(database, where, values)
    for query in clustered(5, D, seed=6):
        found = by_vector(database, index, 1, query, DEPTH, where, values)
        assert [row for row, _ in found] == (nearest(vectors, query, DEPTH, allowed) if allowed else [])


@pytest.mark.parametrize("hidden", [1, 2, 16])
def test_what_is_wanted_may_lie_behind_much_that_is_not(
    hidden: int, database: Database, index: VectorIndex, vectors: Floats
) -> None:
    (query,) = clustered(1, D, seed=7)
    ahead = nearest(vectors, query, hidden * DEPTH)
    where, values = "row NOT IN (SELECT value FROM json_each(?))", (str(ahead),)
    assert len(rows(database, where, values)) > NARROW
    found = by_vector(database, index, 1, query, DEPTH, where, values)
    assert [row for row, _ in found] == nearest(vectors, query, DEPTH + len(ahead))[len(ahead) :]


def test_a_broad_condition_that_only_the_farthest_meet(tmp_path: Path) -> None:
    vectors = clustered(FARTHEST * DEPTH + NARROW + 10, 4, seed=8)
    (query,) = clustered(1, 4, seed=9)
    order = nearest(vectors, query, len(vectors))
    names = dict.fromkeys(order[: FARTHEST * DEPTH], "near")
    database = crowded(tmp_path, vectors, [names.get(row, "far") for row in range(1, len(vectors) + 1)])
    index = VectorIndex(database, tmp_path / "index.faiss")
    found = by_vector(database, index, 1, query, DEPTH, "session = ?", ("far",))
    assert [row for row, _ in found] == order[FARTHEST * DEPTH :][:DEPTH]
    database.close()
