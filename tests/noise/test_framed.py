from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import HandshakeError, LocalError, NoiseError, PeerIdMismatch
from p2pstack.identity.keys import PrivateKey
from p2pstack.noise import FramedHandshake, NoiseIdentity
from tests.noise.pairs import ALICE, BOB, Stream, dialer, listener
from tests.vectors import load

BYTEWISE = [1] * 700
cuts = st.lists(st.integers(1, 120), max_size=40)


def ends(expected: bool = True) -> tuple[Stream, Stream]:
    a = FramedHandshake(dialer(expected=BOB.peer_id if expected else ALICE.peer_id))
    return Stream(a), Stream(FramedHandshake(listener()))


@pytest.mark.req("NOISE-02", "NOISE-18")
@pytest.mark.parametrize("section", ["with_stream_muxers", "without_extensions"])
def test_the_recorded_frames_of_the_handshake(section: str) -> None:
    vectors = load("noise")[section]
    muxers = ("/yamux/1.0.0",) if section == "with_stream_muxers" else ()
    a, b = (
        Stream(FramedHandshake(make(local=NoiseIdentity(host.key, muxers, static))))
        for make, host, static in ((dialer, ALICE, b"\x11" * 32), (listener, BOB, b"\x22" * 32))
    )
    first = a.sent()
    assert first.hex() == vectors["frame_1"]
    b.feed(first, BYTEWISE)
    second = b.sent()
    assert second.hex() == vectors["frame_2"]
    a.feed(second, BYTEWISE)
    third = a.sent()
    assert third.hex() == vectors["frame_3"]
    b.feed(third, BYTEWISE)
    assert a.handshake.complete
    assert b.handshake.complete
    assert b.handshake.data_to_send() == []


@pytest.mark.req("NOISE-18", "NOISE-23")
@given(cuts, cuts, st.binary(max_size=200))
def test_any_cut_works_and_frames_may_follow_message_3_in_its_segment(
    sizes: list[int], more: list[int], data: bytes
) -> None:
    a, b = ends()
    b.feed(a.sent(), sizes)
    a.feed(b.sent(), more)
    assert a.transport is not None
    b.feed(a.sent() + a.transport.seal(data) + a.transport.seal(b"end"), sizes)
    assert b"".join(b.delivered) == data + b"end"
    assert b.kept == b""
    assert b.transport is not None
    a.feed(b.transport.seal(b"back"), more)
    assert a.delivered == [b"back"]


@pytest.mark.req("NOISE-18")
def test_what_is_not_taken_stays_with_the_caller() -> None:
    a, b = ends()
    b.feed(a.sent())
    a.feed(b.sent())
    third = a.sent()
    b.feed(third[:10])
    assert b.kept == third[:10]
    framed = b.handshake
    view = memoryview(third + b"\x00\x15half")
    assert framed.receive_frames(view, 0, len(view)) == len(third)
    assert framed.complete
    assert framed.receive_frames(view, len(third), len(view)) == len(third)


@pytest.mark.req("NOISE-12", "NOISE-04", "GEN-02")
@pytest.mark.parametrize(
    ("length", "requirement"),
    [(0, "NOISE-12"), (31, "NOISE-12"), (33, "NOISE-04"), (65_535, "NOISE-04"), (0x4745, "NOISE-04")],
)
def test_a_wrong_length_of_message_1_is_refused_without_waiting_for_it(length: int, requirement: str) -> None:
    b = Stream(FramedHandshake(listener()))
    with pytest.raises(HandshakeError) as caught:
        b.feed(length.to_bytes(2, "big"), [1])
    assert caught.value.requirement == requirement
    assert b.handshake.data_to_send() == []
    with pytest.raises(LocalError):
        b.feed(b"\x00\x20" + bytes(32))


@pytest.mark.req("NOISE-12", "GEN-02")
@pytest.mark.parametrize("length", [0, 32, 95])
def test_a_wrong_length_of_message_2_is_refused_without_waiting_for_it(length: int) -> None:
    a, _ = ends()
    with pytest.raises(HandshakeError) as caught:
        a.feed(length.to_bytes(2, "big"))
    assert caught.value.requirement == "NOISE-12"


@pytest.mark.req("NOISE-12", "GEN-02")
@pytest.mark.parametrize("length", [0, 32, 63])
def test_a_wrong_length_of_message_3_is_refused_without_waiting_for_it(length: int) -> None:
    a, b = ends()
    b.feed(a.sent())
    with pytest.raises(HandshakeError) as caught:
        b.feed(length.to_bytes(2, "big"))
    assert caught.value.requirement == "NOISE-12"


