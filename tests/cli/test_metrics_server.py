"""Figures over HTTP."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from p2pstack.cli import metrics_server
from p2pstack.cli.metrics_server import MetricsServer
from tests.aio.shell import sees_the_end, until


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


async def test_the_page_is_served_as_it_is_when_asked_for() -> None:
    numbers = iter(range(9))
    async with MetricsServer(0, lambda: f"n {next(numbers)}\n", "text/plain; version=0.0.4") as server:
        for number in range(2):
            answer = await ask(server.port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: here\r\n\r\n")
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Content-Type: text/plain; version=0.0.4" in head
            assert b"Content-Length: 4" in head
            assert body == f"n {number}\n".encode()
        assert (await ask(server.port, b"HEAD /metrics HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405"),
        (b"\r\n\r\n", b"HTTP/1.1 405"),
        (b"\xff" * 10_000, b""),
    ],
)
async def test_other_requests(request_: bytes, status: bytes) -> None:
    async with MetricsServer(0, lambda: "", "text/plain") as server:
        assert (await ask(server.port, request_))[: len(status) or None] == status


async def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "TIMEOUT", 0.05)
    async with MetricsServer(0, lambda: "", "text/plain") as server:
        assert await ask(server.port, b"GET") == b""


async def test_no_more_than_so_many_at_once() -> None:
    async with MetricsServer(0, lambda: "", "text/plain") as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(metrics_server.MAX_CONNECTIONS)]
        await until(lambda: len(server._serving) == metrics_server.MAX_CONNECTIONS)
        assert await ask(server.port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
        for _, writer in held:
            writer.close()
        await until(lambda: not server._serving)


async def test_it_ends_while_somebody_is_connected() -> None:
    async with MetricsServer(0, lambda: "", "text/plain") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: server._serving)
    with contextlib.suppress(OSError):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.req("TCP-06")
@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_while_it_closes_sees_the_end(turns: int) -> None:
    server = MetricsServer(0, lambda: "", "text/plain")
    await server.__aenter__()
    assert await sees_the_end(("127.0.0.1", server.port), turns, lambda: server.__aexit__(None, None, None))
