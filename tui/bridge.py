"""The bridge between an engine and the screen.

The engine lives on a thread and a loop of its own, so that neither its imports nor its work ever hold up a
key. What happens there arrives on the screen as the messages of `tui.messages`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from specialists.errors import AntiphonError, Unavailable
from tui.backend import Backend, Opener
from tui.follower import Follower, ours
from tui.messages import Broken, Followed, Loading, Outgoing, Post, Ready, Refused

T = TypeVar("T")


class Bridge:
    """Opens the engine, follows one session at a time, and passes on what is sent to it."""

    def __init__(self, opener: Opener, session: str = "default") -> None:
        self._opener = opener
        self._first = session
        self._post: Post = lambda message: None
        self._backend: Backend | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._early: list[Callable[[], object]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        # Set on the engine's loop before `start` returns.
        self._main: asyncio.Task[None]
        self._follower: Follower

    # On the screen's side.

    def start(self, post: Post) -> None:
        """Begin to open the engine; `post` gets the messages and must be safe to call from a thread."""
        self._post = post
        self._thread.start()
        self._started.wait()

    def send(self, outgoing: Outgoing) -> None:
        """Send a message; before the engine is ready it waits, while a turn runs it interrupts that turn."""
        self._call(lambda: self._follower.send(outgoing))

    def interrupt(self) -> None:
        """Stop the running turn; asked again while it still runs, stop waiting for it."""
        self._call(self._interrupt)

    def follow(self, session: str) -> None:
        """Leave the session for another: `Followed` tells that it is done, `Refused` that it cannot be."""
        self._call(lambda: self._spawn(self._switch(session)))

    async def ask(self, question: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        """Await an answer of the backend. Raises Unavailable while there is no opened engine."""
        backend = self._backend
        if backend is None or self._loop is None:
            raise Unavailable("is not open", part="engine", remedy="Wait until the models are loaded")
        answer = asyncio.run_coroutine_threadsafe(question(backend), self._loop)
        return await asyncio.wrap_future(answer)

    def stop(self) -> None:
        """Begin to close the engine; `join` waits until it is closed."""
        if self._thread.ident is not None:
            self._call(self._end)

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _call(self, call: Callable[[], object]) -> None:
        if self._loop is None:
            self._early.append(call)
            return
        with contextlib.suppress(RuntimeError):  # that loop has ended, and `Broken` has told why
            self._loop.call_soon_threadsafe(call)

    # On the engine's side.

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()  # type: ignore[assignment]
        self._follower = Follower(self._first, self._post)
        self._errands: set[asyncio.Task[None]] = set()
        for call in self._early:
            self._loop.call_soon(call)
        self._started.set()
        try:
            self._post(Loading("the engine"))
            async with self._opener() as backend:
                try:
                    await self._serve(backend)
                finally:
                    self._backend = None
                    await self._follower.close()
        except AntiphonError as error:
            self._post(Broken(error, ended=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, the screen must say so
            self._post(Broken(ours(error), ended=True))

    async def _serve(self, backend: Backend) -> None:
        """Load what answers first, take messages, then load the rest; then stay until cancelled."""
        cards = [card for card in await backend.cards() if card.available]
        if any(card.name == "chat" for card in cards):
            self._post(Loading("chat"))
            await backend.load("chat")
        self._backend = backend
        self._follower.follow(backend.session(self._follower.name))
        self._post(Ready())
        for name in (card.name for card in cards if card.name != "chat"):
            await self._follower.idle.wait()  # a turn has the machine to itself
            self._post(Loading(name))
            with contextlib.suppress(AntiphonError):  # its health says so, and whoever calls it hears it
                await backend.load(name)
        self._post(Loading(""))
        await asyncio.Event().wait()

    def _interrupt(self) -> None:
        self._follower.interrupt()

    def _end(self) -> None:
        self._main.cancel()

    async def _switch(self, session: str) -> None:
        try:
            opened = None if self._backend is None else self._backend.session(session)
        except AntiphonError as error:
            self._post(Refused(error))
            return
        await self._follower.close()
        self._follower = Follower(session, self._post)
        self._post(Followed(session))
        if opened is not None:
            self._follower.follow(opened)

    def _spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
