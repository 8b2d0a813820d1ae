"""Vectors of the exemplars, kept on disk: a thousand sentences take seconds to embed and never change."""

from __future__ import annotations

import hashlib
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
        if path.is_file():
            vectors = np.load(path, allow_pickle=False)
            if len(vectors) == len(texts):
                return np.asarray(vectors)
        vectors = embed(texts)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, vectors)
        partial.replace(path)
        return vectors

    return lookup
