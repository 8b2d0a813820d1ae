"""Text for the screen: untrusted characters made harmless, figures made short."""

from __future__ import annotations

from orchestrator.cli.transcript import clean


def line(text: str, width: int = 0) -> str:
    """The text cleaned and on one line; with `width`, cut to that many characters."""
    flat = " ".join(clean(text).split())
    return flat if not width or len(flat) <= width else flat[: max(width - 1, 0)] + "…"


def size(count: int) -> str:
    """A number of bytes, in the unit that keeps it short."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def seconds(value: float) -> str:
    """A duration, in milliseconds below a tenth of a second."""
    if value < 0.1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
