"""A session of another process: the Session contract over HTTP.

async with Client("http://127.0.0.1:8321") as client:
    async for event in client.session("trip").send("What is this?", images=["cat.jpg"]):
        ...
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

import httpx

from memory.log import SessionInfo, session_name
from orchestrator.budget import Budget
from orchestrator.events import Event, from_dict
from orchestrator.session import Attachment, Speak
from specialists import errors
from specialists.base import Card
from specialists.content import AUDIO, IMAGE, VIDEO, BlobRef, Kind, Message
from specialists.errors import AntiphonError, BadInput, Ours, TransientFailure, Unavailable
from specialists.media import safe_name
from specialists.runtime import Health

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
"""The server fills silence with comments, so that this long without a byte means a dead connection."""
_RETRY_SECONDS = 1.0

_ERRORS: Mapping[str, type[AntiphonError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AntiphonError)
}

_FIELDS = {IMAGE: "images", AUDIO: "audio", VIDEO: "video"}

Given = str | Path | Attachment


class Client:
    """A connection to a server. Every call raises AntiphonError: what the server said, or Unavailable."""

    def __init__(self, url: str, api_key: str = "") -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS, write=None)
        self.url = url.rstrip("/")
        try:
            self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout)
        except (httpx.InvalidURL, ValueError) as error:
            raise BadInput(f"not a URL: {error}", part=url) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    def session(self, name: str) -> RemoteSession:
        """The session of this name; it begins with its first turn. Raises BadInput for an unusable name."""
        return RemoteSession(session_name(name), self)

    async def sessions(self) -> list[SessionInfo]:
        """The sessions there are, the one last used first."""
        return [SessionInfo(**values) for values in (await self._json("GET", "/sessions"))["sessions"]]

    async def cards(self) -> tuple[Card, ...]:
        """The Cards of the specialists there."""
        from pydantic import TypeAdapter

        adapter = TypeAdapter(Card)
        names = {field.name for field in fields(Card)}
        return tuple(
            adapter.validate_python({name: value for name, value in values.items() if name in names})
            for values in await self._specialists()
        )

    async def health(self) -> Mapping[str, Health]:
        """How each specialist does."""
        return {v["name"]: Health(**v["health"]) for v in await self._specialists() if v["health"]}

    async def plan(
        self, text: str, kinds: Sequence[Kind] = (), history: Sequence[Message] = ()
    ) -> dict[str, Any]:
        """What would be done: `steps`, `outputs`, `reuse`, `notes`, `controls`, as the server writes them."""
        said = [
            {"role": m.role, "text": m.text, "attachments": [part.kind for part in m.media]} for m in history
        ]
        body = {"text": text, "attachments": list(kinds), "history": said}
        return await self._json("POST", "/plan", json=body)

    async def read(self, ref: BlobRef) -> bytes:
        """The bytes of a picture or file that an event names."""
        return (await self._request("GET", f"/blobs/{ref.digest}")).content

    async def stream(self, method: str, path: str, **request: Any) -> AsyncIterator[Event]:
        """The Events that the server answers with. Closing the iterator closes the connection."""
        with _translated(self.url):
            async with self._http.stream(method, path, **request) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _error(answer)
                async with aclosing(_events(answer)) as events:  # type: ignore[type-var]
                    async for event in events:
                        yield event

    async def post(self, path: str, body: Mapping[str, object]) -> None:
        await self._request("POST", path, json=body)

    async def _specialists(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._json("GET", "/specialists"))["specialists"]
        return found

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = await self._request(method, path, **request)
        try:
            values: dict[str, Any] = answer.json()
        except ValueError as error:
            raise Unavailable("something else than Antiphon answers there", part=self.url) from error
        return values

    async def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        with _translated(self.url):
            answer = await self._http.request(method, path, **request)
        if answer.is_error:
            raise _error(answer)
        return answer


class RemoteSession:
    """A session of a server. See `orchestrator.session.Session` for the contract."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client
        self._path = f"/sessions/{quote(name, safe='')}"

    async def send(
        self,
        text: str = "",
        *,
        images: Sequence[Given] = (),
        audio: Sequence[Given] = (),
        video: Sequence[Given] = (),
        files: Sequence[Given] = (),
        voice: bool = False,
        speak: Speak = False,
        budget: Budget | None = None,
    ) -> AsyncIterator[Event]:
        """As the contract says. A file that cannot be read here raises BadInput before anything is sent."""
        given = {"images": images, "audio": audio, "video": video, "files": files}
        said = {"text": text, "voice": str(voice).lower(), "speak": str(speak).lower()}
        if budget is not None:
            limits = {"within": budget.seconds, "max_price": budget.price}
            said |= {name: str(limit) for name, limit in limits.items() if limit is not None}
        with ExitStack() as stack:
            # Every field as a part: without files the form would not be multipart.
            parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in said.items()]
            for field, many in given.items():
                for one in many:
                    kind = one.kind if isinstance(one, Attachment) else None
                    parts.append((_FIELDS.get(kind or "", field), _upload(one, stack)))
            async with aclosing(self._client.stream("POST", f"{self._path}/turns", files=parts)) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event

    async def interrupt(self, *, heard: str | None = None) -> None:
        await self._client.post(f"{self._path}/interrupt", {"heard": heard})

    async def events(self, since: int = 0) -> AsyncIterator[Event]:
        """As the contract says. A broken connection is taken up again where it broke."""
        while True:
            headers = {"last-event-id": str(since)}
            try:
                stream = self._client.stream("GET", f"{self._path}/events", headers=headers)
                async with aclosing(stream) as events:  # type: ignore[type-var]
                    async for event in events:
                        since = event.seq
                        yield event
                return
            except TransientFailure:
                await asyncio.sleep(_RETRY_SECONDS)


