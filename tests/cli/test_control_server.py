from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_client import connect
from p2pstack.cli.control_protocol import SOCKET, Channel, socket_address
from p2pstack.cli.control_server import ControlConfig, ControlServer
from p2pstack.errors import LocalError
from tests.aio.shell import sees_the_end


async def echo(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    await channel.send(1.0, {"first": request["text"]})
    return {"second": request["text"]}


async def fail(request: dict[str, Any], _: Channel) -> dict[str, Any]:
    errors = {"command": CommandError("bad idea"), "node": LocalError("no luck"), "system": OSError(5, "no disk")}
    raise errors[request["how"]]


async def wait(_: dict[str, Any], channel: Channel) -> dict[str, Any]:
    await channel.send(1.0, {"waiting": True})
    await asyncio.Event().wait()
    return {}


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


ACTIONS = {"echo": echo, "fail": fail, "wait": wait}


async def test_replies_come_in_order(tmp_path: Path) -> None:
    async with ControlServer(tmp_path, ACTIONS), connect(tmp_path) as client:
        await client.ask(do="echo", text="ä")
        assert await client.reply() == {"first": "ä"}
        assert await client.reply() == {"end": True, "second": "ä"}
        with pytest.raises(CommandError, match="ended meanwhile"):
            await client.reply()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
async def test_only_the_owner_may_connect_and_nothing_is_left(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        async with ControlServer(tmp_path, ACTIONS):
            mode = (tmp_path / SOCKET).stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert mode & 0o777 == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(former)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("how", "text"), [("command", "bad idea"), ("node", "no luck"), ("system", "no disk")])
async def test_an_error_is_told(tmp_path: Path, how: str, text: str) -> None:
    async with ControlServer(tmp_path, ACTIONS), connect(tmp_path) as client:
        await client.ask(do="fail", how=how)
        with pytest.raises(CommandError, match=text):
            await client.reply()


@pytest.mark.parametrize("request_", [{"do": "fly"}, {"do": 1}, {}, {"do": None}])
async def test_what_is_no_command_is_told(tmp_path: Path, request_: dict[str, Any]) -> None:
    async with ControlServer(tmp_path, ACTIONS), connect(tmp_path) as client:
        await client.ask(**request_)
        with pytest.raises(CommandError, match="does not know this command"):
            await client.reply()


async def test_who_says_nothing_is_let_go(tmp_path: Path) -> None:
    config = ControlConfig(request_timeout=0.05)
    async with ControlServer(tmp_path, ACTIONS, config), connect(tmp_path) as client:
        with pytest.raises(CommandError, match="TimeoutError"):
            await client.reply()
    async with ControlServer(tmp_path, ACTIONS):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
        writer.write(b"{]\n")
        assert b"no JSON" in await reader.readline()
        writer.close()


async def test_clients_have_their_limit(tmp_path: Path) -> None:
    async with ControlServer(tmp_path, ACTIONS, ControlConfig(max_clients=1)), connect(tmp_path) as first:
        await first.ask(do="wait")
        await first.reply()
        async with connect(tmp_path) as second:
            await second.ask(do="echo", text="")
            with pytest.raises(CommandError, match="serves 1 commands already"):
                await second.reply()


async def test_the_end_ends_what_is_going_on(tmp_path: Path) -> None:
    server = ControlServer(tmp_path, ACTIONS)
    async with server:
        left = connect(tmp_path)
        client = await left.__aenter__()
        await client.ask(do="wait")
        assert await client.reply() == {"waiting": True}
    with pytest.raises(CommandError, match="ended meanwhile"):
        await client.reply()
    await left.__aexit__(None, None, None)


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(socket_address(tmp_path))
    assert (tmp_path / SOCKET).exists()
    async with ControlServer(tmp_path, ACTIONS), connect(tmp_path) as client:
        await client.ask(do="echo", text="x")
        assert await client.reply() == {"first": "x"}


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with ControlServer(tmp_path / "none", ACTIONS):
            pass


@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_while_it_closes_sees_the_end(tmp_path: Path, turns: int) -> None:
    server = ControlServer(tmp_path, ACTIONS)
    await server.__aenter__()
    assert await sees_the_end(server.address, turns, lambda: server.__aexit__(None, None, None))
    assert names(tmp_path) == []
