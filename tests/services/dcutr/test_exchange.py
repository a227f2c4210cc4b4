"""The messages of a punch over streams, with a peer that keeps to the rules and with others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.dcutr.candidates import parsed
from p2pstack.dcutr.exchange import Answerer, Opener
from p2pstack.dcutr.messages import MAX_MESSAGE, HolePunch, Kind
from p2pstack.errors import DeadlineExceeded, ProtocolViolation, StreamEOF, StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.services.dcutr.exchange import answer_punch, open_punch
from p2pstack.wire import uvarint
from tests.services.hosts import connected

PROTOCOL = "/test/exchange"
MINE, THEIRS = parse("/ip4/5.10.0.7/tcp/4001"), parse("/ip4/5.10.0.8/tcp/4002")
CONNECT = HolePunch(Kind.CONNECT, (THEIRS.to_bytes(),)).encode()
SYNC = HolePunch(Kind.SYNC).encode()


def choose(encoded: Sequence[bytes]) -> list[Multiaddr]:
    return parsed(encoded)


@asynccontextmanager
async def streams() -> AsyncIterator[tuple[Stream, Stream]]:
    """Both ends of a stream."""
    taken: asyncio.Queue[Stream] = asyncio.Queue()
    over = asyncio.Event()

    async def take(stream: Stream) -> None:
        taken.put_nowait(stream)
        await over.wait()

    far = BaseHost()
    far.handle(PROTOCOL, take)
    async with connected(BaseHost(), far) as (near, _, _):
        stream = await near.open_stream(far.peer_id, PROTOCOL)
        yield stream, await asyncio.wait_for(taken.get(), 5)
        over.set()


@pytest.mark.req("DCUTR-03")
async def test_both_sides_come_to_the_same_moment() -> None:
    async with streams() as (near, far), asyncio.TaskGroup() as group:
        opening = group.create_task(open_punch(near, Opener([MINE], choose), 5))
        assert await answer_punch(far, Answerer([THEIRS], choose), 5) == [MINE]
        addresses, delay = await opening
        assert addresses == [THEIRS]
        assert 0 < delay < 2.5
        assert await far.read() == b""


@pytest.mark.req("DCUTR-03")
async def test_the_delay_is_half_of_the_time_that_the_answer_took() -> None:
    async with streams() as (near, far), asyncio.TaskGroup() as group:
        loop = asyncio.get_running_loop()
        opening = group.create_task(open_punch(near, Opener([MINE], choose), 5))
        await far.read_frame(MAX_MESSAGE)
        later = loop.create_future()
        loop.call_later(0.2, later.set_result, None)
        await later
        far.write_frame(CONNECT)
        _, delay = await opening
        assert 0.1 <= delay < 0.5


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-03", "GEN-03")
async def test_an_answer_that_never_comes_ends_the_exchange() -> None:
    async with streams() as (near, far):
        with pytest.raises(DeadlineExceeded, match="CONNECT within"):
            await open_punch(near, Opener([MINE], choose), 0.05)
        await far.read_frame(MAX_MESSAGE)
        with pytest.raises(StreamReset):
            await far.read()


@pytest.mark.misbehave
@pytest.mark.req("GEN-03")
@pytest.mark.parametrize("sent", [b"", uvarint.encode(100), uvarint.encode(len(CONNECT)) + CONNECT])
async def test_a_peer_that_does_not_go_on_ends_the_exchange(sent: bytes) -> None:
    async with streams() as (near, far):
        near.write(sent)
        with pytest.raises(DeadlineExceeded, match="exchange"):
            await answer_punch(far, Answerer([MINE], choose), 0.05)


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-01")
async def test_a_message_that_is_too_long_is_refused_on_its_length() -> None:
    async with streams() as (near, far):
        near.write(uvarint.encode(MAX_MESSAGE + 1))
        with pytest.raises(ProtocolViolation) as caught:
            await answer_punch(far, Answerer([MINE], choose), 5)
        assert caught.value.requirement == "GEN-02"


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-03")
async def test_an_answer_out_of_order_resets_the_stream() -> None:
    async with streams() as (near, far):
        far.write_frame(SYNC)
        with pytest.raises(ProtocolViolation):
            await open_punch(near, Opener([MINE], choose), 5)
        with pytest.raises(StreamReset):
            await far.read_to_end(MAX_MESSAGE)


@pytest.mark.misbehave
async def test_a_peer_that_leaves_is_no_peer_to_dial() -> None:
    async with streams() as (near, far):
        near.write_frame(CONNECT)
        near.close_write()
        with pytest.raises(StreamEOF):
            await answer_punch(far, Answerer([MINE], choose), 5)
