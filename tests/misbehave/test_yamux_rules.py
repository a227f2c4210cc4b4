"""Every "bad ->" of specs/yamux.md: what ends the connection, what ends a stream, and what is let pass."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import ConnectionClosed, StreamEOF, StreamReset, YamuxError
from p2pstack.host.events import ConnectionEnded
from p2pstack.multistream.messages import HEADER
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, pack_header
from tests.misbehave.arena import ECHO, Growth, arena, says_back, settings
from tests.misbehave.attacker import Attacker, frame, goaway_codes, leave_by_fin, leave_by_rst, proposal, reset_codes

pytestmark = pytest.mark.misbehave

WINDOW = 262_144
ASKED = proposal(ECHO)

OPEN = 1
"""The id of the stream that is open before the fault."""

FAULTS: dict[str, tuple[bytes, str]] = {
    "version 1": (pack_header(1, DATA, 0, OPEN, 0), "YMX-01"),
    "version 255 of a ping": (pack_header(255, PING, SYN, 0, 0), "YMX-01"),
    "version 1 of an update": (pack_header(1, WINDOW_UPDATE, 0, OPEN, 0), "YMX-01"),
    "type 4": (frame(4, 0, OPEN, 0), "YMX-01"),
    "type 255": (frame(255, SYN, 0, 0xFFFF_FFFF), "YMX-01"),
    "ones": (b"\xff" * 12, "YMX-01"),
    "http": (b"GET / HTTP/1.1\r\n\r\n", "YMX-01"),
    "id 0": (frame(DATA, SYN, 0, body=ASKED), "YMX-03"),
    "id 0 by an update": (frame(WINDOW_UPDATE, SYN, 0, 0), "YMX-03"),
    "our parity": (frame(DATA, SYN, 2, body=ASKED), "YMX-03"),
    "our parity by an update": (frame(WINDOW_UPDATE, SYN, 4, 0), "YMX-03"),
    "SYN twice": (frame(DATA, SYN, OPEN, body=ASKED), "YMX-05"),
    "SYN twice by an update": (frame(WINDOW_UPDATE, SYN, OPEN, 0), "YMX-05"),
    "SYN twice with RST": (frame(WINDOW_UPDATE, SYN | RST, OPEN, 0), "YMX-05"),
    "beyond the window": (frame(DATA, 0, OPEN, WINDOW + 1), "YMX-07"),
    "4 GiB": (frame(DATA, 0, OPEN, 0xFFFF_FFFF), "YMX-07"),
    "4 GiB with FIN": (frame(DATA, FIN, OPEN, 0xFFFF_FFFF), "YMX-07"),
    "SYN beyond the window": (frame(DATA, SYN, 3, WINDOW + 1), "YMX-08"),
    "SYN and 4 GiB": (frame(DATA, SYN | FIN, 3, 0xFFFF_FFFF), "YMX-08"),
    "SYN, RST and 4 GiB": (frame(DATA, SYN | RST, 3, 0xFFFF_FFFF), "YMX-08"),
    "send window": (frame(WINDOW_UPDATE, 0, OPEN, 0xFFFF_FFFF), "YMX-09"),
    "send window by steps": (frame(WINDOW_UPDATE, 0, OPEN, 0x7FFF_FFFF) * 3, "YMX-09"),
    "send window of a SYN": (frame(WINDOW_UPDATE, SYN, 3, 0xFFFF_FFFF), "YMX-09"),
    "body of a stream that is gone": (frame(DATA, 0, 99, 16 * 2**20 + 1), "YMX-16"),
    "4 GiB for a stream that is gone": (frame(DATA, 0, 99, 0xFFFF_FFFF), "YMX-16"),
}


@pytest.mark.req(
    "GEN-01", "GEN-02", "YMX-01", "YMX-03", "YMX-05", "YMX-06", "YMX-07", "YMX-08", "YMX-09", "YMX-16", "YMX-19"
)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_ends_the_connection_with_goaway_1(name: str) -> None:
    data, requirement = FAULTS[name]
    async with arena() as victim:
        attacker = await victim.upgraded()
        assert await attacker.open_stream(ECHO, b"x") == OPEN
        await attacker.read_stream(OPEN, 1)
        connection = victim.connection(attacker)
        async with victim.host.events(ConnectionEnded) as events:
            await attacker.send_frames(data)
            assert goaway_codes(await attacker.rest()) == [1]
            reason = (await anext(events)).reason
        assert isinstance(reason, YamuxError)
        assert (reason.requirement, reason.code) == (requirement, 1)
        assert connection.close_reason is reason
        assert not connection.streams


@pytest.mark.req("YMX-07", "YMX-11")
async def test_the_window_is_counted_over_frames() -> None:
    gate = asyncio.Event()

    async def idle(stream) -> None:
        await gate.wait()

    async with arena(prepare=lambda host: host.handle("/idle", idle)) as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.open_stream("/idle")
        connection = victim.connection(attacker)
        left = WINDOW - len(proposal("/idle"))
        await attacker.send_frames(*[frame(DATA, 0, stream_id, body=bytes(1000)) for _ in range(left // 1000)])
        await attacker.send_frames(frame(DATA, 0, stream_id, body=bytes(left % 1000)))
        assert await attacker.barrier() == []
        assert connection.machine.session.unread == left
        await attacker.send_frames(frame(DATA, 0, stream_id, body=b"!"))
        assert goaway_codes(await attacker.rest()) == [1]
        assert (await victim.end_of(connection)).requirement == "YMX-07"
        gate.set()


HARMLESS: dict[str, bytes] = {
    "data for a stream that never was": frame(DATA, 0, 99, body=bytes(10_000)),
    "data for a stream of ours that never was": frame(DATA, 0, 98, body=bytes(100)),
    "data for the session": frame(DATA, 0, 0, body=bytes(100)),
    "update for a stream that never was": frame(WINDOW_UPDATE, 0, 99, 0xFFFF_FFFF),
    "FIN for a stream that never was": frame(DATA, FIN, 99),
    "RST for a stream that never was": frame(WINDOW_UPDATE, RST, 99, 0xFFFF_FFFF),
    "RST on data for a stream that never was": frame(DATA, RST | FIN, 99, body=bytes(100)),
    "ACK for a stream of its own": frame(WINDOW_UPDATE, ACK, OPEN, 0) * 10,
    "ACK for a stream that never was": frame(DATA, ACK, 98, body=bytes(10)) + frame(WINDOW_UPDATE, ACK, 98, 5),
    "SYN with RST": frame(WINDOW_UPDATE, SYN | RST, 3, 0) + frame(DATA, SYN | RST, 5, body=b"lost"),
    "unknown flags": frame(DATA, 0xFFF0, OPEN) + frame(WINDOW_UPDATE, 0xFFF0, OPEN, 0),
    "empty data": frame(DATA, 0, OPEN) * 1000,
    "unasked pongs": b"".join(frame(PING, ACK, 0, value) for value in range(1000)),
    "pong for a stream": frame(PING, ACK, OPEN, 7),
    "ping without a flag": frame(PING, 0, 0, 7),
}


@pytest.mark.req("YMX-02", "YMX-13", "YMX-15", "YMX-17", "YMX-18", "YMX-24", "YMX-25")
@pytest.mark.parametrize("name", HARMLESS)
async def test_what_is_ignored(name: str) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        assert await attacker.open_stream(ECHO, b"x") == OPEN
        await attacker.read_stream(OPEN, 1)
        await attacker.send_frames(HARMLESS[name])
        assert await attacker.barrier() == []
        connection = victim.connection(attacker)
        assert [stream.id for stream in connection.streams] == [OPEN]
        assert connection.machine.session.unread == 0
        await attacker.send_frames(frame(DATA, 0, OPEN, body=b"alive"))
        assert await attacker.read_stream(OPEN, 5) == b"alive"


@pytest.mark.req("GEN-02", "YMX-15", "YMX-16")
async def test_a_body_of_4_gib_for_a_stream_that_is_gone_is_drained_without_memory() -> None:
    async with arena(settings(yamux={"max_body": 0xFFFF_FFFF})) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        growth = Growth()
        await attacker.send_plain(frame(DATA, 0, 99, 0xFFFF_FFFF) + bytes(1000))
        for _ in range(500):
            await attacker.send_plain(bytes(65_519))
        assert growth.mebibytes < 16
        assert connection.machine.session.unread == 0
        assert not connection.streams
        assert not connection.closed


@pytest.mark.req("YMX-13", "GEN-09")
async def test_data_behind_fin_is_dropped() -> None:
    received = []

    async def collect(stream) -> None:
        received.append(await stream.read_to_end(100))
        stream.write(b"done")

    async with arena(prepare=lambda host: host.handle("/collect", collect)) as victim:
        attacker = await victim.upgraded()
        await attacker.send_frames(
            frame(DATA, SYN, 1, body=proposal("/collect") + b"all"),
            frame(DATA, FIN, 1),
            frame(DATA, 0, 1, body=b"more"),
            frame(DATA, FIN, 1, body=b"and more"),
            frame(WINDOW_UPDATE, FIN, 1, 0),
        )
        assert (await attacker.read_stream(1, len(proposal("/collect")) + 4)).endswith(b"done")
        assert goaway_codes(await attacker.barrier()) == []
    assert received == [b"all"]


@pytest.mark.req("YMX-14", "YMX-21", "GEN-09")
@pytest.mark.parametrize("code", [0, 0x1001, 0xFFFF_FFFF])
async def test_a_reset_is_an_error_with_its_code(code: int) -> None:
    errors: asyncio.Queue[BaseException] = asyncio.Queue()

    async def reader(stream) -> None:
        try:
            await stream.read_exactly(100)
        except StreamReset as error:
            errors.put_nowait(error)
            raise

    async with arena(prepare=lambda host: host.handle("/reader", reader)) as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.open_stream("/reader", b"unread")
        await attacker.send_frames(frame(WINDOW_UPDATE, RST, stream_id, code))
        async with asyncio.timeout(1):
            error = await errors.get()
        assert (error.code, error.remote) == (code, True)
        assert reset_codes(await attacker.barrier()) == {}
        assert not victim.connection(attacker).streams


GOAWAYS = {0: ConnectionClosed, 1: YamuxError, 2: YamuxError, 0x1001: YamuxError, 0xFFFF_FFFF: YamuxError}


@pytest.mark.req("YMX-19")
@pytest.mark.parametrize("code", GOAWAYS)
async def test_goaway_ends_the_session(code: int) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream(ECHO)
        connection = victim.connection(attacker)
        await attacker.send_frames(frame(GO_AWAY, 0, 0, code), frame(DATA, SYN, 3, body=ASKED), b"\xff" * 12)
        assert await attacker.rest() == []
        reason = await victim.end_of(connection)
        assert isinstance(reason, GOAWAYS[code])
        assert getattr(reason, "code", 0) == code
        with pytest.raises(ConnectionClosed):
            await connection.open_stream(ECHO)


@pytest.mark.req("YMX-26", "GEN-12")
@pytest.mark.parametrize("leave", [leave_by_fin, leave_by_rst])
async def test_streams_of_a_lost_connection_fail_and_only_those_with_fin_end(leave) -> None:
    outcome: dict[bytes, BaseException | bytes] = {}

    async def reader(stream) -> None:
        name = await stream.read_exactly(1)
        try:
            outcome[name] = await stream.read_exactly(1)
        except (StreamEOF, ConnectionClosed) as error:
            outcome[name] = error

    async with arena(prepare=lambda host: host.handle("/reader", reader)) as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream("/reader", b"a", fin=True)
        await attacker.open_stream("/reader", b"b")
        connection = victim.connection(attacker)
        await attacker.barrier()
        await leave(attacker)
        await victim.end_of(connection)
    assert isinstance(outcome[b"a"], StreamEOF)
    assert isinstance(outcome[b"b"], ConnectionClosed)


@pytest.mark.req("YMX-05", "YMX-21")
async def test_an_id_that_is_used_again() -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        for number in range(50):
            await attacker.send_frames(frame(DATA, SYN, 1, body=ASKED + bytes([number])))
            assert await attacker.read_stream(1, len(ASKED) + 1) == ASKED + bytes([number])
            await attacker.send_frames(frame(WINDOW_UPDATE, RST, 1, 0))


@pytest.mark.req("MSS-01", "MSS-02", "MSS-05", "MSS-08", "MSS-13", "GEN-01")
@pytest.mark.parametrize(
    ("data", "flags"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 0),
        (HEADER + b"\xff\x7f", 0),
        (HEADER + b"\x00", 0),
        (HEADER + b"\x80\x80\x80", 0),
        (HEADER + b"\x03ls\n" * 128, 0),
        (HEADER + b"\x03/x\n" * 128, 0),
        (HEADER + b"\x03/\xff\n" * 128, 0),
        (HEADER, FIN),
        (HEADER + b"\x10/echo", FIN),
        (HEADER + b"\x03/x\n", FIN),
        (b"", FIN),
    ],
    ids=range(11),
)
async def test_a_failed_negotiation_costs_the_stream(data: bytes, flags: int) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        other = await attacker.open_stream(ECHO)
        stream_id = attacker.new_id()
        await attacker.send_frames(frame(DATA, SYN | flags, stream_id, body=data))
        assert await attacker.await_reset(stream_id) == 0x1001
        await attacker.send_frames(frame(DATA, 0, other, body=b"alive"))
        assert await attacker.read_stream(other, 5) == b"alive"
        assert [stream.id for stream in victim.connection(attacker).streams] == [other]


@pytest.mark.req("MSS-06", "MSS-11")
async def test_a_negotiation_byte_by_byte() -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        asked = HEADER + b"\x04/\xff\xff\n" + b"\x03ls\n" + ASKED[len(HEADER) :] + b"x"
        flags = SYN
        for value in asked:
            await attacker.send_frames(frame(DATA, flags, 1, body=bytes([value])))
            flags = 0
        listing = b"\x0e\x0c/echo/1.0.0\n\n"
        expected = HEADER + b"\x03na\n" + listing + ASKED[len(HEADER) :] + b"x"
        assert await attacker.read_stream(1, len(expected)) == expected


@pytest.mark.req("GEN-01")
async def test_the_streams_of_others_do_not_notice() -> None:
    """While one attacker after the other is thrown out, a stream of the bystander goes on without a gap."""
    async with arena() as victim:
        stream = await victim.bystander.open_stream(victim.host.peer_id, ECHO)
        for data, _ in FAULTS.values():
            attacker: Attacker = await victim.upgraded()
            await attacker.open_stream(ECHO)
            await attacker.send_frames(data)
            await says_back(stream, b"on and on")
            await attacker.rest()
        await stream.close()
