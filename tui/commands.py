"""The slash commands: one table that parsing, completion, the palette and the help screen read."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """`argument` is what follows the name, in brackets when it may be left out; `keys` does the same."""

    name: str
    argument: str
    help: str
    keys: str = ""

    @property
    def usage(self) -> str:
        return f"/{self.name} {self.argument}".rstrip()

    @property
    def takes_path(self) -> bool:
        return "PATH" in self.argument

    @property
    def needs_argument(self) -> bool:
        return bool(self.argument) and not self.argument.startswith("[")


COMMANDS: tuple[Command, ...] = (
    Command("attach", "[PATH]", "Attach a file; without a path, pick one", "Ctrl+O"),
    Command("image", "[PATH]", "Attach a picture; without a path, pick one"),
    Command("session", "NAME", "Go to a session, or begin it"),
    Command("sessions", "", "Pick a session", "Ctrl+R"),
    Command("specialists", "", "How the specialists do", "F2"),
    Command("trace", "", "Why a turn went as it did", "Ctrl+T"),
    Command("copy", "", "Copy the last answer", "Ctrl+Y"),
    Command("play", "", "Play the speech of the last answer"),
    Command("speech", "PATH.wav", "Save the speech of the last answer"),
    Command("save", "PATH.md", "Save the conversation"),
    Command("clear", "", "Clear the screen, not the session", "Ctrl+L"),
    Command("help", "", "Keys and commands", "F1"),
    Command("quit", "", "Leave", "Ctrl+Q"),
)

_NAMES = {command.name: command for command in COMMANDS}
_FORM = re.compile(r"/([a-z]*)(?:\s+(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A command as typed, with its argument."""

    command: Command
    argument: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that looks like a command and is none; `nearest` is empty when nothing comes close."""

    name: str
    nearest: str


def parse(text: str) -> Call | Unknown | None:
    """The command in a text, or None when it is a message. A path such as /home/me/cat.jpg is no command."""
    form = _FORM.match(text.strip())
    if form is None:
        return None
    name, argument = form.group(1), (form.group(2) or "").strip()
    if command := _NAMES.get(name):
        return Call(command, argument)
    near = difflib.get_close_matches(name, _NAMES, n=1)
    return Unknown(name, near[0] if near else "")


def matching(text: str) -> tuple[Command, ...]:
    """The commands that a text could still become; of one that is complete, itself alone."""
    if not text.startswith("/") or "\n" in text:
        return ()
    name, space, _ = text[1:].partition(" ")
    if space:
        return (_NAMES[name],) if name in _NAMES else ()
    return tuple(command for command in COMMANDS if command.name.startswith(name))


def completion(text: str) -> str:
    """What would complete the first matching command's name; empty when nothing does."""
    found = matching(text)
    if not found or " " in text or text == "/":
        return ""
    return found[0].name[len(text) - 1 :]
