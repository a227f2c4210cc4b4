"""Handshakes that are wrong in one place, and transport frames that are: the connection ends, silently."""

from __future__ import annotations

import struct

import pytest

from p2pstack.errors import ConnectionClosed, HandshakeError, NoiseError, P2PError
from p2pstack.identity.keys import PrivateKey
from p2pstack.noise import NoiseIdentity
from p2pstack.noise.payload import build_payload
from p2pstack.wire.pb.noise_pb2 import NoiseHandshakePayload
from p2pstack.yamux.frames import DATA, PING, SYN
from tests.misbehave.arena import ECHO, Victim, arena, settings
from tests.misbehave.attacker import Attacker, frame, goaway_codes, leave_by_fin, leave_by_rst, proposal

pytestmark = pytest.mark.misbehave


async def refusal(victim: Victim, attacker: Attacker, requirement: str) -> P2PError:
    """Show that the victim closed without a word more (NOISE-19); return its reason."""
    assert await attacker.read_to_end() == b""
    reason = (await victim.next_end()).close_reason
    assert isinstance(reason, HandshakeError | NoiseError)
    assert reason.requirement == requirement
    return reason


LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.req("NOISE-11", "NOISE-19")
@pytest.mark.parametrize("point", LOW_ORDER)
async def test_ephemeral_keys_of_low_order(point: str) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        await attacker.agree_on_noise()
        await attacker.send_message(bytes.fromhex(point))
        await refusal(victim, attacker, "NOISE-11")


FIRST_MESSAGES = {
    "nothing": (b"\x00\x00", "NOISE-12"),
    "31 bytes": (b"\x00\x1f", "NOISE-12"),
    "a payload": (b"\x00\x21", "NOISE-04"),
    "64 KiB": (b"\xff\xff", "NOISE-04"),
}


@pytest.mark.req("GEN-02", "NOISE-04", "NOISE-12", "NOISE-19")
@pytest.mark.parametrize("name", FIRST_MESSAGES)
async def test_a_wrong_size_is_refused_before_the_body(name: str) -> None:
    length, requirement = FIRST_MESSAGES[name]
    async with arena() as victim:
        attacker = await victim.attacker()
        await attacker.agree_on_noise()
        await attacker.send(length)
        await refusal(victim, attacker, requirement)


@pytest.mark.req("NOISE-12", "NOISE-19")
@pytest.mark.parametrize("size", [0, 1, 63])
async def test_a_short_last_message(size: int) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        await attacker.begin_handshake()
        await attacker.send(struct.pack(">H", size))
        await refusal(victim, attacker, "NOISE-12")


@pytest.mark.req("NOISE-09", "NOISE-19")
@pytest.mark.parametrize("place", [0, 31, 47, 48, 100, -1], ids=str)
async def test_a_tampered_last_message(place: int) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        message = bytearray((await attacker.begin_handshake()).write_message())
        message[place] ^= 1
        await attacker.send_message(bytes(message))
        await refusal(victim, attacker, "NOISE-09")


@pytest.mark.req("NOISE-02", "NOISE-09")
async def test_the_largest_message_of_noise_is_read_and_refused() -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        message = (await attacker.begin_handshake()).write_message()
        await attacker.send_message(message + bytes(65_535 - len(message)))
        await refusal(victim, attacker, "NOISE-09")


@pytest.mark.req("NOISE-09")
async def test_the_messages_of_another_handshake() -> None:
    async with arena() as victim:
        first, second = await victim.attacker(), await victim.attacker()
        second.identity = first.identity
        message = (await first.begin_handshake()).write_message()
        await second.begin_handshake()
        await second.send_message(message)
        await refusal(victim, second, "NOISE-09")


def signed_by(key: PrivateKey, identity: NoiseIdentity, **changes: object) -> bytes:
    """A payload with some fields changed."""
    payload = NoiseHandshakePayload.FromString(build_payload(key, identity.static_public, identity.muxers))
    for name, value in changes.items():
        payload.ClearField(name)
        if value is not None:
            setattr(payload, name, value)
    return payload.SerializeToString()


def other_static_key(identity: NoiseIdentity) -> bytes:
    return build_payload(identity.key, bytes(range(32)), identity.muxers)


def other_key(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_key=PrivateKey.generate().public_key.to_protobuf())


def no_signature(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_sig=None)


def empty_signature(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_sig=b"")


def no_key(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_key=None)


def key_of_no_kind(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_key=b"\x08\x63\x12\x20" + bytes(32))


def short_key(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_key=b"\x08\x01\x12\x1f" + bytes(31))


def zero_key(identity: NoiseIdentity) -> bytes:
    return signed_by(identity.key, identity, identity_key=b"\x08\x01\x12\x20" + bytes(32), identity_sig=bytes(64))


def garbage(identity: NoiseIdentity) -> bytes:
    return b"\xff" * 100


def nothing(identity: NoiseIdentity) -> bytes:
    return b""


PAYLOADS = {
    other_static_key: "NOISE-06",
    other_key: "NOISE-06",
    no_signature: "NOISE-06",
    empty_signature: "NOISE-06",
    no_key: "NOISE-06",
    key_of_no_kind: None,
    short_key: None,
    zero_key: "NOISE-06",
    garbage: None,
    nothing: "NOISE-06",
}


