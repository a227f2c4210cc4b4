"""Requests over streams: kept ones, dead ones, silent peers, and what is no answer."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import (
    DeadlineExceeded,
    DialError,
    LimitExceeded,
    ProtocolNotSupported,
    ProtocolViolation,
    StreamReset,
)
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.services.kad.messenger import Messenger, frame_of
from p2pstack.services.standard import Host
from p2pstack.wire import uvarint
from tests.services.hosts import LOOPBACK, backward, until
from tests.services.kad.nodes import PROTOCOL, Liar, honest, liar, node, settings

PING = Message(type=MessageType.PING)
FIND = Message(type=MessageType.FIND_NODE, key=b"key")


def messenger(host: Host, *, max_streams: int = 16, peer_timeout: float = 2.0, **options: int) -> Messenger:
    kad = KadConfig(peer_timeout=peer_timeout)
    config = KademliaConfig(protocol=PROTOCOL, kad=kad, max_outbound_streams=max_streams, **options)  # type: ignore[arg-type]
    return Messenger(host, config, Counter())


def contact(of: Host) -> Contact:
    return Contact(of.peer_id, tuple(of.addresses))


async def ask(sender: Messenger, of: Host, message: Message = FIND) -> Message:
    return await sender.request(contact(of), message.type, frame_of(message))


@pytest.mark.req("KAD-07")
async def test_a_stream_is_used_again() -> None:
    async with node() as (far, _), Host() as host:
        sender = messenger(host)
        for _ in range(3):
            assert (await ask(sender, far)).type is MessageType.FIND_NODE
        assert len([each for each in host.connections()[0].streams if each.protocol == PROTOCOL]) == 1
        sender.close()
        await until(lambda: not [each for each in host.connections()[0].streams if each.protocol == PROTOCOL])


@pytest.mark.req("KAD-22")
async def test_long_answers_of_all_peers_share_a_limit_and_short_ones_are_always_read() -> None:
    short, long = 10_000, 100_000

    async def slow(request: Message, stream: Stream) -> None:
        size = short if request.key == b"short" else long
        stream.write(uvarint.encode(size) + bytes(size // 2))

    async with liar(slow) as far, liar(slow) as other, Host() as host:
        sender = messenger(host, max_answer_memory=long)
        asking = [asyncio.create_task(ask(sender, far.host)) for _ in range(2)]
        done, (waiting,) = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(LimitExceeded, match="max_answer_memory"):
            await done.pop()
        assert sender.collecting == long
        with pytest.raises(LimitExceeded):
            await ask(sender, other.host)
        brief = asyncio.create_task(ask(sender, other.host, Message(type=MessageType.FIND_NODE, key=b"short")))
        await until(lambda: any(each.unread == short // 2 for each in host.connections(other.host.peer_id)[0].streams))
        assert not brief.done()
        for each in (waiting, brief):
            each.cancel()
        await asyncio.wait([waiting, brief])
        assert sender.collecting == 0


@pytest.mark.req("KAD-07")
async def test_a_stream_that_the_peer_has_ended_costs_no_request() -> None:
    async with node() as (far, dht), Host() as host:
        sender = messenger(host)
        await ask(sender, far)
        dht._engine.server.reset()
        await until(lambda: not len(dht._engine.server))
        assert (await ask(sender, far)).type is MessageType.FIND_NODE


async def test_requests_wait_for_a_stream() -> None:
    ready = asyncio.Event()

    async def slow(request: Message, stream: Stream) -> None:
        await ready.wait()
        await honest(request, stream)

    async with liar(slow) as far, Host() as host:
        sender = messenger(host, max_streams=2)
        asking = [asyncio.create_task(ask(sender, far.host)) for _ in range(5)]
        await until(lambda: len(far.requests) == 2)
        ready.set()
        await asyncio.gather(*asking)
        assert len(far.requests) == 5


@pytest.mark.req("KAD-17")
async def test_silence_has_an_end_and_leaves_no_stream() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        await asyncio.Event().wait()

    async with liar(silent) as far, Host() as host:
        with pytest.raises(DeadlineExceeded, match="did not answer"):
            await ask(messenger(host, peer_timeout=0.1), far.host)
        connection = host.connections()[0]
        await until(lambda: not [each for each in connection.streams if each.protocol == PROTOCOL])


@pytest.mark.req("KAD-17")
async def test_an_answer_that_comes_byte_by_byte_has_an_end() -> None:
    async def endless(request: Message, stream: Stream) -> None:
        stream.write(b"\xff\xff\x03")
        while True:
            stream.write(b"x")
            await stream.drain()
            await asyncio.sleep(0)

    async with liar(endless) as far, Host() as host:
        with pytest.raises((DeadlineExceeded, ProtocolViolation)):
            await ask(messenger(host, peer_timeout=0.2), far.host)


@pytest.mark.req("KAD-01")
@pytest.mark.parametrize("answer", [b"\x81\x80\x80\x02", b"\x82\x00ab", b"\x02\x08\x09", b"\x03\x12\x7fa"])
async def test_what_is_no_answer(answer: bytes) -> None:
    async def wrong(request: Message, stream: Stream) -> None:
        stream.write(answer)

    async with liar(wrong) as far, Host() as host:
        with pytest.raises(ProtocolViolation):
            await ask(messenger(host), far.host)
        assert not host.connections()[0].closed


async def test_more_than_was_asked_for_is_not_taken_for_the_next_answer() -> None:
    async def twice(request: Message, stream: Stream) -> None:
        await honest(request, stream)
        stream.write(frame_of(Message(type=MessageType.FIND_NODE, key=b"more")))

    async with liar(twice) as far, Host() as host:
        sender = messenger(host)
        assert (await ask(sender, far.host)).key == b"key"
        other = Message(type=MessageType.FIND_NODE, key=b"other")
        await until(lambda: any(each.received for each in host.connections()[0].streams))
        assert (await ask(sender, far.host, other)).key == b"other"


async def test_a_peer_that_does_not_speak_the_protocol() -> None:
    async with Host(listen=[LOOPBACK]) as far, Host() as host:
        with pytest.raises((ProtocolNotSupported, StreamReset)):
            await ask(messenger(host), far)


async def test_a_peer_that_is_not_there() -> None:
    async with Host() as host:
        with pytest.raises(DialError):
            await ask(messenger(host), Host())


@pytest.mark.req("KAD-09")
async def test_what_has_no_answer_is_over_when_the_peer_has_read_it() -> None:
    async with node() as (far, dht), node() as (host, _):
        sender = messenger(host)
        own = Contact(host.peer_id, tuple(host.addresses))
        good = Message(type=MessageType.ADD_PROVIDER, key=b"key", providers=(own,))
        await sender.tell(contact(far), good.type, frame_of(good))
        assert dht.counters["served.ADD_PROVIDER"] == 1
        of_another = Message(type=MessageType.ADD_PROVIDER, key=b"key", providers=(contact(far),))
        with pytest.raises(StreamReset):
            await sender.tell(contact(far), of_another.type, frame_of(of_another))


async def test_an_announcement_that_is_answered_or_not_taken() -> None:
    async def echo(request: Message, stream: Stream) -> None:
        if len(far.requests) == 1:
            await honest(request, stream)
        await asyncio.Event().wait()

    far: Liar
    async with liar(echo) as far, Host() as host:
        sender = messenger(host, peer_timeout=0.2)
        with pytest.raises(ProtocolViolation, match="answered"):
            await sender.tell(contact(far.host), MessageType.ADD_PROVIDER, frame_of(PING))
        with pytest.raises(DeadlineExceeded, match="did not take"):
            await sender.tell(contact(far.host), MessageType.ADD_PROVIDER, frame_of(PING))


async def test_what_is_known_of_connections_goes_with_them() -> None:
    async with node(settings()) as (far, _), Host() as host:
        sender = messenger(host)
        await ask(sender, far)
        connection = host.connections()[0]
        await (await backward(far, host)).close()
        await until(lambda: connection.closed)
        assert connection in sender._lines
        sender.forget_the_closed()
        assert connection not in sender._lines
        sender.forget(connection)
