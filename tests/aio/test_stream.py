from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.stream import Stream
from p2pstack.aio.waiter import Waiter
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import (
    ConnectionClosed,
    LimitExceeded,
    LocalError,
    P2PError,
    ProtocolViolation,
    StreamClosed,
    StreamEOF,
    StreamError,
    StreamReset,
    StreamTimeout,
)
from p2pstack.wire import uvarint
from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.stream import StreamState
from tests.aio.shell import HOLD, Link, Side, fake_link, linked, streaming, until

WINDOW = 262_144

READS: dict[str, Callable[[Stream], Any]] = {
    "read": lambda stream: stream.read(),
    "read_exactly": lambda stream: stream.read_exactly(5),
    "read_exactly long": lambda stream: stream.read_exactly(20_000_000),
    "read_to_end": lambda stream: stream.read_to_end(1_000),
    "chunks": lambda stream: stream.chunks(),
    "read_frame": lambda stream: stream.read_frame(1_000),
}
EVERY_READ = pytest.mark.parametrize("read", READS.values(), ids=READS)


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def started(coroutine: Any) -> asyncio.Task[Any]:
    """A task that has run to its first wait."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


def with_config(**options: Any) -> Side:
    return Side(2, config=ShellConfig(**options))


def with_yamux(seed: int, **options: Any) -> Side:
    return Side(seed, connection=ConnectionConfig(yamux=YamuxConfig(**options)))


# -- what it is


async def test_a_stream_knows_its_peer_protocol_and_direction() -> None:
    async with linked() as link:
        near, far = await link.streams()
        assert (near.direction, far.direction) == ("outbound", "inbound")
        assert near.protocol == far.protocol == HOLD
        assert near.peer_id == link.server.peer_id
        assert far.peer_id == link.client.peer_id
        assert near.connection is link.outbound
        assert link.outbound.streams == [near]
        assert near.timeout == 60.0


# -- reading


async def test_read_returns_what_is_there_up_to_its_limit() -> None:
    async with streaming() as (near, far):
        near.write(b"hello world")
        assert await far.read(5) == b"hello"
        assert await far.read() == b" world"
        near.write(b"!")
        near.close_write()
        assert await far.read() == b"!"
        assert await far.read() == b""
        assert await far.read() == b"", "the end stays the end"


async def test_a_waiting_read_is_woken_by_the_first_byte() -> None:
    async with streaming() as (near, far):
        task = await started(far.read())
        near.write(b"x")
        assert await task == b"x"


async def test_read_exactly_waits_for_all_of_it() -> None:
    async with streaming() as (near, far):
        task = await started(far.read_exactly(6))
        near.write(b"abc")
        await until(lambda: far.unread == 3)
        assert not task.done()
        near.write(b"defgh")
        assert await task == b"abcdef"
        assert await far.read_exactly(2) == b"gh"
        assert await far.read_exactly(0) == b""


async def test_read_exactly_tells_what_came_when_the_stream_ends_early() -> None:
    async with streaming() as (near, far):
        near.write(b"abc")
        near.close_write()
        with pytest.raises(StreamEOF, match="after 3 of 5 bytes") as caught:
            await far.read_exactly(5)
        assert (caught.value.partial, caught.value.expected) == (b"abc", 5)


@pytest.mark.parametrize("size", [WINDOW // 2, WINDOW + 1, 3_000_000])
async def test_read_exactly_reads_more_than_the_window_holds(size: int) -> None:
    data = random_bytes(size + 3)
    async with streaming() as (near, far):
        task = await started(far.read_exactly(size))
        near.write(data)
        assert await task == data[:size]
        assert await far.read_exactly(3) == data[size:]


async def test_read_exactly_of_more_than_any_window_tells_what_came_as_well() -> None:
    async with streaming(server=with_yamux(2, max_window=WINDOW)) as (near, far):
        near.write(b"abc")
        near.close_write()
        with pytest.raises(StreamEOF) as caught:
            await far.read_exactly(WINDOW + 1)
        assert caught.value.partial == b"abc"


async def test_read_to_end_returns_all_of_it() -> None:
    data = random_bytes(700_000)
    async with streaming() as (near, far):
        near.write(data)
        near.close_write()
        assert await far.read_to_end(700_000) == data
        assert await far.read_to_end(0) == b""


@pytest.mark.req("GEN-02")
async def test_read_to_end_has_a_limit() -> None:
    async with streaming() as (near, far):
        near.write(b"12345")
        near.close_write()
        with pytest.raises(LimitExceeded, match=r"stream\.read_to_end of 4"):
            await far.read_to_end(4)


async def test_chunks_returns_the_pieces_without_copying_large_ones() -> None:
    async with streaming() as (near, far):
        near.write(b"small")
        near.write(b"x" * 60_000)
        near.close_write()
        pieces: list[Any] = []
        while chunks := await far.chunks():
            pieces += chunks
        assert b"".join(pieces) == b"small" + b"x" * 60_000
        assert isinstance(pieces[-1], memoryview)
        assert await far.chunks() == []


@pytest.mark.req("GEN-09")
@EVERY_READ
async def test_the_end_of_the_stream_is_no_reset(read: Callable[[Stream], Any]) -> None:
    async with streaming() as (near, far):
        task = await started(read(far))
        near.close_write()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, StreamEOF):
            outcome = outcome.partial
        assert outcome in (b"", [])


@pytest.mark.req("GEN-09")
@EVERY_READ
async def test_a_reset_of_the_peer_is_no_end(read: Callable[[Stream], Any]) -> None:
    async with streaming() as (near, far):
        near.write(b"")
        task = await started(read(far))
        near.reset(7)
        with pytest.raises(StreamReset) as caught:
            await task
        assert (caught.value.code, caught.value.remote) == (7, True)
        with pytest.raises(StreamReset):
            await read(far)


@EVERY_READ
async def test_a_reset_here_wakes_the_reader(read: Callable[[Stream], Any]) -> None:
    async with streaming() as (near, _):
        task = await started(read(near))
        near.reset()
        with pytest.raises(StreamReset) as caught:
            await task
        assert not caught.value.remote


@EVERY_READ
async def test_a_dead_connection_is_neither(read: Callable[[Stream], Any]) -> None:
    async with streaming() as (near, far):
        task = await started(read(far))
        near.connection.abort(P2PError("gone"))
        with pytest.raises(ConnectionClosed):
            await task
        with pytest.raises(ConnectionClosed):
            far.write(b"x")


async def test_what_came_before_the_connection_died_can_still_be_read() -> None:
    async with streaming() as (near, far):
        near.write(b"last words")
        await until(lambda: far.unread == 10)
        near.connection.abort(P2PError("gone"))
        await far.connection.wait_closed()
        assert await far.read(4) == b"last"
        assert await far.read_exactly(6) == b" words"
        with pytest.raises(ConnectionClosed):
            await far.read()


@pytest.mark.req("GEN-09")
async def test_an_end_that_came_before_the_connection_died_stays_an_end() -> None:
    async with streaming() as (near, far):
        near.write(b"all of it")
        near.close_write()
        await until(lambda: far.eof)
        near.connection.abort(P2PError("gone"))
        await far.connection.wait_closed()
        assert await far.read_to_end(100) == b"all of it"


@EVERY_READ
async def test_a_read_waits_no_longer_than_the_timeout(read: Callable[[Stream], Any]) -> None:
    async with streaming(server=with_config(stream_timeout=0.02)) as (near, far):
        with pytest.raises(StreamTimeout, match=r"did nothing for 0\.02 s"):
            await read(far)
        assert isinstance(StreamTimeout(), TimeoutError)
        near.write(b"\x04abcd")
        assert await far.read_exactly(5) == b"\x04abcd", "the stream goes on"


async def test_each_stream_has_a_timeout_of_its_own() -> None:
    async with linked(server=with_config(stream_timeout=None)) as link:
        _, patient = await link.streams()
        _, hasty = await link.streams()
        assert patient.timeout is None
        hasty.timeout = 0.02
        waiting = await started(patient.read())
        with pytest.raises(StreamTimeout):
            await hasty.read()
        hasty.timeout = 0.01
        with pytest.raises(StreamTimeout):
            await hasty.read()
        assert not waiting.done()
        waiting.cancel()


async def test_a_deadline_that_was_met_is_forgotten() -> None:
    async with streaming(server=with_config(stream_timeout=0.05)) as (near, far):
        task = await started(far.read())
        near.write(b"x")
        assert await task == b"x"
        far.timeout = None
        again = await started(far.read())
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, passed.set)
        await passed.wait()
        assert not again.done()
        again.cancel()


async def test_two_tasks_cannot_read_at_once() -> None:
    async with streaming() as (near, far):
        first = await started(far.read())
        with pytest.raises(LocalError, match="another task reads"):
            await far.read()
        near.write(b"x")
        assert await first == b"x"
        near.write(b"y")
        assert await far.read() == b"y", "one after the other is fine"


# -- cancelling a read


@EVERY_READ
async def test_a_cancelled_read_has_taken_nothing(read: Callable[[Stream], Any]) -> None:
    """The next one finds every byte: what is read is what was written, however often a read is given up."""
    async with streaming() as (near, far):
        near.write(uvarint.encode(9) + b"abc")
        await until(lambda: far.unread == 4)
        task = asyncio.ensure_future(read(far))
        await asyncio.sleep(0)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
            near.write(b"defghi")
            assert await far.read_frame(9) == b"abcdefghi"
        else:
            assert task.result(), "it had not to wait"
        assert far.session.unread == far.unread == 0


@EVERY_READ
async def test_asyncio_timeout_around_a_read_leaves_a_usable_stream(read: Callable[[Stream], Any]) -> None:
    async with streaming() as (near, far):
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await read(far)
        near.write(b"\x02ok")
        assert await far.read_frame(2) == b"ok"


async def test_a_long_read_that_is_cancelled_gives_back_what_it_took() -> None:
    data = random_bytes(400_000)
    async with streaming() as (near, far):
        task = await started(far.read_exactly(500_000))
        near.write(data)
        await until(lambda: near.unsent_size == 0)
        await until(lambda: not far.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert far.unread == far.session.unread == 400_000
        near.write(data[:100_000])
        assert await far.read_exactly(500_000) == data + data[:100_000]
        near.write(data)
        near.close_write()
        assert await far.read_to_end(400_000) == data, "the windows still add up"
        assert far.session.unread == 0


@pytest.mark.parametrize("read", ["read_exactly", "read_to_end", "read_frame"])
async def test_a_read_that_times_out_gives_back_what_it_took(read: str) -> None:
    message = uvarint.encode(300_000) + random_bytes(300_000)
    async with streaming(server=with_config(stream_timeout=0.05)) as (near, far):
        near.write(message[:200_000])
        with pytest.raises(StreamTimeout):
            await getattr(far, read)(400_000)
        near.write(message[200_000:])
        assert await far.read_frame(300_000) == message[3:]


async def test_bytes_are_not_given_back_to_a_stream_that_was_reset() -> None:
    async with streaming() as (near, far):
        task = await started(far.read_to_end(100))
        near.write(b"abc")
        await until(lambda: far.consumed >= 3)
        far.reset()
        task.cancel()
        await asyncio.wait([task])
        assert far.unread == far.session.unread == 0
        assert far.received == []


# -- frames


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
async def test_frames_arrive_as_they_were_written(payloads: list[bytes], size: int) -> None:
    async with fake_link(Side(2)) as link:
        far = link.machine.open_stream([HOLD], 0.0)
        await link.exchange()
        [near] = link.connection.streams
        wire = b"".join(uvarint.encode(len(payload)) + payload for payload in payloads)
        task = asyncio.ensure_future(_read_frames(near, len(payloads)))
        for offset in range(0, len(wire), size):
            far.write(wire[offset : offset + size])
            await link.exchange()
        assert await task == payloads
        for payload in payloads:
            near.write_frame(payload)
        await link.exchange()
        assert b"".join(far.take()) == wire


async def _read_frames(stream: Stream, count: int) -> list[bytes]:
    return [await stream.read_frame(300) for _ in range(count)]


@pytest.mark.req("GEN-02", "GEN-06")
@pytest.mark.parametrize(
    ("prefix", "requirement"),
    [
        (b"\x0b", "GEN-02"),
        (b"\x7f", "GEN-02"),
        (b"\xff\x01", "GEN-06"),
        (b"\x80" * 9, "GEN-06"),
        (b"\x80", "GEN-06"),
    ],
)
async def test_a_bad_length_is_refused_before_anything_is_awaited_for(prefix: bytes, requirement: str) -> None:
    async with streaming() as (near, far):
        near.write(prefix)
        with pytest.raises(ProtocolViolation) as caught:
            await far.read_frame(10)
        assert caught.value.requirement == requirement
        assert caught.value.protocol == HOLD


@pytest.mark.req("GEN-06")
async def test_a_length_in_more_bytes_than_it_needs_is_refused() -> None:
    async with streaming() as (near, far):
        near.write(b"\x81\x00")
        with pytest.raises(ProtocolViolation, match="minimal") as caught:
            await far.read_frame(10_000)
        assert caught.value.requirement == "GEN-06"


@pytest.mark.parametrize("sent", [b"", b"\x80", b"\x05", b"\x05ab"])
async def test_a_stream_that_ends_inside_a_frame(sent: bytes) -> None:
    async with streaming() as (near, far):
        near.write(sent)
        near.close_write()
        with pytest.raises(StreamEOF) as caught:
            await far.read_frame(1_000)
        assert caught.value.partial == sent, "empty where it ended in good order, between two frames"


# -- writing


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_any_buffer_can_be_written(kind: Callable[[bytes], Any]) -> None:
    async with streaming() as (near, far):
        near.write(kind(b"data"))
        near.write(kind(b""))
        assert await far.read() == b"data"


async def test_writes_of_one_turn_leave_in_one_message() -> None:
    async with fake_link(Side(2), outbound=True) as link:
        stream = await link.connection.open_stream("/x/1", lazy=True)
        for word in (b"a", b"b", b"c"):
            stream.write(word)
        stream.close_write()
        assert link.transport.written == []
        await asyncio.sleep(0)
        assert len(link.transport.written) == 1


async def test_drain_returns_at_once_when_little_waits_and_else_when_it_has_become_little() -> None:
    async with streaming(client=with_yamux(1, drain_mark=1_000)) as (near, far):
        near.write(b"x" * 1_000)
        async with asyncio.timeout(0):
            await near.drain()
        near.write(b"x" * 2 * WINDOW)
        task = await started(near.drain())
        await until(lambda: not near.send_window)
        assert not task.done(), "the window is full"
        assert near.unsent_size > WINDOW
        while not task.done():
            await far.read()
        await task
        assert near.unsent_size <= 1_000


async def test_a_writer_that_never_drains_meets_a_limit() -> None:
    async with streaming(client=with_yamux(1, max_unsent=500_000)) as (near, _):
        near.write(b"x" * 500_001)
        with pytest.raises(LimitExceeded, match=r"yamux\.max_unsent of 500000"):
            near.write(b"y")
        assert near.unsent_size == 500_001, "nothing was queued"


async def test_two_tasks_cannot_drain_at_once() -> None:
    async with streaming() as (near, far):
        near.write(b"x" * 4 * WINDOW)
        first = await started(near.drain())
        with pytest.raises(LocalError, match="another task drains"):
            await near.drain()
        while not first.done():
            await far.read()
        await first


async def test_a_drain_waits_no_longer_than_the_timeout() -> None:
    async with streaming() as (near, _):
        near.timeout = 0.02
        near.write(b"x" * 4 * WINDOW)
        with pytest.raises(StreamTimeout):
            await near.drain()
        near.timeout = None
        task = await started(near.drain())
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize(
    ("fate", "error"), [("reset here", StreamReset), ("reset there", StreamReset), ("dead", ConnectionClosed)]
)
async def test_a_waiting_drain_learns_of_the_end_of_its_stream(fate: str, error: type[StreamError]) -> None:
    async with streaming() as (near, far):
        near.write(b"x" * 4 * WINDOW)
        task = await started(near.drain())
        if fate == "reset here":
            near.reset()
        elif fate == "reset there":
            far.reset(9)
        else:
            far.connection.abort(P2PError("gone"))
        with pytest.raises(error):
            await task
        with pytest.raises(error):
            await near.drain()
        with pytest.raises(error):
            near.write(b"y")


async def test_a_cancelled_drain_can_be_repeated_and_loses_nothing() -> None:
    data = random_bytes(4 * WINDOW)
    async with streaming() as (near, far):
        near.write(data)
        task = await started(near.drain())
        task.cancel()
        await asyncio.wait([task])
        near.close_write()
        again = await started(near.drain())
        assert await far.read_to_end(len(data)) == data
        await again


# -- the end


@pytest.mark.req("GEN-09")
async def test_half_closing_ends_one_direction_only() -> None:
    async with streaming() as (near, far):
        near.write(b"question")
        near.close_write()
        near.close_write()
        assert near.state is StreamState.WRITE_CLOSED
        with pytest.raises(StreamClosed):
            near.write(b"more")
        assert await far.read_to_end(100) == b"question"
        far.write(b"answer")
        assert await near.read() == b"answer"
        far.close_write()
        assert await near.read() == b""
        assert near.connection.streams == far.connection.streams == []
        near.reset()
        assert near.state is StreamState.CLOSED, "a reset of what has ended is nothing"


async def test_close_ends_both_directions() -> None:
    async with streaming() as (near, far):
        near.write(b"bye")
        await near.close()
        await near.close()
        with pytest.raises(StreamClosed):
            await near.read()
        with pytest.raises(StreamClosed):
            near.write(b"x")
        assert await far.read_to_end(10) == b"bye"
        far.write(b"nobody reads this")
        far.close_write()
        await until(lambda: not near.connection.streams)
        assert near.session.unread == 0


async def test_close_wakes_a_task_that_still_reads() -> None:
    async with streaming() as (near, _):
        task = await started(near.read())
        await near.close()
        with pytest.raises(StreamClosed):
            async with asyncio.timeout(5):
                await task


async def test_a_stream_that_the_peer_does_not_end_is_reset_after_a_while() -> None:
    async with streaming(client=with_yamux(1, close_timeout=0.02)) as (near, far):
        await near.close()
        assert await far.read() == b""
        with pytest.raises(StreamReset):
            for _ in range(10_000):
                far.write(b"x")
                await far.drain()
                await asyncio.sleep(0)
            await far.connection.open_stream("/x/1")
        await until(lambda: not near.connection.streams)


async def test_close_waits_for_room_so_that_nothing_endless_is_left_behind() -> None:
    data = random_bytes(4 * WINDOW)
    async with streaming() as (near, far):
        near.write(data)
        task = await started(near.close())
        assert await far.read_to_end(len(data)) == data
        await task
        assert near.unsent_size == 0


async def test_a_cancelled_close_still_ends_the_stream() -> None:
    data = random_bytes(4 * WINDOW)
    async with streaming() as (near, far):
        near.write(data)
        task = await started(near.close())
        task.cancel()
        await asyncio.wait([task])
        assert await far.read_to_end(len(data)) == data
        far.close_write()
        await until(lambda: not near.connection.streams)


async def test_a_reset_drops_what_is_queued_and_what_is_unread() -> None:
    async with streaming() as (near, far):
        far.write(b"unread")
        await until(lambda: near.unread == 6)
        near.write(b"x" * 4 * WINDOW)
        near.reset(3)
        near.reset(4)
        assert (near.unsent_size, near.unread, near.session.unread) == (0, 0, 0)
        with pytest.raises(StreamReset, match="code 0x3"):
            while await far.read():
                pass
        assert near.connection.streams == far.connection.streams == []


async def test_async_with_closes_the_stream() -> None:
    async with streaming() as (near, far):
        async with near as same:
            assert same is near
            near.write(b"in it")
        assert near.state is StreamState.READ_CLOSED or near.fin_wanted
        assert await far.read_to_end(10) == b"in it"


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_async_with_resets_the_stream_when_its_body_raises(error: type[BaseException]) -> None:
    async with streaming() as (near, far):
        with pytest.raises(error):
            async with near:
                raise error
        with pytest.raises(StreamReset):
            await far.read()


# -- much of it


@pytest.mark.parametrize("chunk", [1_000, 65_536, 1_000_000])
async def test_large_transfers_both_ways_at_once(chunk: int) -> None:
    size = 4_000_000 if chunk > 1_000 else 1_000_000
    there, back = random_bytes(size, 1), random_bytes(size, 2)

    async def send(stream: Stream, data: bytes) -> None:
        for offset in range(0, len(data), chunk):
            stream.write(data[offset : offset + chunk])
            await stream.drain()
        stream.close_write()

    async with streaming() as (near, far):
        async with asyncio.TaskGroup() as group:
            group.create_task(send(near, there))
            group.create_task(send(far, back))
            received_far = group.create_task(far.read_to_end(size))
            received_near = group.create_task(near.read_to_end(size))
        assert received_far.result() == there
        assert received_near.result() == back
        assert near.connection.streams == far.connection.streams == []


async def test_many_streams_at_once_do_not_mix() -> None:
    async def echo(stream: Stream) -> None:
        while chunks := await stream.chunks():
            for piece in chunks:
                stream.write(piece)
            await stream.drain()

    async def ask(link: Link, number: int) -> bool:
        data = random_bytes(20_000 + number, number)
        async with await link.outbound.open_stream("/echo/1") as stream:
            stream.write(data)
            stream.close_write()
            return await stream.read_to_end(len(data)) == data

    server = Side(2)
    server.handle("/echo/1", echo)
    async with linked(server=server) as link:
        assert all(await asyncio.gather(*(ask(link, number) for number in range(50))))
        await until(lambda: not link.outbound.streams and not link.inbound.streams)


async def test_a_drain_that_gets_bytes_out_has_its_time_again() -> None:
    async with streaming() as (near, _):
        near.timeout = 5.0
        near.unsent_size = 90
        near.drain_size = 100
        near.writer = Waiter(near.connection.loop)
        near.write_deadline = 10.0
        assert near.expire(10.0) == 15.0
        assert near.expire(15.0) == float("inf"), "nothing more got out"
        assert near.writer.done()
        near.unsent_size = 0
