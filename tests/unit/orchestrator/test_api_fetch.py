"""URLs in requests: which are fetched, and what of them is believed."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.fetch import Address, decode_base64, fetch, is_public, read_data_url
from specialists.errors import BadInput, LimitExceeded, Theirs, TransientFailure

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def host(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A host on loopback that says `answer`; yields its port and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        try:
            await writer.drain()
        except ConnectionError:
            pass  # the one who asked had enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def loopback(address: Address) -> bool:
    return address.is_loopback


def response(body: bytes, head: str = "200 OK\r\nContent-Type: image/png; charset=x") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def get(port: int, limit: int = 1000) -> object:
    url = f"http://localhost:{port}/a?b=c"
    return await fetch(url, limit, part="p", allowed_hosts=("localhost",), permitted=loopback)


async def test_an_allowed_host_is_asked_by_its_name() -> None:
    async with host(response(b"pixels")) as (port, asked):
        fetched = await get(port)
    assert (fetched.data, fetched.media_type) == (b"pixels", "image/png")
    assert asked[0].startswith(b"GET /a?b=c ")
    assert f"host: localhost:{port}".encode() in asked[0].lower()


async def test_a_redirect_is_not_followed() -> None:
    async with host(response(b"inside")) as (inner, asked):
        moved = response(b"", f"302 Found\r\nLocation: http://localhost:{inner}/")
        async with host(moved) as (port, _):
            with pytest.raises(BadInput, match="302"):
                await get(port)
        assert asked == []


async def test_more_than_the_limit_is_not_taken() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000
    async with host(endless) as (port, _):
        with pytest.raises(LimitExceeded):
            await get(port)


async def test_a_host_that_is_not_there_may_be_tried_again() -> None:
    async with host(b"") as (port, _):
        with pytest.raises(TransientFailure):
            await get(port)


async def test_an_allowed_name_that_leads_inside_is_refused() -> None:
    async with host(response(b"secret")) as (port, asked):
        with pytest.raises(BadInput, match="private network"):
            await fetch(f"http://localhost:{port}/", 1000, part="p", allowed_hosts=("localhost",))
        assert asked == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "ff02::1",
    ],
)
def test_addresses_inside(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_outside(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost.evil.example/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "",
        "http://",
        "http://[::1",
        "http://localhost:99999/",
        "localhost",
        "http://localhost@evil.example/",
    ],
)
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(BadInput):
        await fetch(url, 1000, part="p", allowed_hosts=("localhost",), permitted=loopback)


@given(st.binary(max_size=200), st.sampled_from(["", "image/png", "text/plain;charset=utf-8"]))
def test_data_urls_say_what_they_carry(data: bytes, media_type: str) -> None:
    import base64
    from urllib.parse import quote

    for url in (
        f"data:{media_type};base64,{base64.b64encode(data).decode()}",
        f"data:{media_type},{quote(data)}",
    ):
        fetched = read_data_url(url, 1000, part="p")
        assert fetched.data == data
        assert media_type.startswith(fetched.media_type) or not media_type


@given(st.text(max_size=100))
def test_any_text_is_base64_or_refused(text: str) -> None:
    try:
        assert isinstance(decode_base64(text, 1000, part="p"), bytes)
        read_data_url("data:" + text, 1000, part="p")
    except Theirs as error:
        assert error.part == "p"


def test_the_limit_holds_before_decoding() -> None:
    with pytest.raises(LimitExceeded):
        decode_base64("A" * 2000, 1000, part="p")
    with pytest.raises(LimitExceeded):
        read_data_url("data:," + "%41" * 2000, 1000, part="p")
