"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialists.models import ModelStore, default_folder

MEDIA = Path(__file__).parent.parent / "examples" / "media"


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of sample media."""
    return MEDIA


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """The real models, in the user's cache unless `$ANTIPHON_MODELS` names another folder."""
    return ModelStore(default_folder())
