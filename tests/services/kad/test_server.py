"""Streams of others: many requests, half-closed ones, silence, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamReset
from p2pstack.host.limits import Usage
from p2pstack.kad.config import KadConfig
from p2pstack.kad.messages import Message, MessageType, decode, encode
from p2pstack.kad.records import Record
from p2pstack.services.kad.messenger import frame_of
from p2pstack.services.standard import Host
from p2pstack.wire import uvarint
from p2pstack.yamux.frames import RESET_RESOURCE_LIMIT
from tests.services.hosts import until
from tests.services.kad.nodes import PROTOCOL, node, settings

PING = frame_of(Message(type=MessageType.PING))


async def answer(stream: Stream) -> Message:
    return decode(await stream.read_frame(1 << 22), KadConfig())


async def open_stream(host: Host, far: Host) -> Stream:
    return await host.open_stream(far.full_addresses[0], PROTOCOL)


@pytest.mark.req("KAD-07", "KAD-08")
async def test_pipelined_requests_and_the_end() -> None:
    async with node() as (far, dht), Host() as host:
        stream = await open_stream(host, far)
        stream.write(PING * 3 + frame_of(Message(type=MessageType.FIND_NODE, key=b"x")))
        stream.close_write()
        kinds = [(await answer(stream)).type for _ in range(4)]
        assert kinds == [MessageType.PING] * 3 + [MessageType.FIND_NODE]
        assert await stream.read() == b""
        assert dht.counters["served.PING"] == 3


@pytest.mark.req("KAD-10")
async def test_asked_for_its_own_id_it_names_itself() -> None:
    async with node() as (far, _), Host() as host:
        stream = await open_stream(host, far)
        stream.write(frame_of(Message(type=MessageType.FIND_NODE, key=far.peer_id.to_bytes())))
        (contact,) = (await answer(stream)).closer
        assert contact.peer == far.peer_id
        assert contact.addresses == tuple(far.addresses)
        stream.reset()


@pytest.mark.req("KAD-04")
async def test_asked_for_a_client_it_names_where_that_is() -> None:
    async with node() as (far, dht), Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        stream = await open_stream(host, far)
        await until(lambda: far.peerstore.addresses(host.peer_id, 0.0))
        stream.write(frame_of(Message(type=MessageType.FIND_NODE, key=host.peer_id.to_bytes())))
        (contact,) = (await answer(stream)).closer
        assert contact.addresses == tuple(host.addresses)
        assert not len(dht.routing_table)
        stream.reset()


@pytest.mark.req("KAD-05", "KAD-06", "KAD-08", "KAD-14")
@pytest.mark.parametrize(
    "request_bytes",
    [
        frame_of(Message(type=MessageType.FIND_NODE)),
        b"\x02\x08\x09",
        b"\x82\x00\x08\x05",
        b"\x81\x80\x80\x02",
        frame_of(Message(type=MessageType.PUT_VALUE, key=b"/test/x")),
        frame_of(Message(type=MessageType.PUT_VALUE, key=b"/test/x", record=Record(key=b"/test/x", value=b"bad"))),
        frame_of(Message(type=MessageType.PUT_VALUE, key=b"/no/x", record=Record(key=b"/no/x", value=b"v"))),
        frame_of(Message(type=MessageType.ADD_PROVIDER, key=b"k")),
        b"\x05\x08",
    ],
)
async def test_what_is_refused_costs_the_stream_alone(request_bytes: bytes) -> None:
    async with node() as (far, dht), Host() as host:
        stream = await open_stream(host, far)
        stream.write(request_bytes)
        stream.close_write()
        with pytest.raises(StreamReset):
            await stream.read()
        again = await open_stream(host, far)
        again.write(PING)
        assert (await answer(again)).type is MessageType.PING
        again.reset()
        assert not dht.usage()["max_values"].current


@pytest.mark.req("KAD-07")
async def test_a_stream_without_requests_is_reset() -> None:
    async with node(replace(settings(), idle_timeout=0.1)) as (far, _), Host() as host:
        stream = await open_stream(host, far)
        stream.write(PING)
        await answer(stream)
        with pytest.raises(StreamReset):
            await stream.read()


@pytest.mark.req("KAD-17")
async def test_streams_of_a_connection_are_bounded() -> None:
    async with node(replace(settings(), max_inbound_streams=2)) as (far, dht), Host() as host:
        kept = [await open_stream(host, far) for _ in range(2)]
        for each in kept:
            each.write(PING)
            await answer(each)
        assert len(dht._engine.server) == 2
        further = await open_stream(host, far)
        further.write(PING)
        with pytest.raises(StreamReset):
            await further.read()
        for each in kept:
            each.reset()


@pytest.mark.req("KAD-22")
async def test_a_request_that_is_too_long_is_refused_on_its_length() -> None:
    async with node() as (far, dht), Host() as host:
        longest = dht.config.kad.max_request
        stream = await open_stream(host, far)
        body = encode(Message(type=MessageType.PING))
        filler = longest - len(body) - 4  # a field that nobody knows: its tag and its length take four bytes
        stream.write(uvarint.encode(longest) + body + b"\x7a" + uvarint.encode(filler) + bytes(filler))
        assert (await answer(stream)).type is MessageType.PING
        stream.write(uvarint.encode(longest + 1))
        with pytest.raises(StreamReset):
            await stream.read()
        assert dht.counters["served.PING"] == 1


@pytest.mark.req("KAD-22")
async def test_the_stream_that_was_silent_longest_makes_room_for_those_of_others() -> None:
    config = replace(settings(), max_served_streams=3)
    async with node(config) as (far, dht), Host() as host, Host() as other:
        slow = await open_stream(host, far)
        slow.write(b"\x80\x80\x01")  # the length of a request that never comes
        await until(lambda: len(dht._engine.server) == 1)
        kept = [await open_stream(each, far) for each in (host, other)]
        for each in kept:
            each.write(PING)
            await answer(each)
        assert dht.usage()["max_served_streams"] == Usage(3, 3)
        further = await open_stream(other, far)
        further.write(PING)
        assert (await answer(further)).type is MessageType.PING
        with pytest.raises(StreamReset) as caught:
            await slow.read()
        assert caught.value.code == RESET_RESOURCE_LIMIT
        assert dht.counters["evicted"] == 1
        for each in (*kept, further):
            each.write(PING)
            await answer(each)
        assert dht.usage()["max_served_streams"] == Usage(3, 3)
        for each in (*kept, further):
            each.reset()
        await until(lambda: not dht.usage()["max_served_streams"].current)
