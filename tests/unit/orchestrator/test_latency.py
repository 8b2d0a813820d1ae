"""Live latencies: the figures, and the file they live in."""

from __future__ import annotations

import json
import logging
import multiprocessing
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.latency import AGE_SECONDS, WINDOW, WRITE_CALLS, Latencies, Latency, percentile
from specialists.base import Card
from specialists.fakes import card

CHAT = card("chat", model="small")


def warm(path: Path | None = None, now: float = 1000.0) -> Latencies:
    found = Latencies(path, now=lambda: now)
    found.load()
    found.warmed(CHAT)
    return found


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_so_many_figures_are_not_above_a_percentile(figures: list[float]) -> None:
    ordered = sorted(figures)
    for share in (0.5, 0.95):
        found = percentile(ordered, share)
        assert found in ordered
        assert sum(figure <= found for figure in ordered) >= share * len(ordered)
        assert sum(figure < found for figure in ordered) < share * len(ordered)


def test_half_and_nineteen_in_twenty() -> None:
    latencies = warm()
    for hundredth in range(1, 21):
        latencies.note(CHAT, hundredth / 100, hundredth / 1000)
    assert latencies.of(CHAT) == Latency(20, 0.1, 0.19, 0.01, 0.019)
    assert latencies.of(replace(CHAT, model="large")) is None
    assert latencies.of(replace(CHAT, version="2")) is None


def test_only_the_recent_calls_count() -> None:
    latencies = warm()
    for _ in range(WINDOW):
        latencies.note(CHAT, 9.0)
    for _ in range(WINDOW):
        latencies.note(CHAT, 1.0)
    found = latencies.of(CHAT)
    assert found == Latency(WINDOW, 1.0, 1.0)


def test_a_slow_day_is_forgotten_in_time(tmp_path: Path) -> None:
    slow = warm(tmp_path / "latencies.json", now=1000.0)
    slow.note(CHAT, 60.0)
    slow.save()
    assert warm(tmp_path / "latencies.json", now=1000.0 + AGE_SECONDS).of(CHAT) is not None
    assert warm(tmp_path / "latencies.json", now=1001.0 + AGE_SECONDS).of(CHAT) is None
    assert warm(tmp_path / "latencies.json", now=999.0 - AGE_SECONDS).of(CHAT) is None


def test_the_first_call_of_a_process_is_expected_of_the_next_process_alone(tmp_path: Path) -> None:
    path = tmp_path / "latencies.json"
    first = Latencies(path)
    first.note(CHAT, 8.0)
    first.note(CHAT, 1.0)
    assert first.expected([CHAT])["chat"].p95 == 1.0
    first.save()
    second = Latencies(path)
    second.load()
    assert second.expected([CHAT])["chat"].p95 == 8.0
    second.warmed(CHAT)
    assert second.expected([CHAT])["chat"].p95 == 1.0
    assert second.of(CHAT) == Latency(1, 1.0, 1.0)
    assert second.expected([card("ocr")]) == {}


def test_a_write_is_due_now_and_then(tmp_path: Path) -> None:
    latencies = warm(tmp_path / "latencies.json")
    for _ in range(WRITE_CALLS - 1):
        latencies.note(CHAT, 1.0)
    assert not latencies.due
    latencies.note(CHAT, 1.0)
    assert latencies.due
    latencies.save()
    assert not latencies.due
    without_file = warm()
    for _ in range(WRITE_CALLS):
        without_file.note(CHAT, 1.0)
    without_file.save()
    assert not without_file.due


def test_each_process_adds_its_calls(tmp_path: Path) -> None:
    path = tmp_path / "latencies.json"
    one, other = warm(path), warm(path)
    one.note(CHAT, 1.0)
    other.note(CHAT, 3.0)
    one.save()
    other.save()
    for again in (other, warm(path)):
        assert again.of(CHAT) == Latency(2, 1.0, 3.0)


def _work(path: str, seconds: float) -> None:
    latencies = warm(Path(path))
    for _ in range(5):
        latencies.note(CHAT, seconds)
        latencies.save()


def test_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "latencies.json"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(str(path), float(n + 1))) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = warm(path).of(CHAT)
    assert found is not None
    assert (found.calls, found.p50) == (15, 2.0)


def test_threads_may_note_while_another_saves(tmp_path: Path) -> None:
    latencies = warm(tmp_path / "latencies.json")

    def work(number: int) -> None:
        latencies.note(CHAT, float(number))
        latencies.save()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    latencies.save()
    for found in (latencies.of(CHAT), warm(tmp_path / "latencies.json").of(CHAT)):
        assert found is not None
        assert found.calls == 40


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'[{"name": "chat"}]',
        b'[{"name":"chat","version":"1","model":"","ended":1,"seconds":-1,"first":null,"cold":false}]',
        b'[{"name":"chat","version":"1","model":"","ended":1,"seconds":NaN,"first":null,"cold":false}]',
    ],
)
def test_a_damaged_file_is_set_aside_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "latencies.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        latencies = warm(path)
    assert "damaged" in caplog.text
    assert path.with_suffix(".damaged").read_bytes() == content
    latencies.note(CHAT, 1.0)
    latencies.save()
    assert warm(path).of(CHAT) == Latency(1, 1.0, 1.0)


def test_a_place_that_cannot_be_written_costs_a_warning_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    latencies = warm(blocked / "latencies.json")
    latencies.note(CHAT, 1.0)
    latencies.save()
    assert "not saved" in caplog.text
    assert latencies.of(CHAT) == Latency(1, 1.0, 1.0)
    blocked.unlink()
    latencies.save()
    assert warm(blocked / "latencies.json").of(CHAT) == Latency(1, 1.0, 1.0)


ENDLESS = """
import sys
from pathlib import Path
from orchestrator.latency import Latencies
from specialists.fakes import card
latencies = Latencies(Path(sys.argv[1]), now=lambda: 1000.0)
while True:
    latencies.note(card("chat", model="small"), 1.0)
    latencies.save()
    print("saved", flush=True)
"""


def test_a_process_killed_while_it_writes_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "latencies.json"
    for saves in (1, 3, 8):
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(saves):
                assert writer.stdout.readline() == "saved\n"
            writer.send_signal(signal.SIGKILL)
        assert isinstance(json.loads(path.read_bytes()), list)
        assert warm(path).of(CHAT) is not None
    assert not path.with_suffix(".damaged").exists()


def test_a_card_is_what_its_name_version_and_model_say() -> None:
    latencies = warm()
    latencies.note(CHAT, 1.0)
    described_anew: Card = replace(CHAT, description="Another text", examples=("Hello",))
    assert latencies.of(described_anew) == Latency(1, 1.0, 1.0)
