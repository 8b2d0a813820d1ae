"""The approximate index: built beside the searches, measured, kept in step with what is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crowd import clustered, crowded, join, leave, nearest
from filelock import FileLock

from memory.cells import Cells, Form
from memory.database import Database
from memory.index import VectorIndex
from memory.index_file import PAGE, IndexFile, Mark
from memory.vectors import Floats

COUNT = 3000
D = 32

Open = Callable[[], VectorIndex]


@pytest.fixture
def vectors() -> Floats:
    return clustered(COUNT, D, seed=3)


@pytest.fixture
def database(tmp_path: Path, vectors: Floats) -> Iterator[Database]:
    opened = crowded(tmp_path, vectors)
    yield opened
    opened.close()


@pytest.fixture
def opened(database: Database, tmp_path: Path) -> Iterator[Open]:
    """Opens an index on the database that is approximate from 1000 vectors on."""
    indexes: list[VectorIndex] = []

    def open_one() -> VectorIndex:
        indexes.append(VectorIndex(database, tmp_path / "index.faiss", flat_below=1000))
        return indexes[-1]

    yield open_one
    for index in indexes:
        index.close()


def settled(index: VectorIndex, query: Floats) -> VectorIndex:
    index.search(1, query, 1)
    index.settle()
    return index


def rows_of(index: VectorIndex, query: Floats, k: int = 10, allowed: list[int] | None = None) -> list[int]:
    only = None if allowed is None else np.array(allowed, np.int64)
    return [row for row, _ in index.search(1, query, k, only)]


def agreement(index: VectorIndex, vectors: Floats, allowed: list[int] | None = None) -> float:
    """The share of the true ten nearest that it finds for vectors like the stored ones."""
    queries = clustered(100, D, seed=9)
    found = [
        len({*rows_of(index, query, 10, allowed)} & {*nearest(vectors, query, 10, allowed)})
        for query in queries
    ]
    return sum(found) / 1000


def test_it_takes_over_once_it_finds_what_an_exact_search_finds(opened: Open, vectors: Floats) -> None:
    index = settled(opened(), vectors[0])
    assert index.state().startswith("approximate (128 cells, recall@10 0.9")
    assert agreement(index, vectors) >= 0.97


def test_the_cosines_are_those_of_the_stored_vectors(opened: Open, vectors: Floats) -> None:
    index = settled(opened(), vectors[0])
    for row, cosine in index.search(1, vectors[7], 20):
        assert cosine == pytest.approx(float(vectors[row - 1] @ vectors[7]), abs=1e-6)


def test_it_is_loaded_and_not_built_again(opened: Open, vectors: Floats, tmp_path: Path) -> None:
    settled(opened(), vectors[0])
    before = (tmp_path / "index.faiss").stat().st_mtime_ns
    index = opened()
    expected = nearest(vectors, vectors[5], 1)
    assert rows_of(index, vectors[5], 1) == expected
    assert index.state().startswith("approximate (128 cells")
    assert "built" not in index.state()
    index.close()
    assert (tmp_path / "index.faiss").stat().st_mtime_ns == before


def test_searches_go_on_while_it_is_built_and_miss_nothing(
    database: Database, opened: Open, vectors: Floats, tmp_path: Path
) -> None:
    index = VectorIndex(database, tmp_path / "index.faiss", flat_below=COUNT + 1)
    index.search(1, vectors[0], 1)
    with FileLock(tmp_path / "index.lock"):  # it can look at no file, so it does not end
        join(database, vectors[:1])
        index.search(1, vectors[0], 1)
        new = clustered(1, D, seed=77)
        (row,) = join(database, new)
        leave(database, [5, 6])
        assert rows_of(index, new[0], 1) == [row]
        assert index.state() == "exact; an approximate index is being built"
    index.settle()
    assert index.state().startswith("approximate")
    assert rows_of(index, new[0], 1) == [row]
    assert not {5, 6} & {*rows_of(index, vectors[4], 50)}
    index.close()


def test_what_others_write_and_forget_is_seen(database: Database, opened: Open, vectors: Floats) -> None:
    index = settled(opened(), vectors[0])
    new = clustered(3, D, seed=78)
    rows = join(database, new)
    assert [rows_of(index, vector, 1)[0] for vector in new] == rows
    gone = nearest(vectors, vectors[11], 5)
    leave(database, [*gone, rows[0]])
    assert not {*gone, rows[0]} & {*rows_of(index, vectors[11], 100), *rows_of(index, new[0], 100)}
    assert index.state().startswith("approximate"), "it was thrown away for a deletion"
    assert index._cells is not None
    assert len(index._cells) == COUNT + 3 - 6


def test_a_row_that_gets_another_vector_is_found_by_that(
    database: Database, opened: Open, vectors: Floats
) -> None:
    index = settled(opened(), vectors[0])
    (other,) = clustered(1, D, seed=79)
    with database.write() as connection:
        connection.execute("DELETE FROM vectors WHERE record = 9")
        connection.execute("INSERT INTO vectors (space, record, vector) VALUES (1, 9, ?)", (other.tobytes(),))
    assert rows_of(index, other, 1) == [9]
    assert rows_of(index, vectors[8], 3000).count(9) == 1


def codes_in(path: Path, vectors: Floats, index: VectorIndex) -> dict[int, bytes]:
    """The bytes under which each row lies in the file."""
    assert index._cells is not None
    return {
        int(row): code.tobytes()
        for rows, codes in index._cells.contents()
        for row, code in zip(rows, codes, strict=True)
    }


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_nothing_of_a_forgotten_vector_stays_in_the_file(
    kind: str, database: Database, vectors: Floats, tmp_path: Path
) -> None:
    path = tmp_path / "index.faiss"
    index = VectorIndex(database, path, flat_below=1000 if kind == "approximate" else 10_000)
    settled(index, vectors[0])
    index.save()
    assert index.state().startswith(kind)
    codes = codes_in(path, vectors, index)
    gone = [1, 2, 1500, COUNT]
    assert all(codes[row] in path.read_bytes() for row in gone)
    size = path.stat().st_size
    leave(database, gone)
    index.erase()
    data = path.read_bytes()
    assert len(data) == size
    assert not any(codes[row] in data for row in gone)
    assert not any(vectors[row - 1].tobytes() in data for row in gone)
    assert codes[3] in data
    # What is left is taken as it is.
    again = VectorIndex(database, path, flat_below=1000 if kind == "approximate" else 10_000)
    assert not {*gone} & {*rows_of(again, vectors[0], COUNT)}
    assert rows_of(again, vectors[2], 1) == [3]
    assert again.state().startswith(kind)
    assert again._unsaved == 0


def test_a_centre_is_never_one_vector(tmp_path: Path) -> None:
    # A vector at a right angle to all others draws a centre to itself.
    vectors = np.zeros((1400, 216), np.float32)
    vectors[:1200, :16] = clustered(1200, 16, seed=3)
    vectors[1200:, 16:] = np.eye(200)
    database = crowded(tmp_path, vectors)
    index = settled(VectorIndex(database, tmp_path / "index.faiss", flat_below=1000), vectors[0])
    assert index._cells is not None
    assert (index._cells.form.centres @ vectors.T).max() < 0.999
    index.close()
    database.close()


def test_an_erasing_that_was_cut_short_makes_the_file_ignored(
    database: Database, opened: Open, vectors: Floats, tmp_path: Path
) -> None:
    path = tmp_path / "index.faiss"
    settled(opened(), vectors[0])
    data = bytearray(path.read_bytes())
    data[-D:] = bytes(D)
    path.write_bytes(data)
    index = settled(opened(), vectors[0])
    assert index._builder is not None, "the damaged file was taken"
    assert index.state().startswith("approximate")
    assert agreement(index, vectors) >= 0.97


@pytest.mark.parametrize("damage", ["flipped", "short", "header"])
def test_a_damaged_file_is_built_anew(damage: str, opened: Open, vectors: Floats, tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    settled(opened(), vectors[0])
    data = bytearray(path.read_bytes())
    if damage == "short":
        del data[-1000:]
    else:
        data[len(data) // 2 if damage == "flipped" else 40] ^= 1
    path.write_bytes(data)
    index = opened()
    assert rows_of(index, vectors[3], 1) == [4]
    assert index._builder is not None, "the damaged file was taken"
    index.settle()
    assert agreement(index, vectors) >= 0.97
    assert len(path.read_bytes()) >= len(data)


def test_what_another_process_built_is_taken(database: Database, vectors: Floats, tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    one, two = (VectorIndex(database, path, flat_below=1000) for _ in range(2))
    two._build_from = COUNT + 1  # it has looked already, and waits until there is more
    assert rows_of(two, vectors[3], 1) == [4]
    settled(one, vectors[0])
    before = path.stat().st_mtime_ns
    join(database, clustered(1, D, seed=80))
    settled(two, vectors[0])
    assert two._cells is not None
    assert two._cells.form.trained == COUNT, "it was built again"
    assert path.stat().st_mtime_ns == before


def test_one_that_finds_too_little_does_not_take_over(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    noise = chance.standard_normal((1200, 300)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    database = crowded(tmp_path, noise)
    index = settled(VectorIndex(database, tmp_path / "index.faiss", flat_below=1000), noise[0])
    assert index.state().startswith("exact; the last build failed: recall@10 of 0.")
    assert rows_of(index, noise[3], 10) == nearest(noise, noise[3], 10)
    index.search(1, noise[0], 1)
    assert "being built" not in index.state(), "it tries again and again"
    index.close()
    database.close()


def test_closing_stops_a_build(database: Database, vectors: Floats, tmp_path: Path) -> None:
    index = VectorIndex(database, tmp_path / "index.faiss", flat_below=1000)
    index.search(1, vectors[0], 1)
    index.close()
    assert "being built" not in index.state()
    assert not [thread for thread in threading.enumerate() if thread.name == "antiphon index"]
    assert VectorIndex(database, tmp_path / "index.faiss").search(1, vectors[0], 1)[0][0] == 1


@pytest.mark.parametrize("every", [2, 3, 40, 1000])
def test_a_restricted_search_is_exact(every: int, opened: Open, vectors: Floats) -> None:
    index = settled(opened(), vectors[0])
    allowed = list(range(1, COUNT + 1, every))
    found = agreement(index, vectors, allowed)
    assert found >= 0.97 if len(allowed) > 512 else found == min(10, len(allowed)) / 10


def test_a_header_fits_its_page(opened: Open, vectors: Floats, tmp_path: Path) -> None:
    settled(opened(), vectors[0])
    assert len((tmp_path / "index.faiss").read_bytes()[:PAGE].rstrip()) < PAGE // 2


def test_a_file_of_another_quantizer_is_not_taken(tmp_path: Path) -> None:
    file = IndexFile(tmp_path / "index.faiss")
    cells = Cells(Form(clustered(4, D, seed=1), np.array([-1, 2], np.float32), trained=9))
    cells.add(np.arange(1, 10), clustered(9, D, seed=2))
    assert file.write(cells, Mark(1), {}, lambda: nullcontext(True))
    assert file.read(lambda stored: True) is not None
    # A range for each component, which is what such a file held once.
    cells.form = replace(cells.form, scale=np.ones(2 * D, np.float32))
    assert file.write(cells, Mark(1), {}, lambda: nullcontext(True))
    assert file.read(lambda stored: True) is None
