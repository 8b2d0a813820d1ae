"""Who may come in: API keys, the scope each key opens, and browsers that were lured here."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.errors import ApiError
from orchestrator.config import ServerTable
from specialists.errors import BadConfig

OPEN_PATHS = frozenset({"/", "/health"})
"""Answered without a key: what runs here, and whether it is ready."""


def read_keys(api_key: str) -> tuple[str, ...]:
    """The keys of `server.api_key`: several are separated by commas, `$NAME` reads the environment.

    Raises BadConfig when the environment has no such variable.
    """
    if api_key.startswith("$"):
        name = api_key[1:]
        if not os.environ.get(name):
            raise BadConfig(
                f"the environment variable {name} is empty", part="server.api_key", remedy=f"export {name}=…"
            )
        api_key = os.environ[name]
    return tuple(key for key in re.split(r"[,\s]+", api_key) if key)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(server: ServerTable) -> tuple[str, ...]:
    """The keys. Raises BadConfig when the server would listen to other machines without one."""
    keys = read_keys(server.api_key)
    if not keys and not is_loopback(server.host):
        raise BadConfig(
            f"listening on {server.host} needs an API key",
            part="server.api_key",
            remedy='Set api_key = "$ANTIPHON_API_KEY" under [server] and export it, or use 127.0.0.1',
        )
    return keys


class Guard:
    """Middleware that lets in who has a key and notes the scope in `request.state.scope`.

    The scope is a prefix of session names, drawn from the key, so that the sessions of one key do not
    exist for another. Without keys the scope is empty and only this machine's own programs are served: a
    web page that reaches for the loopback address is recognised by its Origin, or by a Host that is not ours.
    """

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self._app = app
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            prefix = self._by_key(headers, scope["path"]) if self._keys else self._by_place(headers)
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        scope.setdefault("state", {})["scope"] = prefix
        await self._app(scope, receive, send)

    def _by_key(self, headers: Headers, path: str) -> str:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given.strip().encode() if scheme.lower() == "bearer" else b""
        found = b""
        for key in self._keys:  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(key, token):
                found = key
        if found:
            return prefix_of(found.decode())
        if path in OPEN_PATHS:
            return ""
        reason = "The API key is wrong" if token else "An API key is needed: Authorization: Bearer KEY"
        raise ApiError(401, reason, code="invalid_api_key")

    def _by_place(self, headers: Headers) -> str:
        origin = headers.get("origin")
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if not is_loopback(host) or (origin and not is_loopback(urlsplit(origin).hostname or "")):
            raise ApiError(
                403,
                "Without an API key only programs on this machine are served; set server.api_key for others",
                code="forbidden_origin",
            )
        return ""


def prefix_of(key: str) -> str:
    """The prefix of session names that belong to a key."""
    return "key-" + hashlib.sha256(key.encode()).hexdigest()[:16] + "."
