from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack.cli import control_protocol
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_protocol import Channel, socket_address


@contextlib.asynccontextmanager
async def channel(limit: int = control_protocol.MAX_LINE) -> AsyncIterator[tuple[Channel, socket.socket]]:
    """One end as a channel, the other as a plain socket."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours, limit=limit)
    made = Channel(reader, writer)
    try:
        yield made, theirs
    finally:
        await made.close()
        theirs.close()


async def test_objects_come_as_they_were_sent() -> None:
    async with channel() as (one, other):
        values = {"text": "ä\n\u2028", "number": 1.5, "none": None}
        await one.send(1.0, values)
        line = other.recv(1000)
        assert line.count(b"\n") == 1
        other.send(line + line)
        assert [await one.receive(1.0), await one.receive(1.0)] == [values, values]
        other.send(b'{"cut": ')
        other.shutdown(socket.SHUT_WR)
        assert await one.receive(1.0) is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [(b"{", "no JSON"), (b"[" * 50_000, "no JSON"), (b"\xff", "no JSON"), (b"[]", "no JSON object")],
)
async def test_what_is_no_object_is_refused(line: bytes, complaint: str) -> None:
    async with channel() as (one, other):
        other.send(line + b"\n")
        with pytest.raises(CommandError, match=complaint):
            await one.receive(1.0)


async def test_a_line_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_protocol, "MAX_LINE", 64)
    async with channel(limit=64) as (one, other):
        with pytest.raises(CommandError, match="too long: 64 bytes"):
            await one.send(1.0, {"text": "x" * 64})
        other.send(b"x" * 200)
        with pytest.raises(CommandError, match="longer than 64 bytes"):
            await one.receive(1.0)


async def test_half_a_character_is_no_text() -> None:
    async with channel() as (one, _):
        with pytest.raises(CommandError, match="half a character"):
            await one.send(1.0, {"text": "\udcff"})


async def test_silence_has_its_limit() -> None:
    async with channel() as (one, _):
        with pytest.raises(TimeoutError):
            await one.receive(0.01)
        with pytest.raises(TimeoutError):
            for _ in range(100):
                await one.send(0.05, {"text": "x" * 1_000_000})


async def test_work_ends_when_nobody_waits_for_it() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with channel() as (one, other):
        working = asyncio.create_task(one.while_open(work()))
        await asyncio.sleep(0)
        other.close()
        with pytest.raises(ConnectionResetError):
            await working
        assert cancelled.is_set()


async def test_work_that_is_done_leaves_the_channel_as_it_was() -> None:
    async with channel() as (one, other):
        assert await one.while_open(asyncio.sleep(0, "done")) == "done"
        other.send(b'{"a":1}\n')
        assert await one.receive(1.0) == {"a": 1}


def test_the_shorter_address_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_address(tmp_path / "a") == os.path.join("a", "control.sock")  # noqa: PTH118 - a text
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    with pytest.raises(CommandError, match="take a shorter folder"):
        socket_address(deep)
    monkeypatch.chdir(deep)
    assert socket_address(deep) == "control.sock"
