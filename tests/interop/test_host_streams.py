"""Streams of an in-process host with go and rust at the other end: how they begin, end and hold back.

The peers serve ``/probe/1.0.0`` (peers/README.md), which ends a stream in the way that the first byte asks for, and
reports how it saw the other side end it.
"""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from p2pstack import Host, PeerId, Stream
from p2pstack.errors import ConnectionClosed, ProtocolNotSupported, StreamReset, StreamTimeout
from tests.interop.harness import Peer, Peers
from tests.interop.pairs import each_other_kind

pytestmark = pytest.mark.interop

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
ECHO = "/echo/1.0.0"
PROBE = "/probe/1.0.0"
RESET_CODE = {"go": 0x42, "rust": 0}
"""The code with which the probe resets; this rust has none."""


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        stream.write(data)
        await stream.drain()


async def send_and_receive(host: Host, target: PeerId | str, payload: bytes) -> bytes:
    """``payload`` through the peer's echo."""

    async def send(stream: Stream) -> None:
        for start in range(0, len(payload), 65_536):
            stream.write(payload[start : start + 65_536])
            await stream.drain()
        stream.close_write()

    async with await host.open_stream(target, ECHO) as stream, asyncio.TaskGroup() as group:
        group.create_task(send(stream))
        return await stream.read_to_end(len(payload) + 1)


async def probe(host: Host, node: Peer, command: bytes) -> Stream:
    """A probe stream whose peer has taken ``command``."""
    stream = await host.open_stream(node.address, PROBE)
    stream.write(command)
    assert await stream.read_exactly(1) == command
    return stream


@each_other_kind
async def test_a_half_close_is_the_end_for_the_peer_and_its_answer_still_comes(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        stream = await probe(host, node, b"w")
        stream.write(bytes(300_000))
        await stream.drain()
        stream.close_write()
        assert await stream.read_to_end(100) == b"seen"
        await node.event("probe", command="w", bytes=300_000, end="eof")


@each_other_kind
async def test_a_half_close_by_the_peer_leaves_our_half_open(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        stream = await probe(host, node, b"c")
        assert await stream.read() == b""
        stream.write(bytes(300_000))
        await stream.drain()
        assert node.count("probe") == 0
        await stream.close()
        await node.event("probe", command="c", bytes=300_000, end="eof")


@each_other_kind
async def test_our_reset_is_one_for_the_peer(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        stream = await probe(host, node, b"w")
        stream.reset(0x1234)
        seen = await node.event("probe", command="w", end="reset")
        assert seen.get("code") == (0x1234 if kind == "go" else None)
        with pytest.raises(StreamReset) as caught:
            await stream.read()
        assert not caught.value.remote
        assert await send_and_receive(host, node.address, b"another stream") == b"another stream"


@each_other_kind
async def test_a_reset_by_the_peer_is_one_for_us(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        stream = await host.open_stream(node.address, PROBE)
        stream.write(b"r")
        with pytest.raises(StreamReset) as caught:
            await stream.read()
        assert caught.value.remote
        assert caught.value.code == RESET_CODE[kind]
        with pytest.raises(StreamReset):
            stream.write(b"more")
        assert await send_and_receive(host, node.address, b"another stream") == b"another stream"


@each_other_kind
async def test_a_peer_that_does_not_read_holds_one_stream_back_and_no_other(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        stream = await probe(host, node, b"s")
        stream.timeout = 0.3
        sent = 0
        with pytest.raises(StreamTimeout):
            while sent < 64 << 20:
                stream.write(bytes(65_536))
                sent += 65_536
                await stream.drain()
        assert sent >= 262_144, "the first window was not used"
        payload = bytes(range(256)) * 4000
        assert await send_and_receive(host, node.address, payload) == payload
        assert await host.ping(stream.peer_id) > 0
        stream.reset()


@each_other_kind
async def test_many_streams_at_once_keep_their_bytes_apart(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        await host.connect(node.address)
        payloads = [hashlib.sha256(bytes([number])).digest() * (number * 100) for number in range(60)]
        echoes = await asyncio.gather(*[send_and_receive(host, node.address, payload) for payload in payloads])
        assert echoes == payloads


@each_other_kind
async def test_a_protocol_that_the_peer_does_not_speak(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        with pytest.raises(ProtocolNotSupported) as caught:
            await host.open_stream(node.address, ["/interop/no/1.0.0", "/interop/no/2.0.0"])
        assert caught.value.offered == ("/interop/no/1.0.0", "/interop/no/2.0.0")
        stream = await host.open_stream(node.address, ["/interop/no/1.0.0", ECHO])
        assert stream.protocol == ECHO
        await stream.close()
        # once identify has told what the peer speaks, the answer is the same
        [connection] = host.connections()
        await host.identify.wait(connection)
        with pytest.raises(ProtocolNotSupported):
            await host.open_stream(node.address, "/interop/no/1.0.0")
        stream = await host.open_stream(node.address, ["/interop/no/1.0.0", ECHO])
        assert stream.protocol == ECHO
        await stream.close()
        assert len(host.connections()) == 1


@each_other_kind
async def test_a_protocol_that_we_do_not_speak(peers: Peers, kind: str) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        address = str(host.full_addresses[0])
        assert await peers.dial_in_vain(kind, address, "echo", "--size", 10)
        host.handle(ECHO, echo)
        assert (await peers.dial(kind, address, "echo", "--size", 10))["bytes"] == 10


@each_other_kind
async def test_a_handler_that_resets_hurts_one_stream(peers: Peers, kind: str) -> None:
    async def refuse(stream: Stream) -> None:
        await stream.read(10)
        stream.reset(7)

    async with Host(listen=[LOOPBACK]) as host:
        address = str(host.full_addresses[0])
        host.handle(ECHO, refuse)
        assert await peers.dial_in_vain(kind, address, "echo", "--size", 1000)
        host.handle(ECHO, echo)
        options = ("--size", 100_000, "--streams", 20, "--concurrent")
        assert (await peers.dial(kind, address, "echo", *options))["bytes"] == 2_000_000


@each_other_kind
async def test_the_death_of_the_peer_is_no_end_of_file(peers: Peers, kind: str) -> None:
    async with Host() as host:
        async with peers.run(kind, "listen") as node:
            node.address = (await node.event("listening"))["addr"]
            stream = await probe(host, node, b"w")
            node.kill()
            with pytest.raises(ConnectionClosed):
                await stream.read()
        await asyncio.wait_for(stream.connection.wait_closed(), 5)
        assert host.connections() == []


@each_other_kind
async def test_a_lazy_stream_is_closed_before_the_answer_comes(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        connection = await host.connect(node.address)
        await host.identify.wait(connection)
        for number in range(20):
            stream = await host.open_stream(node.address, ECHO)
            stream.write(bytes([number]))
            stream.close_write()
            assert await stream.read_to_end(10) == bytes([number])
            await stream.close()
