"""Media by URL: data URLs, and the few hosts that the configuration allows."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

import httpx

from specialists.errors import BadInput, LimitExceeded, TransientFailure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Fetched:
    data: bytes
    media_type: str = ""


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, and not one that leads inside."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_global and not mapped.is_multicast and not mapped.is_reserved


def decode_base64(text: str, limit: int, *, part: str) -> bytes:
    """The bytes of base64 `text`. Raises BadInput, or LimitExceeded before decoding what is too large."""
    if len(text) * 3 // 4 > limit + 3:
        raise LimitExceeded(f"is larger than {limit:,} bytes", part=part)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"is not valid base64 ({error})", part=part) from None


def read_data_url(url: str, limit: int, *, part: str) -> Fetched:
    """What a `data:` URL carries. Raises BadInput and LimitExceeded."""
    head, comma, body = url[len("data:") :].partition(",")
    if not comma:
        raise BadInput("is a data URL without data", part=part)
    media_type, *options = head.split(";")
    if "base64" in options:
        return Fetched(decode_base64(body, limit, part=part), media_type)
    if len(body) > 3 * limit:
        raise LimitExceeded(f"is larger than {limit:,} bytes", part=part)
    return Fetched(unquote_to_bytes(body), media_type or "text/plain")


async def fetch(
    url: str,
    limit: int,
    *,
    part: str,
    allowed_hosts: tuple[str, ...] = (),
    permitted: Callable[[Address], bool] = is_public,
) -> Fetched:
    """The content of a `data:`, `http:` or `https:` URL, of at most `limit` bytes.

    The host must be among `allowed_hosts` and every address it resolves to must be `permitted`; the
    connection goes to the address that was checked, and redirects are not followed.
    Raises BadInput, LimitExceeded, and TransientFailure when the host does not answer.
    """
    if url.startswith("data:"):
        return read_data_url(url, limit, part=part)
    host, port = _split(url, part)
    if host not in allowed_hosts:
        raise BadInput(
            f"URLs of the host {host!r} are not fetched",
            part=part,
            remedy="Send the content as a data: URL, or add the host to server.allowed_hosts",
        )
    address = await _resolve(host, port, permitted, part)
    return await _get(url, host, address, limit, part)


def _split(url: str, part: str) -> tuple[str, int]:
    try:
        pieces = urlsplit(url)
        host, port = (pieces.hostname or "").rstrip("."), pieces.port
    except ValueError:
        raise BadInput("is not a valid URL", part=part) from None
    if pieces.scheme not in ("http", "https") or not host:
        raise BadInput("is neither a data: URL nor an http(s) URL", part=part)
    return host, port or (443 if pieces.scheme == "https" else 80)


async def _resolve(host: str, port: int, permitted: Callable[[Address], bool], part: str) -> Address:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TransientFailure(
            f"the host {host!r} cannot be resolved ({error.strerror})", part=part
        ) from None
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    if not addresses or not all(permitted(address) for address in addresses):
        raise BadInput(f"the host {host!r} is inside a private network", part=part)
    return addresses[0]


async def _get(url: str, host: str, address: Address, limit: int, part: str) -> Fetched:
    # The address stands in the URL, so that a second, different answer of the name server changes nothing.
    target = httpx.URL(url).copy_with(host=str(address))
    headers = {"host": httpx.URL(url).netloc.decode(), "accept-encoding": "identity"}
    extensions = {"sni_hostname": host}
    try:
        async with (
            asyncio.timeout(_SECONDS),
            httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
            client.stream("GET", target, headers=headers, extensions=extensions) as answer,
        ):
            if answer.status_code != 200:
                raise BadInput(f"the host answered with status {answer.status_code}", part=part)
            data = bytearray()
            async for piece in answer.aiter_bytes(65536):
                data += piece
                if len(data) > limit:
                    raise LimitExceeded(f"is larger than {limit:,} bytes", part=part)
            return Fetched(bytes(data), answer.headers.get("content-type", "").partition(";")[0].strip())
    except (httpx.HTTPError, TimeoutError) as error:
        raise TransientFailure(f"cannot be fetched ({type(error).__name__})", part=part) from None
