"""Whose cancellation it is: of the task that runs, or of something that it waited for."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether somebody cancels the running task: else a CancelledError in it came from what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
