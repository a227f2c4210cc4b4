from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from p2pstack.errors import ConfigError
from p2pstack.shinkai.node.ws import CLOSE_TIMEOUT, WsManager
from tests.shinkai.node.pairs import ALICE, BOB, closed, directory, running, until

INBOX = f"inbox::{ALICE}::{BOB}::false"


def url(manager: WsManager) -> str:
    return f"ws://127.0.0.1:{manager.port}/"


@pytest.mark.req("SHK-96")
@pytest.mark.parametrize("subtopic", [INBOX, ""])
async def test_clients_are_told_of_messages_of_the_inboxes_that_they_want(subtopic: str) -> None:
    known = directory()
    async with WsManager() as manager, running(ALICE, known) as alice, running(BOB, known, ws_manager=manager):
        async with connect(url(manager)) as client:
            await client.send(json.dumps({"subscriptions": [{"topic": "inbox", "subtopic": subtopic}]}))
            assert json.loads(await client.recv()) == {"subscriptions": [subtopic]}
            await alice.send_text(BOB, "ding")
            async with asyncio.timeout(10):
                notice = json.loads(await client.recv())
            assert (notice["message_type"], notice["inbox"]) == ("ShinkaiMessage", INBOX)
            assert "ding" in notice["message"]
        await until(lambda: len(manager) == 0)


@pytest.mark.req("SHK-96")
async def test_others_are_told_nothing_and_may_unsubscribe() -> None:
    async with WsManager() as manager, connect(url(manager)) as client:
        await until(lambda: len(manager) == 1)
        assert manager.notify(INBOX, b"{}") == 0
        topic = {"topic": "inbox", "subtopic": INBOX}
        await client.send(json.dumps({"subscriptions": [topic]}))
        await client.recv()
        assert manager.notify(INBOX, b"{}") == 1
        await client.recv()
        await client.send(json.dumps({"unsubscriptions": [topic]}))
        await client.recv()
        assert manager.notify(INBOX, b"{}") == 0


@pytest.mark.parametrize(
    "request_text",
    [
        "{",
        "[]",
        '{"subscriptions": 1}',
        '{"subscriptions": [{"topic": "sheet"}]}',
        '{"subscriptions": [{"topic": "inbox", "subtopic": 1}]}',
        "[" * 5_000,
        b"\x00",
    ],
)
async def test_hostile_requests_are_answered_with_an_error(request_text: str | bytes) -> None:
    async with WsManager() as manager, connect(url(manager)) as client:
        await client.send(request_text)
        assert json.loads(await client.recv())["error_message"]
        assert manager.counters["malformed"] == 1


async def test_too_many_subscriptions_are_refused() -> None:
    async with WsManager() as manager, connect(url(manager)) as client:
        many = [{"topic": "inbox", "subtopic": f"inbox::{number}"} for number in range(300)]
        await client.send(json.dumps({"subscriptions": many}))
        assert "256" in json.loads(await client.recv())["error_message"]


@pytest.mark.req("SHK-96")
async def test_who_may_connect() -> None:
    with pytest.raises(ConfigError):
        WsManager("0.0.0.0")
    async with WsManager(token="secret") as manager:
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url(manager))
        async with connect(url(manager), additional_headers={"Authorization": "Bearer secret"}):
            pass
    async with WsManager(max_clients=1) as manager:
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url(manager), origin="https://example.com")
        async with connect(url(manager)):
            await until(lambda: len(manager) == 1)
            with pytest.raises(InvalidStatus, match="503"):
                await connect(url(manager))


async def test_a_client_that_is_too_slow_is_dropped() -> None:
    async with WsManager(max_waiting=2) as manager, connect(url(manager)) as client:
        await client.send(json.dumps({"subscriptions": [{"topic": "inbox"}]}))
        await client.recv()
        assert [manager.notify(INBOX, b"{}") for _ in range(3)] == [1, 1, 0]
        assert manager.counters["slow"] == 1
        await until(lambda: len(manager) == 0)


@pytest.mark.req("SHK-96")
async def test_closing_waits_for_no_client_that_says_nothing() -> None:
    loop = asyncio.get_running_loop()
    manager = WsManager()
    await manager.start()
    silent, writer = await asyncio.open_connection("127.0.0.1", manager.port)
    half, other = await asyncio.open_connection("127.0.0.1", manager.port)
    other.write(b"GET / HTTP/1.1\r\n")
    async with connect(url(manager)) as client:
        await until(lambda: len(manager) == 1 and len(manager._connections) == 3)
        since = loop.time()
        await manager.close()
        assert loop.time() - since < CLOSE_TIMEOUT + 2.0
        with pytest.raises(ConnectionClosedOK, match="1001"):
            await client.recv()
    assert (len(manager), manager._connections) == (0, set())
    for reader in (silent, half):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    for each in (writer, other):
        await closed(each)


@pytest.mark.req("SHK-96")
async def test_closing_waits_for_no_client_that_does_not_say_good_bye() -> None:
    loop = asyncio.get_running_loop()
    manager = WsManager()
    await manager.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", manager.port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await until(lambda: len(manager) == 1)
    since = loop.time()
    await manager.close()
    assert loop.time() - since < CLOSE_TIMEOUT + 2.0
    assert (len(manager), manager._connections) == (0, set())
    with contextlib.suppress(ConnectionResetError):
        # The answer to its request, then good-bye.
        assert b"\x88" in await reader.read()
    await closed(writer)


async def test_closing_twice_is_fine() -> None:
    manager = WsManager()
    assert manager.port == 0
    await manager.start()
    await manager.close()
    await manager.close()
