from __future__ import annotations

import asyncio
import socket

import pytest

from p2pstack.errors import DeadlineExceeded, LocalError
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import Frame, FrameConfig, FrameReader, MessageType
from p2pstack.shinkai.node.config import TcpConfig
from p2pstack.shinkai.node.tcp.client import send_frame

FRAME = Frame("@@bob.shinkai", MessageType.SHINKAI_MESSAGE, b'{"a":1}')


@pytest.mark.req("SHK-84")
async def test_a_frame_is_sent_on_a_connection_of_its_own() -> None:
    got: list[Frame] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(FrameReader().receive_data(await reader.read()))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await send_frame(Endpoint("127.0.0.1", server.sockets[0].getsockname()[1]), FRAME, TcpConfig())
    assert got == [FRAME]


async def test_one_that_never_closes_has_been_sent_to_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint("127.0.0.1", silent.getsockname()[1])
        await send_frame(endpoint, FRAME, TcpConfig(linger=0.01))
        accepted, _ = silent.accept()
        with accepted:
            assert FrameReader().receive_data(accepted.recv(1_000)) == [FRAME]


async def test_nobody_there_one_that_does_not_read_and_frames_that_are_too_long() -> None:
    with pytest.raises(OSError, match=r"refused|Connect"):
        await send_frame(Endpoint("127.0.0.1", 1), FRAME, TcpConfig())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint("127.0.0.1", silent.getsockname()[1])
        config = TcpConfig(write_timeout=0.05, frames=FrameConfig(max_payload=32 * 1_048_576))
        long = Frame("@@bob.shinkai", MessageType.SHINKAI_MESSAGE, bytes(32 * 1_048_576))
        with pytest.raises(DeadlineExceeded, match="did not take"):
            await send_frame(endpoint, long, config)
        with pytest.raises(LocalError):
            await send_frame(endpoint, Frame("x", MessageType.SHINKAI_MESSAGE, bytes(2_000_000)), TcpConfig())


async def test_a_connection_that_is_never_answered_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", never)
    with pytest.raises(DeadlineExceeded):
        await send_frame(Endpoint("192.0.2.1", 9), FRAME, TcpConfig(connect_timeout=0.01))
