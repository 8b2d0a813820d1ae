"""Record ids: unique, and in the order of their making when sorted as text."""

from __future__ import annotations

import secrets
import threading
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letters that are read as digits."""

LENGTH = 26
_RANDOM_BITS = 80

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A ULID: 48 bits of milliseconds since the epoch, then 80 random bits, as 26 characters.

    Within a process each id is greater than the one before, even if the clock stands or goes back.
    """
    global _last  # noqa: PLW0603 - the order holds for the whole process, whichever store asks
    fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    with _lock:
        _last = max(fresh, _last + 1)
        value = _last
    return "".join(ALPHABET[value >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))
