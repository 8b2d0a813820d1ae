"""Vectors of the exemplars, kept on disk: a thousand sentences take seconds to embed and never change."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from orchestrator.controller.features import Embed

FEW = 32
"""Up to this many texts are embedded without asking the disk: they are requests, not exemplars."""


def cached(embed: Embed, folder: Path, model: str) -> Embed:
    """The same encoder, which remembers large batches under a name made of the model and the texts."""

    def lookup(texts: Sequence[str]) -> np.ndarray:
        if len(texts) <= FEW:
            return embed(texts)
        name = hashlib.sha256("\x00".join([model, *texts]).encode()).hexdigest()[:24]
        path = folder / f"exemplars-{name}.npy"
        kept = _read(path)
        if kept is not None and kept.ndim == 2 and len(kept) == len(texts):
            return kept
        vectors = embed(texts)
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, vectors)
        return vectors

    return lookup


def _read(path: Path) -> np.ndarray | None:
    """The vectors of a file; nothing where there is none, or none that can be read: they are made again."""
    try:
        with path.open("rb") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except (OSError, ValueError):
        return None


def _write(path: Path, vectors: np.ndarray) -> None:
    """Whole or not at all, also when two processes do it at once."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            np.save(out, vectors)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
