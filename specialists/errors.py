"""Every error Antiphon raises on purpose, as one tree.

    AntiphonError
    ├── Theirs                    what a person, a client, a file or a model service gave us is wrong
    │   ├── BadInput              a Part, a parameter or a message cannot be used
    │   │   └── LimitExceeded     it is larger or longer than the configured limit
    │   ├── UnknownName           no specialist, session, record, model or blob of that name
    │   ├── BadConfig             a key or value of the configuration cannot be used
    │   ├── Unavailable           a part of the system is not configured or not installed
    │   ├── SpecialistFailed      a model or service failed while it worked
    │   │   └── TransientFailure  ... in a way that a second try may cure
    │   └── DeadlineExceeded      the time allowed for a step or a turn is over
    └── Ours                      an invariant of this program is broken: a bug to report

Each names the *part* that is concerned and, where there is one, the *remedy*. Cancellation is not an
error: it stays `asyncio.CancelledError`.
"""

from __future__ import annotations


class AntiphonError(Exception):
    """Base of the tree. `part` names what failed, `remedy` says what to do about it."""

    code = "error"

    def __init__(self, message: str, *, part: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.part = part
        self.remedy = remedy

    def __str__(self) -> str:
        named = f"{self.part}: {self.message}" if self.part else self.message
        return f"{named}. {self.remedy}" if self.remedy else named

    def __reduce__(self) -> tuple[object, ...]:  # errors cross process borders on Ray
        return (_rebuild, (type(self), self.message, self.part, self.remedy))


def _rebuild(kind: type[AntiphonError], message: str, part: str, remedy: str) -> AntiphonError:
    return kind(message, part=part, remedy=remedy)


class Theirs(AntiphonError):
    code = "theirs"


class Ours(AntiphonError):
    code = "internal"


class BadInput(Theirs):
    code = "bad_input"


class LimitExceeded(BadInput):
    code = "limit_exceeded"


class UnknownName(Theirs):
    code = "unknown_name"


class BadConfig(Theirs):
    code = "bad_config"


class Unavailable(Theirs):
    code = "unavailable"


class SpecialistFailed(Theirs):
    code = "specialist_failed"


class TransientFailure(SpecialistFailed):
    code = "transient_failure"


class DeadlineExceeded(Theirs):
    code = "deadline_exceeded"