@pytest.mark.req("NOISE-05", "NOISE-06", "NOISE-15", "NOISE-19")
@pytest.mark.parametrize("forge", PAYLOADS, ids=lambda forge: forge.__name__)
async def test_forged_payloads(forge) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        attacker.identity.payload = forge(attacker.identity)
        handshake = await attacker.begin_handshake()
        message = handshake.write_message()
        attacker.secure(handshake)
        early = attacker.seal(frame(DATA, SYN, 1, body=proposal(ECHO) + b"early"))
        await attacker.send(struct.pack(">H", len(message)) + message + early)
        await attacker.read_to_end()
        connection = await victim.next_end()
        assert isinstance(connection.close_reason, HandshakeError)
        assert PAYLOADS[forge] in {None, connection.close_reason.requirement}
        assert connection.machine.remote is None
        assert not connection.opened_at


@pytest.mark.req("NOISE-17", "NOISE-20")
@pytest.mark.parametrize("muxers", [["/mplex/6.7.0"], ["\n", "x" * 1000], ["/mplex/6.7.0"] * 100])
async def test_no_muxer_in_common(muxers: list[str]) -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        attacker.identity.payload = build_payload(attacker.identity.key, attacker.identity.static_public, muxers)
        await attacker.send_message((await attacker.begin_handshake()).write_message())
        await refusal(victim, attacker, "NOISE-20")


@pytest.mark.req("NOISE-05", "NOISE-16")
async def test_what_is_unknown_in_a_payload_is_ignored() -> None:
    async with arena() as victim:
        attacker = await victim.attacker()
        attacker.identity.payload += b"\x1a\x03old" + b"\xfa\xff\xff\xff\x0f\x81\x08" + bytes(1025)
        await attacker.upgrade()
        assert await attacker.read_stream(await attacker.open_stream(ECHO, b"hi"), 2) == b"hi"


# -- transport frames


def tampered(attacker: Attacker) -> bytes:
    data = bytearray(attacker.seal(frame(PING, SYN, 0, 1)))
    data[2] ^= 1
    return bytes(data)


def tampered_tag(attacker: Attacker) -> bytes:
    data = bytearray(attacker.seal(frame(PING, SYN, 0, 1)))
    data[-1] ^= 0x80
    return bytes(data)


def tampered_length(attacker: Attacker) -> bytes:
    data = bytearray(attacker.seal(bytes(100)) * 2)
    data[1] -= 1
    return bytes(data)


def repeated(attacker: Attacker) -> bytes:
    return attacker.seal(frame(PING, SYN, 0, 1)) * 2


def out_of_order(attacker: Attacker) -> bytes:
    first = attacker.seal(frame(PING, SYN, 0, 1))
    return attacker.seal(frame(PING, SYN, 0, 2)) + first


def plain(attacker: Attacker) -> bytes:
    return frame(PING, SYN, 0, 1) * 4096


def largest(attacker: Attacker) -> bytes:
    return b"\xff\xff" + bytes(65_535)


@pytest.mark.req("GEN-01", "NOISE-09", "NOISE-22")
@pytest.mark.parametrize(
    "forge", [tampered, tampered_tag, tampered_length, repeated, out_of_order, plain, largest], ids=lambda f: f.__name__
)
async def test_transport_frames_that_do_not_authenticate(forge) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream(ECHO)
        connection = victim.connection(attacker)
        await attacker.send(forge(attacker))
        reason = await victim.end_of(connection)
        assert isinstance(reason, NoiseError)
        assert reason.requirement in {"NOISE-09", "NOISE-12"}
        assert not connection.streams


@pytest.mark.req("NOISE-12")
@pytest.mark.parametrize("size", range(16))
async def test_transport_frames_without_room_for_a_tag(size: int) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        await attacker.send(struct.pack(">H", size) + bytes(size))
        reason = await victim.end_of(connection)
        assert isinstance(reason, NoiseError)
        assert reason.requirement == "NOISE-12"


@pytest.mark.req("NOISE-14", "GEN-04")
async def test_a_flood_of_empty_frames_says_nothing() -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        for _ in range(100):
            await attacker.send(b"".join(attacker.seal_empty() for _ in range(100)))
        stream_id = await attacker.open_stream(ECHO, b"alive")
        assert await attacker.read_stream(stream_id, 5) == b"alive"
        assert not victim.connection(attacker).machine.session.unread


@pytest.mark.req("NOISE-02", "GEN-12", "YMX-26")
@pytest.mark.parametrize("leave", [leave_by_fin, leave_by_rst])
@pytest.mark.parametrize("cut", [1, 2, 20, 27, 28, 29, -1], ids=str)
async def test_the_end_in_the_middle_of_a_frame(cut: int, leave) -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        await attacker.open_stream(ECHO)
        connection = victim.connection(attacker)
        await attacker.send(attacker.seal(frame(DATA, 0, 1, body=b"never"))[:cut])
        await leave(attacker)
        assert isinstance(await victim.end_of(connection), ConnectionClosed)
        assert not connection.streams


@pytest.mark.req("NOISE-23", "NOISE-18")
async def test_one_byte_a_noise_frame_and_one_byte_a_segment() -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        for value in frame(DATA, SYN, 1, body=proposal(ECHO) + b"drop by drop"):
            await attacker.send_plain(bytes([value]))
        await attacker.trickle(attacker.seal(frame(DATA, 0, 1, body=b"!")))
        assert await attacker.read_stream(1, len(proposal(ECHO)) + 13) == proposal(ECHO) + b"drop by drop!"
        assert goaway_codes(await attacker.barrier()) == []


@pytest.mark.req("GEN-03", "YMX-18")
async def test_a_frame_whose_end_never_comes() -> None:
    async with arena(settings(yamux={"ping_interval": 0.2, "ping_timeout": 0.3})) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        await attacker.send(b"\xff\xff" + bytes(65_000))
        reason = await victim.end_of(connection)
        assert getattr(reason, "requirement", "") == "YMX-18"
