"""Models behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

from specialists.chat.backend import POLL, Said, Sampling
from specialists.chat.form import Form
from specialists.errors import (
    AntiphonError,
    BadConfig,
    BadInput,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
)

_LONGEST_LINE = 1 << 20
"""Characters of one server-sent event that are still taken."""

_REFUSALS = (400, 415, 422, 501)
"""How servers answer a parameter that they do not know."""


class CompatibleBackend:
    """One model of one server. Nothing is loaded here; each call has a connection of its own."""

    def __init__(self, model: str, url: str, *, context_tokens: int, api_key: str = "") -> None:
        self.context_tokens = context_tokens
        self._model = model
        self._url = url
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._structured = True
        """Whether the server takes response_format, as far as is known."""

    def count(self, text: str) -> int:
        """An estimate on the safe side: the server's tokenizer is not known here."""
        return len(text.encode()) // 3 + 1

    def stream(self, messages: Sequence[Said], sampling: Sampling) -> Generator[str, None, None]:
        if sampling.grammar:
            raise BadInput(
                "a server takes no GBNF grammar",
                part="grammar",
                remedy="Describe the answer by `form`",
            )
        request = self._request(messages, sampling)
        return self._formed(request, sampling.form) if sampling.form else self._pieces(request)

    def _formed(self, request: dict[str, Any], form: Form) -> Generator[str, None, None]:
        """The answer under a schema; as the model likes where the server has no structured outputs."""
        if self._structured:
            schema = {"name": "answer", "strict": True, "schema": form.schema()}
            wanted = {"type": "json_schema", "json_schema": schema}
            try:
                yield from self._whole(request | {"response_format": wanted}, form)
                return
            except _SchemaRefused:
                pass
        yield from self._whole(request, form)
        self._structured = False  # only now: a request that fails without it too was not refused for it

    def _whole(self, request: dict[str, Any], form: Form) -> Generator[str, None, None]:
        answer = ""
        pieces = self._pieces(request)
        try:
            for piece in pieces:
                answer += piece
                yield ""
        finally:
            pieces.close()
        yield form.unpacked(answer)

    def _pieces(self, request: dict[str, Any]) -> Generator[str, None, None]:
        # A loop of its own in the reader's thread: only there can a silent connection be given up at once.
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            answer = self._answer(request)
            following: asyncio.Task[str] | None = None
            try:
                while True:
                    following = following or loop.create_task(_next(answer))
                    loop.run_until_complete(asyncio.wait({following}, timeout=POLL))
                    if not following.done():
                        yield ""
                        continue
                    try:
                        piece = following.result()
                    except _Over:
                        return
                    following = None
                    yield piece
            finally:
                if following is not None and not following.done():
                    following.cancel()
                    loop.run_until_complete(asyncio.wait({following}))
                loop.run_until_complete(answer.aclose())

    async def _answer(self, request: dict[str, Any]) -> AsyncGenerator[str, None]:
        import httpx

        timeout = httpx.Timeout(120, connect=10)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, headers=self._headers) as http,
                http.stream("POST", f"{self._url}/chat/completions", json=request) as response,
            ):
                if response.status_code in _REFUSALS and "response_format" in request:
                    raise _SchemaRefused
                if response.status_code != 200:
                    raise self._refused(response.status_code, (await response.aread())[:2000])
                async for line in response.aiter_lines():
                    if len(line) > _LONGEST_LINE:
                        raise SpecialistFailed("the server sent an overlong event", part=self._url)
                    data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                    if data == "[DONE]":
                        return
                    if data and (piece := self._piece(data)):
                        yield piece
        except httpx.TransportError as error:
            raise TransientFailure(
                f"the model server cannot be reached ({error or type(error).__name__})",
                part=self._url,
                remedy="Check that it runs and that the URL in the configuration is right",
            ) from error

    def _piece(self, data: str) -> str:
        try:
            values = json.loads(data)
            if "error" in values:
                raise SpecialistFailed(f"the model server failed: {_message(values)}", part=self._url)
            choices = values.get("choices") or [{}]
            return str((choices[0].get("delta") or {}).get("content") or "")
        except (ValueError, AttributeError, TypeError, IndexError, KeyError) as error:
            raise SpecialistFailed("the model server sent what is no chat event", part=self._url) from error

    def _refused(self, status: int, body: bytes) -> AntiphonError:
        try:
            said = _message(json.loads(body))
        except ValueError:
            said = ""
        reason = f"the model server answers {status}" + (f": {said}" if said else "")
        if status in (401, 403):
            return Unavailable(reason, part=self._url, remedy="Set api_key in the specialist's table")
        if status == 404:
            return BadConfig(
                reason,
                part=self._url,
                remedy=f"Check the URL and that it serves a model named {self._model!r}",
            )
        if status in (408, 409, 425, 429) or status >= 500:
            return TransientFailure(reason, part=self._url)
        return SpecialistFailed(reason, part=self._url)

    def _request(self, messages: Sequence[Said], sampling: Sampling) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": said.role, "content": said.text} for said in messages],
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "stream": True,
        }
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if sampling.stop:
            request["stop"] = list(sampling.stop)
        return request


class _SchemaRefused(Exception):
    """The server answers a request that has a response_format as one that it does not understand."""


class _Over(Exception):
    """The stream has ended. A task cannot raise StopAsyncIteration's kin into its waiter."""


async def _next(answer: AsyncGenerator[str, None]) -> str:
    try:
        return await anext(answer)
    except StopAsyncIteration:
        raise _Over from None


def _message(values: Any) -> str:
    """What an error body says, in whichever of the usual shapes."""
    error = values.get("error", values) if isinstance(values, dict) else values
    said = error.get("message", error) if isinstance(error, dict) else error
    return str(said)[:300]
