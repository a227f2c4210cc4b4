"""The client of Redis, against one with the same commands and against servers that are none."""

from __future__ import annotations

import asyncio
import socket
from collections import deque

import pytest

from p2pstack.cli import harness_redis
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_redis import Redis, redis_endpoint
from tests.cli.fake_redis import FakeRedis, serving

PONG = b"+PONG\r\n"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("redis:6379", ("redis", 6379)),
        ("redis", ("redis", 6379)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65_535)),
        ("[::1]", ("::1", 6379)),
    ],
)
def test_endpoints(text: str, endpoint: tuple[str, int]) -> None:
    assert redis_endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["", ":1", "redis:", "redis:0", "redis:65536", "redis:x", "redis:²"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(CommandError, match="no address of Redis"):
        redis_endpoint(text)


async def test_what_one_leaves_the_other_takes() -> None:
    async with serving(FakeRedis()) as server:
        async with await Redis.connect(server.endpoint, 5) as one, await Redis.connect(server.endpoint, 5) as other:
            taking = asyncio.create_task(other.pop("list", 5.2))
            assert await one.push("list", "first") == 1
            assert await taking == "first"
            assert await one.push("list", "second") == 1
            assert await one.push("list", "third") == 2
            assert await other.pop("list", 1) == "second"
            assert await other.delete("list", "others") == 1
        assert ["BLPOP", "list", "6"] in server.commands, "whole seconds, and not fewer than asked for"


async def test_waiting_in_vain() -> None:
    async with serving(FakeRedis(PONG, b"*-1\r\n")) as server, await Redis.connect(server.endpoint, 5) as redis:
        with pytest.raises(CommandError, match="nobody has told list within 1 s"):
            await redis.pop("list", 0)
        assert await redis.push("list", "later") == 1, "the connection can be used on"


async def test_a_server_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness_redis, "RETRY_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    connecting = asyncio.create_task(Redis.connect(("127.0.0.1", port), 20))
    for _ in range(5):
        await asyncio.sleep(0)
    async with serving(FakeRedis(), port) as server, await connecting as redis:
        assert await redis.push("list", "value") == 1
        assert server.lists == {"list": deque([b"value"])}


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        endpoint = place.getsockname()[:2]
    with pytest.raises(CommandError, match=f"Redis at 127.0.0.1:{endpoint[1]} does not answer: "):
        await Redis.connect(endpoint, 0.05)


async def test_a_server_that_says_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as place,
        pytest.raises(CommandError, match="does not answer: timeout"),
    ):
        await Redis.connect(place.getsockname()[:2], 0.05)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$99999999\r\n"])
async def test_what_is_no_redis(answer: bytes) -> None:
    async with serving(FakeRedis(answer)) as server:
        with pytest.raises(CommandError, match="this is no Redis"):
            await Redis.connect(server.endpoint, 5)


async def test_one_that_wants_a_password() -> None:
    async with serving(FakeRedis(b"-NOAUTH Authentication required.\r\n")) as server:
        with pytest.raises(CommandError, match="Redis, PING: NOAUTH Authentication required"):
            await Redis.connect(server.endpoint, 5)


@pytest.mark.parametrize(
    "answer", [b":1\r\n", b"*1\r\n$1\r\na\r\n", b"*2\r\n$1\r\nb\r\n$1\r\nc\r\n", b"-WRONGTYPE\r\n"]
)
async def test_answers_that_do_not_fit_a_pop(answer: bytes) -> None:
    async with serving(FakeRedis(PONG, answer)) as server, await Redis.connect(server.endpoint, 5) as redis:
        with pytest.raises(CommandError, match="Redis, BLPOP: "):
            await redis.pop("a", 1)


async def test_an_entry_that_is_no_text() -> None:
    answer = b"*2\r\n$1\r\na\r\n$1\r\n\xff\r\n"
    async with serving(FakeRedis(PONG, answer)) as server, await Redis.connect(server.endpoint, 5) as redis:
        with pytest.raises(CommandError, match="a is no text"):
            await redis.pop("a", 1)


async def test_answers_that_do_not_fit_a_push_or_a_deletion() -> None:
    fake = FakeRedis(PONG, b"+OK\r\n", b"$-1\r\n")
    async with serving(fake) as server, await Redis.connect(server.endpoint, 5) as redis:
        with pytest.raises(CommandError, match="Redis, RPUSH: it answers 'OK'"):
            await redis.push("a", "b")
        with pytest.raises(CommandError, match="Redis, DEL: it answers 'None'"):
            await redis.delete("a")


async def test_a_connection_that_ends() -> None:
    async with serving(FakeRedis(PONG, None)) as server, await Redis.connect(server.endpoint, 5) as redis:
        with pytest.raises(ConnectionResetError, match="Redis has closed the connection"):
            await redis.push("a", "b")


async def test_an_answer_that_never_comes_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness_redis, "ANSWER_SECONDS", 0.05)
    async with serving(FakeRedis(PONG, b"")) as server, await Redis.connect(server.endpoint, 5) as redis:
        with pytest.raises(TimeoutError):
            await redis.push("a", "b")
        with pytest.raises((OSError, RuntimeError)):
            await redis.push("a", "b")
