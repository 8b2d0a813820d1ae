"""Decoding of media with limits that hold before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted. Sizes in bytes, lengths in seconds, pictures in pixels."""

    image_bytes: int = 25_000_000
    document_bytes: int = 25_000_000
    audio_bytes: int = 200_000_000
    video_bytes: int = 2_000_000_000
    text_bytes: int = 1_000_000
    image_pixels: int = 100_000_000
    audio_seconds: float = 7200.0
    video_seconds: float = 7200.0
    document_pages: int = 200