@pytest.mark.req("NOISE-02")
@pytest.mark.parametrize("received", [0, 1, 20])
def test_the_end_during_the_handshake_is_an_error(received: int) -> None:
    a, b = ends()
    b.feed(a.sent()[:received])
    for side in (a, b):
        with pytest.raises(HandshakeError) as caught:
            side.handshake.receive_eof()
        assert caught.value.requirement == "NOISE-02"


def test_the_end_after_the_handshake_is_not_its_matter() -> None:
    a, b = ends()
    b.feed(a.sent())
    a.feed(b.sent())
    b.feed(a.sent())
    a.handshake.receive_eof()
    b.handshake.receive_eof()
    assert a.handshake.complete
    assert b.handshake.complete


@pytest.mark.req("NOISE-07", "NOISE-19")
def test_a_refusal_leaves_nothing_to_be_sent() -> None:
    a, b = ends(expected=False)
    b.feed(a.sent())
    with pytest.raises(PeerIdMismatch):
        a.feed(b.sent())
    assert a.handshake.data_to_send() == []
    with pytest.raises(LocalError):
        a.handshake.transport()


@pytest.mark.req("NOISE-11", "NOISE-19")
def test_a_low_order_ephemeral_key_is_refused_when_it_is_read() -> None:
    b = Stream(FramedHandshake(listener()))
    with pytest.raises(HandshakeError) as caught:
        b.feed(b"\x00\x20" + bytes(32))
    assert caught.value.requirement == "NOISE-11"
    assert b.handshake.data_to_send() == []


@pytest.mark.req("SIMOPEN-02")
def test_two_initiators_do_not_get_anywhere() -> None:
    a = Stream(FramedHandshake(dialer()))
    b = Stream(FramedHandshake(dialer(local=BOB)))
    first, second = a.sent(), b.sent()
    for side, data in ((a, second), (b, first)):
        with pytest.raises(HandshakeError) as caught:
            side.feed(data)
        assert caught.value.requirement == "NOISE-12"


@pytest.mark.req("SIMOPEN-02")
def test_two_responders_stay_silent_until_a_deadline_ends_them() -> None:
    sides = [FramedHandshake(listener(local=host)) for host in (ALICE, BOB)]
    assert [side.data_to_send() for side in sides] == [[], []]
    assert not any(side.complete for side in sides)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


garbage = st.one_of(
    st.binary(max_size=300),
    st.lists(st.binary(max_size=200).map(framed), max_size=3).map(b"".join),
    st.binary(min_size=32, max_size=32).map(framed),
)


@pytest.mark.req("GEN-01", "NOISE-09", "NOISE-12")
@given(st.integers(0, 3), garbage, cuts)
def test_garbage_gives_a_handshake_or_noise_error_or_nothing(step: int, data: bytes, sizes: list[int]) -> None:
    """It comes as message 1, 2 or 3, or as the first transport frames."""
    a, b = ends()
    for number in range(step):
        writer, reader = ((a, b), (b, a), (a, b))[number]
        reader.feed(writer.sent())
    side = (b, a, b, a)[step]
    errors = []
    try:
        side.feed(data, sizes)
    except (HandshakeError, NoiseError) as error:
        errors.append(error.requirement)
    assert side.delivered == []
    assert b.handshake.complete == (step == 3)
    whole = len(data) >= 2 and len(data) >= 2 + (data[0] << 8 | data[1])
    if whole and step > 0:  # only as message 1, the ephemeral key, can random bytes be right
        assert len(errors) == 1
    assert all(requirement.startswith("NOISE-") for requirement in errors)


@pytest.mark.req("NOISE-17")
def test_an_identity_with_a_large_rsa_key() -> None:
    pairs = [bytes.fromhex(pair["private_protobuf"]) for pair in load("keys")["spec_pairs"]]
    key = next(PrivateKey.from_protobuf(private) for private in pairs if private[:2] == b"\x08\x00")
    host = NoiseIdentity(key, ("/yamux/1.0.0",))
    assert len(host.payload) > 500
    a, b = Stream(FramedHandshake(dialer(local=host))), Stream(FramedHandshake(listener(local=host)))
    b.feed(a.sent(), BYTEWISE)
    a.feed(b.sent(), BYTEWISE)
    b.feed(a.sent(), BYTEWISE)
    assert b.handshake.handshake.remote.public_key == key.public_key
    assert str(b.handshake.handshake.remote.peer_id).startswith("Qm")
