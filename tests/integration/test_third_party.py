"""Packages of other people: installed, found by their entry point, and used like what is built in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from specialists import registry
from specialists.base import Task
from specialists.errors import BadInput
from specialists.models import ModelStore
from specialists.package_index import pip_command, uv_command
from specialists.samples import Sample, SampleBlobs
from specialists.scaffold import new

EXAMPLE = Path(__file__).parents[2] / "examples" / "specialist-barcode"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: the example, and one that `specialists new` wrote."""
    work = tmp_path_factory.mktemp("third-party")
    shutil.copytree(EXAMPLE, work / "example")  # building leaves files behind
    new("word-count", work / "scaffolded")
    installer = pip_command() or [*uv_command(), "pip"]
    target = work / "site"
    packages = [str(work / "example"), str(work / "scaffolded")]
    subprocess.run(
        [*installer, "install", "--quiet", "--no-deps", "--target", str(target), *packages], check=True
    )
    return target


def antiphon(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_they_are_listed_beside_the_built_in(installed: Path) -> None:
    done = antiphon(installed, "specialists", "list", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["barcode"]["consumes"] == ["image"]
    assert rows["barcode"]["state"] == "available"
    assert {"word-count", "chat", "asr"} <= set(rows)


@pytest.mark.parametrize("name", ["barcode", "word-count"])
def test_they_keep_the_contract(installed: Path, name: str) -> None:
    done = antiphon(installed, "specialists", "check", name, "--json")
    assert [finding for finding in json.loads(done.stdout) if not finding["passed"]] == []
    assert done.returncode == 0


async def test_the_runtime_runs_one(
    installed: Path, model_store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zxingcpp
    from PIL import Image

    monkeypatch.syspath_prepend(str(installed))
    runtime = registry.build(model_store)
    code = zxingcpp.create_barcode("call and response", zxingcpp.BarcodeFormat.QRCode)
    path = installed / "code.png"
    Image.fromarray(code.to_image(scale=5)).save(path)
    sample = Sample("image", path.read_bytes(), "image/png", "code.png")
    task = Task("1", "barcode", parts=(sample.part,), blobs=SampleBlobs([sample]))
    assert [chunk.text async for chunk in runtime.run(task)] == ["call and response"]


@pytest.mark.parametrize("folder", ["example", "scaffolded"])
def test_their_own_tests_pass(installed: Path, folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(installed.parent / folder)],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", ["", "Bad", "9lives", "a_b", "a--b", "-a", "a-", "a b", "../x", "ünï", "x" * 41, "chat", "memory"]
)
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        new(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        new("word-count", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
