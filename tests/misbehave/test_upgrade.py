"""Connections that never become any: silence, garbage, a negotiation without end."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import ConnectionClosed, DeadlineExceeded, NegotiationError
from p2pstack.host.gate import ConnectionGate
from p2pstack.identity.keys import PrivateKey
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from p2pstack.noise import NoiseIdentity
from tests.misbehave.arena import Victim, arena, settings
from tests.misbehave.attacker import PATIENCE, Attacker, leave_by_fin, leave_by_rst, proposal

pytestmark = pytest.mark.misbehave

HASTY = settings(upgrade_timeout=0.4)
NOISE = proposal("/noise")


async def nothing(attacker: Attacker) -> None:
    """Say nothing at all."""


async def one_byte(attacker: Attacker) -> None:
    await attacker.send(HEADER[:1])


async def header(attacker: Attacker) -> None:
    await attacker.send(HEADER)


async def refused_protocol(attacker: Attacker) -> None:
    await attacker.send(proposal("/tls/1.0.0"))
    assert await attacker.read(len(HEADER + NA)) == HEADER + NA


async def noise_agreed(attacker: Attacker) -> None:
    await attacker.agree_on_noise()


async def half_a_message(attacker: Attacker) -> None:
    await attacker.agree_on_noise()
    await attacker.send(b"\x00\x20" + bytes(31))


async def first_message(attacker: Attacker) -> None:
    await attacker.begin_handshake()


async def no_muxer(attacker: Attacker) -> None:
    attacker.identity = NoiseIdentity(PrivateKey.generate())
    handshake = await attacker.begin_handshake()
    await attacker.send_message(handshake.write_message())


STEPS = {
    nothing: "security",
    one_byte: "security",
    header: "security",
    refused_protocol: "security",
    noise_agreed: "handshake",
    half_a_message: "handshake",
    first_message: "handshake",
    no_muxer: "muxer",
}
"""How far the attacker comes, and in which phase the victim then is."""


@pytest.mark.req("GEN-03", "TCP-03", "NOISE-19", "SIMOPEN-02")
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_silence_ends_with_the_upgrade_deadline(step) -> None:
    async with arena(HASTY) as victim:
        attacker = await victim.attacker()
        await step(attacker)
        await attacker.read_to_end()
        connection = await victim.next_end()
    assert isinstance(connection.close_reason, DeadlineExceeded)
    assert str(connection.close_reason) == f"the upgrade did not end within 0.4 s (in {STEPS[step]})"
    assert not connection.streams


@pytest.mark.req("GEN-03")
async def test_a_byte_now_and_then_gains_no_time() -> None:
    async with arena(HASTY) as victim:
        attacker = await victim.raw()
        end = asyncio.ensure_future(attacker.read_to_end())
        sent = 0
        while not end.done():
            await attacker.flood([NOISE[sent : sent + 1]])
            sent += 1
            await asyncio.wait([end], timeout=0.03)
        assert isinstance((await victim.next_end()).close_reason, DeadlineExceeded)
    assert 2 <= sent < len(NOISE)


@pytest.mark.req("TCP-03", "NOISE-18", "MSS-06")
async def test_a_slow_upgrade_holds_up_no_other() -> None:
    async with arena() as victim:
        slow = await victim.attacker()
        await slow.trickle(NOISE)
        assert await slow.read(len(NOISE)) == NOISE
        handshake = slow.new_handshake()
        await slow.trickle(b"\x00\x20" + handshake.write_message())
        quick = await victim.upgraded()
        handshake.read_message(await slow.read_message())
        message = handshake.write_message()
        await slow.trickle(len(message).to_bytes(2, "big") + message)
        assert {quick.peer_id, slow.peer_id} < {connection.peer_id for connection in victim.host.connections()}


GARBAGE = {
    "random": (bytes(range(200, 256)), "MSS-02"),
    "zeros": (bytes(4096), "MSS-02"),
    "http": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "MSS-02"),
    "tls": (bytes.fromhex("16030100c8010000c403035f"), "MSS-02"),
    "another version": (b"\x13/multistream/2.0.0\n", "MSS-02"),
    "protocol first": (encode("/noise"), "MSS-02"),
    "length 0": (HEADER + b"\x00", "MSS-01"),
    "no newline": (HEADER + b"\x07/noise!", "MSS-01"),
    "1025 bytes": (HEADER + b"\x81\x08", "MSS-05"),
    "16383 bytes": (HEADER + b"\xff\x7f", "MSS-05"),
    "2 ** 63 bytes": (HEADER + b"\xff" * 8 + b"\x7f", "GEN-06"),
    "endless length": (HEADER + b"\x80" * 1000, "GEN-06"),
    "length not minimal": (HEADER + b"\x87\x00/noise\n", "GEN-06"),
}


@pytest.mark.req("GEN-01", "GEN-02", "GEN-06", "MSS-01", "MSS-02", "MSS-05")
@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_ends_the_connection_at_once(name: str) -> None:
    data, requirement = GARBAGE[name]
    async with arena() as victim:
        attacker = await victim.raw()
        await attacker.send(data)
        assert await attacker.read_to_end() in {HEADER, b""}  # unread garbage turns FIN into RST, which overtakes
        reason = (await victim.next_end()).close_reason
    assert isinstance(reason, NegotiationError)
    assert reason.requirement == requirement


@pytest.mark.req("MSS-08", "GEN-04")
@pytest.mark.parametrize("message", [LS, encode("/tls/1.0.0"), HEADER, encode("/libp2p/simultaneous-connect")])
async def test_the_rounds_of_a_negotiation_are_counted(message: bytes) -> None:
    async with arena() as victim:
        attacker = await victim.raw()
        await attacker.send(HEADER + message * 127)
        answer = b"\x09" + encode("/noise") + b"\n" if message == LS else NA
        assert await attacker.read(len(HEADER + answer * 127)) == HEADER + answer * 127
        await attacker.send(message)
        assert await attacker.read_to_end() == b""
        reason = (await victim.next_end()).close_reason
    assert isinstance(reason, NegotiationError)
    assert reason.requirement == "MSS-08"


@pytest.mark.req("MSS-04", "MSS-07", "MSS-10", "MSS-11", "SIMOPEN-01")
@pytest.mark.parametrize(
    "message",
    [b"\x04/\xff\xfe\n", b"\x03\xff\xff\n", b"\x06noise\n", b"\x01\n", HEADER, LS, encode("/tls")],
)
async def test_what_is_refused_costs_nothing_else(message: bytes) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        await attacker.send(HEADER + message)
        assert await attacker.read(len(HEADER)) == HEADER
        listing = b"\x09" + encode("/noise") + b"\n"
        assert await attacker.read(len(listing if message == LS else NA)) == (listing if message == LS else NA)
        await attacker.send(encode("/noise"))
        assert await attacker.read(8) == encode("/noise")
        handshake = attacker.new_handshake()
        await attacker.send_message(handshake.write_message())
        handshake.read_message(await attacker.read_message())


@pytest.mark.req("MSS-13", "GEN-12", "NOISE-02")
@pytest.mark.parametrize("leave", [leave_by_fin, leave_by_rst])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_leaving_in_the_middle(step, leave) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        await step(attacker)
        await leave(attacker)
        reason = (await victim.next_end()).close_reason
    assert reason is not None
    assert leave is leave_by_fin or isinstance(reason, ConnectionClosed | NegotiationError)
    assert str(reason)


@pytest.mark.req("MSS-12")
async def test_who_half_closes_behind_the_proposal_is_answered() -> None:
    async with arena() as victim:
        attacker = await victim.raw()
        await attacker.send(NOISE)
        attacker.half_close()
        assert await attacker.read_to_end() == NOISE


@pytest.mark.req("MSS-08", "MSS-09")
@pytest.mark.parametrize(
    "data", [b"\x00", HEADER + encode("/mplex/6.7.0") * 128, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100]
)
async def test_the_muxer_is_negotiated_under_the_same_rules(data: bytes) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        attacker.identity = NoiseIdentity(PrivateKey.generate())
        handshake = await attacker.begin_handshake()
        await attacker.send_message(handshake.write_message())
        attacker.secure(handshake)
        await attacker.send_plain(data)
        await attacker.read_to_end()
        assert isinstance((await victim.next_end()).close_reason, NegotiationError)


class Curious(ConnectionGate):
    """Asks for every address, and allows all."""

    def allow_inbound(self, address) -> bool:
        return str(address).startswith("/ip4/127.")


@pytest.mark.req("GEN-12", "TCP-03")
@pytest.mark.parametrize("gate", [ConnectionGate(), Curious()], ids=["no gate", "gate"])
async def test_connections_that_are_gone_before_they_are_accepted(gate: ConnectionGate) -> None:
    async with arena(gate=gate) as victim:
        for _ in range(20):
            (await victim.raw()).abort()
        await _all_accepted(victim)


async def _all_accepted(victim: Victim) -> None:
    """The victim accepts in order: once it serves this connection, it has seen those before."""
    await victim.upgraded()
    async with asyncio.timeout(PATIENCE):
        for connection in victim.host.network.every_connection():
            if not connection.opened_at:
                await connection.wait_closed()


@pytest.mark.req("GEN-01")
async def test_a_bad_first_frame_in_the_segment_of_the_last_handshake_message() -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        handshake = await attacker.begin_handshake()
        message = handshake.write_message()
        attacker.secure(handshake)
        async with victim.host.events() as events:
            await attacker.send(len(message).to_bytes(2, "big") + message + attacker.seal(b"\x01" * 12))
            await attacker.read_to_end()
            names = [type(await anext(events)).__name__ for _ in range(4)]
        assert names == ["ConnectionOpened", "PeerConnected", "ConnectionEnded", "PeerDisconnected"]
        assert getattr((await victim.next_end()).close_reason, "requirement", "") == "YMX-01"
