"""Written figures and abbreviations as words that a voice reads right, in English.

Only what espeak, the front end of Piper voices, reads wrongly or letter by letter: it reads plain numbers,
money, percentages, clock times and ordinals well by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_UNITS = {
    "km": "kilometre",
    "cm": "centimetre",
    "mm": "millimetre",
    "kg": "kilogram",
    "mg": "milligram",
    "ml": "millilitre",
    "kWh": "kilowatt hour",
    "km/h": "kilometre an hour",
    "mph": "mile an hour",
    "GB": "gigabyte",
    "MB": "megabyte",
    "kB": "kilobyte",
    "TB": "terabyte",
    "ms": "millisecond",
    "min": "minute",
    "Hz": "hertz",
    "kHz": "kilohertz",
    "MHz": "megahertz",
    "GHz": "gigahertz",
}
_FRACTIONS = {
    ("1", "2"): "one half",
    ("1", "3"): "one third",
    ("2", "3"): "two thirds",
    ("1", "4"): "one quarter",
    ("3", "4"): "three quarters",
}
_ROMAN = {"I": 1, "V": 5, "X": 10}
_BEFORE_ROMAN = "chapter|part|volume|act|scene|book|section|war|phase|type|level"
_BEFORE_YEAR = "in|since|by|of|from|until|till|to|before|after|around|circa|year|during|between|and"
_AFTER_YEAR = r"(?!\s*(?:years?|people|times|men|women|miles?|metres?|meters?|feet|dollars?|euros?|words?)\b)"


def _year(found: re.Match[str]) -> str:
    """A year of the second millennium in two halves: "18 50", "19 oh 5", "17 hundred"."""
    before, high, low = found.groups()
    if low == "00":
        return f"{before}{high} hundred"
    return f"{before}{high} {'oh ' + low[1] if low[0] == '0' else low}"


def _date(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found.group()
    return f"{_MONTHS[int(month) - 1]} {int(day)}, {year}"


def _digits(found: re.Match[str]) -> str:
    groups = re.findall(r"\+|\d+", found.group())
    return ", ".join(" ".join(group) for group in groups).replace("+, ", "plus ")


def _unit(found: re.Match[str]) -> str:
    number, unit = found.groups()
    first, *rest = _UNITS[unit].split(" ", 1)
    plural = first if number == "1" or first.endswith("hertz") else f"{first}s"
    return " ".join([number, plural, *rest])


def _fraction(found: re.Match[str]) -> str:
    top, bottom = found.groups()
    return _FRACTIONS.get((top, bottom), f"{top} over {bottom}")


def _roman(found: re.Match[str]) -> str:
    before, numeral = found.groups()
    values = [_ROMAN[letter] for letter in numeral]
    following = [*values[1:], 0]
    number = sum(-v if v < after else v for v, after in zip(values, following, strict=True))
    return f"{before} {number}"


_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_READINGS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b"), _date),
    # A telephone number: what begins with a nought, or with a plus, is no count of anything.
    (re.compile(r"(?<![\w.,:])(?:\+\d{1,3}|0\d+)(?:[ /-]?\d{3,})+(?![\w.,:]*\d)"), _digits),
    (re.compile(rf"\b((?i:{_BEFORE_YEAR})\s+)(1[1-9])(\d\d)\b(?![.,:]?\d|%){_AFTER_YEAR}"), _year),
    (re.compile(rf"(?<![\w.])(\d+(?:[.,]\d+)*)\s?({_UNIT})(?![\w/])"), _unit),
    (re.compile(r"(?<![\w/.])(\d{1,2})/(\d{1,2})(?![\w/.]*\d)"), _fraction),
    (re.compile(rf"\b((?i:{_BEFORE_ROMAN}))\s+([IVX]{{1,5}})\b(?!')"), _roman),
    (re.compile(r"\b[Nn]os?\.\s?(?=\d)"), "number "),
    (re.compile(r"\bSt\.\s(?=[A-Z])"), "Saint "),
    (re.compile(r"\b(?i:approx)\.\s?"), "approximately "),
    (re.compile(r"\b(?i:vs)\.?\s"), "versus "),
    (re.compile(r"\b(?i:i\.\s?e\.),?\s"), "that is, "),
    (re.compile(r"\b(?i:e\.\s?g\.),?\s"), "for example "),
    (re.compile(r"\b(\d+(?:\.\d+)?)[eE]([+-]?\d+)\b"), r"\1 times ten to the \2"),
)


def read_out(text: str) -> str:
    """`text` with these written out; everything else stays as it is."""
    for pattern, reading in _READINGS:
        text = pattern.sub(reading, text)
    return text
