from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.blobs import BlobStore
from specialists.content import BlobRef
from specialists.errors import BadInput, UnknownName


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_what_is_put_is_read(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    blobs = BlobStore(tmp_path_factory.mktemp("blobs"))
    refs = [blobs.put(data, "application/octet-stream") for data in contents]
    assert [blobs.read(ref) for ref in refs] == contents
    assert blobs.usage().count == len(set(contents))
    assert blobs.size() == sum(map(len, set(contents)))


def test_the_same_content_is_stored_once(blobs: BlobStore) -> None:
    one, two = blobs.put(b"same", "image/png"), blobs.put(b"same", "image/jpeg")
    assert one.digest == two.digest == hashlib.sha256(b"same").hexdigest()
    assert blobs.path(one) == blobs.root / one.digest[:2] / one.digest[2:4] / one.digest
    assert blobs.usage().count == 1


def test_an_absent_blob_is_named(blobs: BlobStore) -> None:
    absent = hashlib.sha256(b"never").hexdigest()
    assert not blobs.has(absent)
    with pytest.raises(UnknownName, match=absent):
        blobs.read(BlobRef(absent, 5, "text/plain"))


def test_a_damaged_blob_is_refused_and_healed_by_putting_it_again(blobs: BlobStore) -> None:
    ref = blobs.put(b"precious bytes", "text/plain")
    blobs.path(ref).write_bytes(b"precious bytez")
    with pytest.raises(BadInput, match="damaged"):
        blobs.read(ref)
    blobs.put(b"precious bytes", "text/plain")
    assert blobs.read(ref) == b"precious bytes"


@pytest.mark.parametrize(
    "digest",
    ["", "..", "../../etc/passwd", "/etc/passwd", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"],
)
def test_no_digest_leads_out_of_the_folder(blobs: BlobStore, digest: str) -> None:
    ref = BlobRef(digest, 1, "text/plain")
    for call in (blobs.read, blobs.path, blobs.has, blobs.delete):
        with pytest.raises(BadInput, match="digest"):
            call(ref)


def test_deleting_leaves_no_file_and_no_folder(blobs: BlobStore) -> None:
    ref = blobs.put(b"gone", "text/plain")
    assert blobs.delete(ref)
    assert blobs.delete(ref)
    assert not blobs.has(ref)
    assert [path.name for path in blobs.root.rglob("*")] == ["incoming"]


def test_a_blob_put_again_after_its_last_use_survives(blobs: BlobStore) -> None:
    ref = blobs.put(b"shared", "text/plain")
    used = time.time()
    blobs.put(b"shared", "text/plain")
    assert not blobs.delete(ref, unless_put_after=used)
    assert blobs.read(ref) == b"shared"
    assert blobs.delete(ref, unless_put_after=time.time())


def test_putting_and_deleting_at_once_never_loses_what_was_put_last(blobs: BlobStore) -> None:
    ref = blobs.put(b"contested", "text/plain")
    done = threading.Event()

    def delete() -> None:
        while not done.is_set():
            blobs.delete(ref, unless_put_after=time.time() - 3600)

    def put() -> None:
        for _ in range(200):
            blobs.put(b"contested", "text/plain")

    with ThreadPoolExecutor(3) as pool:
        deleter = pool.submit(delete)
        putters = [pool.submit(put) for _ in range(2)]
        for putter in putters:
            putter.result()
        done.set()
        deleter.result()
    assert blobs.read(ref) == b"contested"


def test_what_a_killed_process_left_half_written_is_tidied_up(blobs: BlobStore) -> None:
    import os

    half, fresh = blobs.root / "incoming" / "half", blobs.root / "incoming" / "fresh"
    half.write_bytes(b"ha")
    fresh.write_bytes(b"being written")
    os.utime(half, (time.time() - 7200, time.time() - 7200))
    BlobStore(blobs.root)
    assert not half.exists()
    assert fresh.exists()
