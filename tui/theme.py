"""The colours: calm, with one warm accent; dark and light."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="antiphon-dark",
    primary="#7fb4ca",
    secondary="#9a9cc4",
    accent="#d8b07a",
    foreground="#d6d9de",
    background="#14171c",
    surface="#1b1f26",
    panel="#2a303a",
    success="#8fb573",
    warning="#d8b07a",
    error="#e07a80",
    dark=True,
    variables={"muted": "#8b929d"},
)

LIGHT = Theme(
    name="antiphon-light",
    primary="#2f6f8f",
    secondary="#5b5d95",
    accent="#96631b",
    foreground="#24292f",
    background="#fbfaf7",
    surface="#f1efe9",
    panel="#dedad0",
    success="#4b7a2b",
    warning="#96631b",
    error="#b3353f",
    dark=False,
    variables={"muted": "#6d7178"},
)
