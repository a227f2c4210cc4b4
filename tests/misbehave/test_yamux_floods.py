"""Floods of frames, each cheap to send: memory, tasks and work stay bounded, and others are served meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, LimitExceeded
from p2pstack.yamux.frames import ACK, DATA, FIN, PING, RST, SYN, WINDOW_UPDATE
from tests.misbehave.arena import ECHO, Growth, arena, says_back, settings
from tests.misbehave.attacker import PATIENCE, frame, proposal, reset_codes

pytestmark = pytest.mark.misbehave

ASKED = proposal(ECHO)
IDLE = "/idle/1.0.0"


async def idle(stream: Stream) -> None:
    """Never read, never end."""
    await asyncio.get_running_loop().create_future()


# -- pings


@pytest.mark.req("YMX-17", "GEN-04")
async def test_pings_of_a_peer_that_reads_starve_nobody() -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        stream = await victim.bystander.open_stream(victim.host.peer_id, ECHO)
        pongs = 0
        for _ in range(20):
            await attacker.send_frames(*[frame(PING, SYN, 0, 7)] * 4000)
            await says_back(stream, b"meanwhile")
            pongs += len(await attacker.barrier())
        assert 0 < pongs <= 20 * 3 * 32  # 32 each time that the victim reads
        await stream.close()


@pytest.mark.req("YMX-17", "YMX-22", "GEN-04")
@pytest.mark.parametrize("kind", ["pings", "refused streams"])
async def test_a_flood_by_a_peer_that_never_reads(kind: str) -> None:
    """What it makes us say waits, bounded, until ``write_timeout`` ends the connection."""
    config = settings(yamux={"max_inbound_streams": 1, "max_control": 100}, shell={"write_timeout": 0.3})
    async with arena(config) as victim:
        attacker = await victim.upgraded(receive_buffer=4096)
        await attacker.open_stream(ECHO)
        connection = victim.connection(attacker)
        session = connection.machine.session
        flood = frame(PING, SYN, 0, 7) * 32 if kind == "pings" else frame(DATA, SYN, 3) * 32
        growth = Growth()
        worst = 0
        ending = asyncio.ensure_future(connection.wait_closed())
        while not ending.done():
            sending = asyncio.ensure_future(attacker.flood([attacker.seal(flood)] * 1))
            await asyncio.wait([ending, sending], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
            worst = max(worst, len(session.control))
            if not sending.done():
                await ending
            await sending
        assert isinstance(connection.close_reason, DeadlineExceeded)
        assert str(connection.close_reason) == "the peer took no bytes for 0.3 s"
        assert worst <= 100 + 262_144 // 12
        assert growth.mebibytes < 16


# -- streams


@pytest.mark.req("YMX-20", "GEN-04", "GEN-05")
async def test_more_streams_than_the_session_allows() -> None:
    async with arena(settings(yamux={"max_inbound_streams": 8})) as victim:
        attacker = await victim.upgraded()
        for _ in range(8):
            await attacker.open_stream(ECHO)
        refused = [attacker.new_id() for _ in range(5000)]
        for start in range(0, 5000, 1000):
            await attacker.send_frames(
                *[frame(DATA, SYN, stream_id, body=ASKED) for stream_id in refused[start : start + 1000]]
            )
        assert reset_codes(await attacker.barrier()) == dict.fromkeys(refused, 0x1002)
        assert len(victim.connection(attacker).streams) == 8
        await attacker.send_frames(frame(DATA, 0, 1, body=b"alive"))
        assert await attacker.read_stream(1, 5) == b"alive"


@pytest.mark.req("GEN-03", "YMX-20", "GEN-04")
async def test_streams_that_never_name_a_protocol() -> None:
    config = settings(negotiation_timeout=0.2, max_negotiating=10)
    async with arena(config) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        silent = [attacker.new_id() for _ in range(30)]
        await attacker.send_frames(*[frame(WINDOW_UPDATE, SYN, stream_id, 0) for stream_id in silent])
        assert reset_codes(await attacker.barrier()) == dict.fromkeys(silent[10:], 0x1002)
        assert len(connection.machine.pending) == len(connection.streams) == 10
        for stream_id in silent[:10]:
            assert await attacker.await_reset(stream_id) == 0x1001
        assert not connection.machine.pending
        stream_id = await attacker.open_stream(ECHO, b"alive")
        assert await attacker.read_stream(stream_id, 5) == b"alive"


@pytest.mark.req("GEN-04", "YMX-20")
@pytest.mark.parametrize("flags", [SYN, SYN | FIN])
async def test_what_a_refused_stream_brings_is_not_kept(flags: int) -> None:
    config = settings(max_negotiating=1)
    async with arena(config) as victim:
        attacker = await victim.upgraded()
        await attacker.send_frames(frame(DATA, SYN, attacker.new_id()))
        for _ in range(300):
            await attacker.send_frames(frame(DATA, flags, attacker.new_id(), body=bytes(60_000)))
        assert set(reset_codes(await attacker.barrier()).values()) == {0x1002}
        connection = victim.connection(attacker)
        assert connection.machine.session.unread == 0
        assert len(connection.streams) == 1


@pytest.mark.req("YMX-21", "GEN-04")
@pytest.mark.parametrize("protocol", [ECHO, IDLE])
async def test_rapid_reset(protocol: str) -> None:
    config = settings(shell={"max_handlers": 20})
    async with arena(config, prepare=lambda host: host.handle(IDLE, idle)) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        tasks = len(asyncio.all_tasks())
        worst = 0
        for _ in range(50):
            burst = b""
            for _ in range(100):
                stream_id = attacker.new_id()
                burst += frame(DATA, SYN, stream_id, body=proposal(protocol) + b"x")
                burst += frame(WINDOW_UPDATE, RST, stream_id, 0)
            await attacker.send_plain(burst)
            await attacker.barrier()
            worst = max(worst, len(connection.handlers), len(asyncio.all_tasks()) - tasks)
        assert worst <= 20
        assert not connection.streams
        assert not connection.machine.pending
        assert not connection.machine.session.fresh


@pytest.mark.req("YMX-21", "GEN-05")
async def test_one_protocol_does_not_take_all_handlers() -> None:
    config = settings(limits={"streams_per_protocol": 5})
    async with arena(config, prepare=lambda host: host.handle(IDLE, idle)) as victim:
        attacker = await victim.upgraded()
        for _ in range(5):
            await attacker.open_stream(IDLE)
        refused = [attacker.new_id() for _ in range(20)]
        await attacker.send_frames(*[frame(DATA, SYN, stream_id, body=proposal(IDLE)) for stream_id in refused])
        assert reset_codes(await attacker.barrier()) == dict.fromkeys(refused, 0x1002)
        stream_id = await attacker.open_stream(ECHO, b"alive")
        assert await attacker.read_stream(stream_id, 5) == b"alive"
        assert len(victim.connection(attacker).handlers) == 6


# -- frames of a stream

OPEN = 1

CHEAP: dict[str, bytes] = {
    "empty data": frame(DATA, 0, OPEN),
    "window updates of 0": frame(WINDOW_UPDATE, 0, OPEN, 0),
    "window updates of 1": frame(WINDOW_UPDATE, 0, OPEN, 1),
    "acks": frame(WINDOW_UPDATE, ACK, OPEN, 0),
    "unasked pongs": frame(PING, ACK, 0, 1),
    "resets of no stream": frame(WINDOW_UPDATE, RST, 99, 1),
    "data for no stream": frame(DATA, 0, 99, body=b"x"),
    "SYN with RST": frame(DATA, SYN | RST, 3, body=b"x"),
}


@pytest.mark.req("YMX-09", "YMX-15", "YMX-17", "YMX-24", "YMX-25", "GEN-04")
@pytest.mark.parametrize("name", CHEAP)
async def test_a_flood_of_frames_that_mean_nothing(name: str) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream(ECHO)
        stream = await victim.bystander.open_stream(victim.host.peer_id, ECHO)
        session = victim.connection(attacker).machine.session
        growth = Growth()
        for _ in range(10):
            await attacker.send_plain(CHEAP[name] * 5000)
            await says_back(stream, b"meanwhile")
        assert await attacker.barrier() == []
        assert growth.mebibytes < 16
        assert not session.unread + len(session.control) + len(session.readable) + len(session.fresh)
        assert len(session.streams) == 1
        await attacker.send_frames(frame(DATA, 0, OPEN, body=b"alive"))
        assert await attacker.read_stream(OPEN, 5) == b"alive"
        await stream.close()


@pytest.mark.req("YMX-11", "GEN-04")
async def test_a_byte_a_frame_costs_about_a_byte() -> None:
    async with arena(prepare=lambda host: host.handle(IDLE, idle)) as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream(IDLE)
        [stream] = victim.connection(attacker).streams
        for _ in range(40):
            await attacker.send_plain(frame(DATA, 0, OPEN, body=b"x") * 5000)
        await attacker.barrier()
        assert stream.unread == 200_000
        assert len(stream.received) < 100
        assert sum(piece.__sizeof__() for piece in stream.received) < 300_000


@pytest.mark.req("YMX-11", "GEN-04")
@pytest.mark.parametrize("size", [1023, 1024, 4000, 16_000])
async def test_a_piece_does_not_pin_much_more_than_it_shows(size: int) -> None:
    async with arena(prepare=lambda host: host.handle(IDLE, idle)) as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream(IDLE)
        [stream] = victim.connection(attacker).streams
        padding = frame(DATA, 0, 99, body=bytes(65_519 - 24 - size))
        for _ in range(10):
            await attacker.send_frames(frame(DATA, 0, OPEN, body=bytes(size)), padding)
        await attacker.barrier()
        assert stream.unread == 10 * size
        held = [len(piece.obj) if isinstance(piece, memoryview) else len(piece) for piece in stream.received]
        assert sum(held) <= 4 * stream.unread


@pytest.mark.req("YMX-11", "YMX-22", "GEN-04")
async def test_handlers_slower_than_the_peer_pause_it_and_then_end_it() -> None:
    config = settings(yamux={"max_unread": 1_000_000}, shell={"unread_timeout": 0.3})
    async with arena(config, prepare=lambda host: host.handle(IDLE, idle)) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        sent = 0
        for _ in range(100):
            stream_id = await attacker.open_stream(IDLE)
            for _ in range(4):
                await attacker.send_frames(frame(DATA, 0, stream_id, body=bytes(65_000)))
                sent += 65_000
            if sent > 2_000_000 or connection.reading_paused:
                break
        growth = Growth()
        taken = await attacker.flood([attacker.seal(bytes(65_519))] * 1000)
        assert taken < 1000
        assert connection.machine.session.unread <= 1_000_000 + 262_144
        assert growth.mebibytes < 16
        reason = await victim.end_of(connection)
        assert isinstance(reason, LimitExceeded)
        assert reason.name == "yamux.max_unread"


@pytest.mark.req("YMX-12", "GEN-04")
async def test_windows_do_not_grow_beyond_the_budget() -> None:
    """A peer that empties its windows at full speed over and over makes them grow; the sum is capped."""
    config = settings(limits={"window_memory": 600_000})
    async with arena(config) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        streams = [await attacker.open_stream(ECHO) for _ in range(4)]
        connection.machine.session._liveness.round_trip = 10.0  # so every window is used up within four round trips
        for _ in range(20):
            for stream_id in streams:
                await attacker.send_frames(frame(DATA, 0, stream_id, body=bytes(60_000)))
                await attacker.send_frames(frame(WINDOW_UPDATE, 0, stream_id, 60_000))
                await attacker.read_stream(stream_id, 60_000)
        usage = victim.host.usage()["window_memory"]
        assert 262_144 <= usage.current <= usage.limit
        assert sum(stream.window - 262_144 for stream in connection.streams) == usage.current