def _upload(given: Given, stack: ExitStack) -> tuple[str, IO[bytes] | bytes, str]:
    """A file as httpx sends it: name, content, media type."""
    if not isinstance(given, Attachment):
        given = Attachment(path=Path(given))
    unknown = "application/octet-stream"
    if given.data is not None:
        return given.name or "attachment", given.data, given.media_type or unknown
    if given.path is None:
        raise BadInput("neither a path nor bytes were given", part=given.name or "attachment")
    name = given.name or given.path.name
    try:
        return name, stack.enter_context(given.path.open("rb")), given.media_type or unknown
    except OSError as error:
        raise BadInput(
            f"cannot be read: {error.strerror}", part=safe_name(name), remedy="Check the path"
        ) from error


async def _events(answer: httpx.Response) -> AsyncIterator[Event]:
    """Parse server-sent events: `data:` lines end at an empty line; comments and other fields are skipped."""
    kind, data = "", ""
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            data += line[len("data: ") :]
        elif line.startswith("event: "):
            kind = line[len("event: ") :]
        elif not line and data:
            yield _parsed(kind, data)
            kind, data = "", ""


def _parsed(kind: str, data: str) -> Event:
    try:
        values = json.loads(data)
        if kind != "error":
            return from_dict(values)
    except ValueError as error:
        raise Ours("the server sent an event that this version cannot read", part="events") from error
    raise _from_body(values)


def _error(answer: httpx.Response) -> AntiphonError:
    try:
        return _from_body(answer.json())
    except ValueError:
        return Unavailable(f"answered with status {answer.status_code}", part=str(answer.url))


def _from_body(values: Any) -> AntiphonError:
    said = values.get("error") if isinstance(values, dict) else None
    if not isinstance(said, dict):
        return Unavailable("something else than Antiphon answers there", part="server")
    if said.get("code") == "invalid_api_key":
        return Unavailable(
            str(said.get("message")), part="server", remedy="Give the key with --api-key or $ANTIPHON_API_KEY"
        )
    # The message names the part already.
    return _ERRORS.get(str(said.get("code")), Unavailable)(str(said.get("message")).rstrip("."))


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Trouble with the connection, as our errors."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Unavailable(
            f"nothing answers there ({error})", part=url, remedy="Start it with: antiphon serve"
        ) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise BadInput(f"not a URL: {error}", part=url) from error
    except httpx.HTTPError as error:
        raise TransientFailure(f"the connection broke ({type(error).__name__})", part=url) from error
