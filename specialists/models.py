"""Models by URI: where they come from, fetched once, verified, kept in one folder."""

from __future__ import annotations

from pathlib import Path


class ModelStore:
    def __init__(self, root: Path) -> None:
        self.root = root
