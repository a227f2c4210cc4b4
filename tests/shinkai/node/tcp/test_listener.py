"""Hostile and odd input on the node's port, each followed by a good message; and the limits of the port."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from p2pstack.errors import LocalError
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import Frame, MessageType, encode_frame
from p2pstack.shinkai.limits.config import ConnectionRateConfig
from p2pstack.shinkai.node.config import TcpConfig
from p2pstack.shinkai.node.tcp.listener import TcpListener
from tests.aio.shell import sees_the_end
from tests.shinkai.node.pairs import closed, send_bytes, until

GOOD = encode_frame(Frame("@@bob.shinkai", MessageType.SHINKAI_MESSAGE, b"{}"))
COUNTED = ConnectionRateConfig(exempt_loopback=False, per_second=1.0, burst=3, concurrent=2)


class Box:
    """What a listener hands on."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, source: Endpoint, payload: bytes) -> None:
        assert source.host == "127.0.0.1"
        self.payloads.append(payload)
        await self.gate.wait()


@asynccontextmanager
async def listening(config: TcpConfig | None = None) -> AsyncIterator[tuple[TcpListener, Box]]:
    box = Box()
    listener = TcpListener(config or TcpConfig(), box.take)
    await listener.start(Endpoint("127.0.0.1", 0))
    try:
        yield listener, box
    finally:
        await listener.close()
        assert len(listener) == 0


def frame(identity: bytes, kind: int, payload: bytes = b"{}") -> bytes:
    return struct.pack(">II", 5 + len(identity) + len(payload), len(identity)) + identity + bytes([kind]) + payload


@pytest.mark.req("SHK-87")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\xff\xff\xff\xff" + b"\xff" * 4, "oversized", id="4 GiB"),
        pytest.param(struct.pack(">II", 100, 0xFFFFFFFF), "malformed", id="4 GiB name"),
        pytest.param(struct.pack(">II", 4, 0), "malformed", id="too short"),
        pytest.param(GOOD[:-1], "truncated", id="truncated"),
        pytest.param(frame(b"\xff\xfe", 1), "malformed", id="name is not UTF-8"),
        pytest.param(frame(b"@@bob.shinkai", 9), "unknown-frame-type", id="unknown type"),
        pytest.param(frame(b"@@bob.shinkai", 3, b""), "no-message", id="hello"),
        pytest.param(frame(b"@@bob.shinkai", 1, b""), "no-message", id="empty"),
        pytest.param(b"\x13/multistream/1.0.0\n", "no-libp2p", id="libp2p where there is none"),
    ],
)
async def test_hostile_input_is_counted_and_ends_its_connection(data: bytes, reason: str) -> None:
    async with listening() as (listener, box):
        await send_bytes(listener.address, data)
        await until(lambda: listener.refused[reason] == 1)
        assert box.payloads == []
        assert await send_bytes(listener.address, GOOD) == b""
        assert box.payloads == [b"{}"]
        await until(lambda: len(listener) == 0)


@pytest.mark.req("SHK-84")
async def test_frames_follow_each_other_up_to_a_limit() -> None:
    async with listening(TcpConfig(max_frames=3)) as (listener, box):
        await send_bytes(listener.address, GOOD * 3)
        assert len(box.payloads) == 3
        await send_bytes(listener.address, GOOD * 4)
        await until(lambda: listener.refused["too-many-frames"] == 1)


@pytest.mark.req("SHK-84")
async def test_a_frame_may_come_byte_by_byte() -> None:
    async with listening() as (listener, box):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.address.port)
        for number in range(len(GOOD)):
            writer.write(GOOD[number : number + 1])
            await writer.drain()
            await asyncio.sleep(0)
        await until(lambda: box.payloads == [b"{}"])
        await closed(writer)


@pytest.mark.req("SHK-86")
async def test_connections_that_say_nothing_or_go_slowly_are_ended() -> None:
    async with listening(TcpConfig(first_byte_timeout=0.02, frame_timeout=0.02)) as (listener, _):
        assert await send_bytes(listener.address, b"", eof=False) in {b"", b"reset"}
        assert await send_bytes(listener.address, GOOD[:5], eof=False) in {b"", b"reset"}
        assert (listener.refused["silent"], listener.refused["slow-frame"]) == (1, 1)


@pytest.mark.req("SHK-86")
async def test_an_address_opens_so_many_connections_at_once_and_so_many_a_second() -> None:
    async with listening(TcpConfig(rate=COUNTED)) as (listener, box):
        box.gate.clear()
        writers = []
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.address.port)
            writer.write(GOOD)
            writers.append(writer)
        await until(lambda: len(box.payloads) == 2)
        assert await send_bytes(listener.address, GOOD) in {b"", b"reset"}
        assert listener.refused["concurrent_per_ip"] == 1
        box.gate.set()
        for writer in writers:
            await closed(writer)
        await until(lambda: len(listener) == 0)
        for _ in range(3):
            await send_bytes(listener.address, GOOD)
        await until(lambda: listener.refused["connections_per_second"] >= 1)


@pytest.mark.req("SHK-86")
async def test_the_number_of_connections_is_bounded() -> None:
    async with listening(TcpConfig(max_connections=1)) as (listener, _):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.address.port)
        await until(lambda: len(listener) == 1)
        assert await send_bytes(listener.address, GOOD) in {b"", b"reset"}
        assert listener.refused["max_connections"] == 1
        await closed(writer)


async def test_with_tcp_switched_off_frames_are_refused() -> None:
    async with listening(TcpConfig(enabled=False)) as (listener, box):
        assert await send_bytes(listener.address, GOOD) in {b"", b"reset"}
        assert box.payloads == []


async def test_closing_ends_what_is_open_and_what_is_being_done() -> None:
    async with listening() as (listener, box):
        box.gate.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.address.port)
        writer.write(GOOD)
        await until(lambda: len(box.payloads) == 1)
        await listener.close()
        with pytest.raises(LocalError):
            _ = listener.address
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        await closed(writer)


@pytest.mark.req("TCP-06")
@pytest.mark.parametrize("turns", range(5))
async def test_who_connects_while_the_port_closes_sees_the_end(turns: int) -> None:
    async with listening() as (listener, _):
        assert await sees_the_end((listener.address.host, listener.address.port), turns, listener.close)
        assert len(listener) == 0
