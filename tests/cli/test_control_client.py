from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_client import connect
from p2pstack.cli.control_protocol import SOCKET, Channel, socket_address
from p2pstack.cli.control_server import ControlServer


async def silent(_: object, channel: Channel) -> dict[str, object]:
    await channel.while_open(asyncio.Event().wait())
    return {}


async def refused(data: Path) -> str:
    with pytest.raises(CommandError) as caught:
        async with connect(data):
            pass
    return str(caught.value)


async def test_where_no_node_runs_it_says_how_to_start_one(tmp_path: Path) -> None:
    expected = f"no node runs in {tmp_path}: `p2pstack node --data {tmp_path}` starts one"
    assert await refused(tmp_path) == expected
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(socket_address(tmp_path))
    assert await refused(tmp_path) == expected
    assert "no node runs in" in await refused(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "no node runs in" in await refused(tmp_path / "file")


async def test_another_user_s_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(asyncio, "open_unix_connection", refuse)
    assert "another user's" in await refused(tmp_path)


async def test_a_node_that_takes_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(asyncio, "open_unix_connection", refuse)
    assert "does not answer" in await refused(tmp_path)


async def test_a_node_that_does_not_answer(tmp_path: Path) -> None:
    async with ControlServer(tmp_path, {"silent": silent}), connect(tmp_path) as client:
        await client.ask(do="silent")
        with pytest.raises(CommandError, match=r"not answered within 0.05 s"):
            await client.reply(0.05)


async def test_a_node_that_is_killed_meanwhile(tmp_path: Path) -> None:
    connections: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_unix_server(lambda _, writer: connections.put_nowait(writer), str(tmp_path / SOCKET))
    async with connect(tmp_path) as client:
        await client.ask(do="anything")
        writer = await connections.get()
        writer.transport.abort()
        with pytest.raises(CommandError, match="the node has ended meanwhile"):
            await client.reply()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    server.close()
