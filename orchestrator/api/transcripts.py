"""The words of spoken answers, kept for as long as clients may refer to them by id."""

from __future__ import annotations

import time
from collections import OrderedDict

from orchestrator.api.errors import refused

KEPT_SECONDS = 3600
MOST_KEPT = 1000


class Transcripts:
    """In memory: a restart forgets them, as their expiry would."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, int, str]] = OrderedDict()

    def put(self, audio_id: str, scope: str, text: str) -> int:
        """Keep a transcript. Returns when it expires, in seconds since the epoch."""
        expires = int(time.time()) + KEPT_SECONDS
        self._kept[audio_id] = (scope, expires, text)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return expires

    def get(self, audio_id: str, scope: str, param: str) -> str:
        """The transcript. Raises ApiError for an id that is unknown, expired or of another key."""
        owner, expires, text = self._kept.get(audio_id, ("", 0, ""))
        if owner != scope or expires < time.time():
            raise refused("No spoken answer of this id is kept; send its words in content", param)
        return text
