"""Python's garbage collector, which stops every thread of the process while it looks for cycles."""

from __future__ import annotations

import gc
from functools import cache


@cache
def leave_loaded_alone() -> None:
    """Let what lives now, models and modules, be looked through no more; once a process.

    Looking through all of it takes a tenth of a second, in which nothing is played and nothing heard.
    """
    gc.collect()
    gc.freeze()
