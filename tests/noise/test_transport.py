from __future__ import annotations

import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError, NoiseError
from p2pstack.noise import MAX_FRAME, MAX_PLAINTEXT, CipherState, Transport
from p2pstack.noise.transport import pack_length
from tests.noise.pairs import transports
from tests.vectors import load

SECTIONS = ["with_stream_muxers", "without_extensions"]
SEND, RECEIVE = b"s" * 32, b"r" * 32
LAST = 2**64 - 1


def pair(counter: int = 0) -> tuple[Transport, Transport]:
    def state(key: bytes) -> CipherState:
        return CipherState(key, counter)

    return Transport(state(SEND), state(RECEIVE)), Transport(state(RECEIVE), state(SEND))


def frame(counter: int, plaintext: bytes, key: bytes = SEND) -> bytes:
    """A frame from scratch: what the specification says, without the code that is tested."""
    nonce = bytes(4) + struct.pack("<Q", counter)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, plaintext, b"")
    return struct.pack(">H", len(sealed)) + sealed


def open_all(transport: Transport, data: bytes) -> tuple[list[bytes], int]:
    delivered: list[bytes] = []
    return delivered, transport.open_frames(memoryview(data), 0, len(data), delivered.append)


@pytest.mark.req("NOISE-22", "NOISE-09", "NOISE-02", "NOISE-14")
@pytest.mark.parametrize("section", SECTIONS)
def test_recorded_frames(section: str) -> None:
    vectors = load("noise")[section]
    to_responder, to_initiator = (
        bytes.fromhex(vectors[f"key_{way}"]) for way in ("initiator_to_responder", "responder_to_initiator")
    )
    ends = {
        "initiator": Transport(CipherState(to_responder), CipherState(to_initiator)),
        "responder": Transport(CipherState(to_initiator), CipherState(to_responder)),
    }
    other = {"initiator": "responder", "responder": "initiator"}
    for entry in vectors["transport"]:
        sealed, plaintext = bytes.fromhex(entry["frame"]), bytes.fromhex(entry["plaintext"])
        assert ends[entry["from"]].seal(plaintext) == sealed
        assert open_all(ends[other[entry["from"]]], sealed) == ([plaintext] if plaintext else [], len(sealed))


@pytest.mark.req("NOISE-09", "NOISE-13", "NOISE-23")
@given(st.lists(st.binary(max_size=300), max_size=12), st.lists(st.integers(0, 200), max_size=20))
def test_any_writes_in_any_cut_are_one_byte_stream(writes: list[bytes], sizes: list[int]) -> None:
    sender, receiver = pair()
    wire = b"".join(map(sender.seal, writes))
    assert wire == b"".join(frame(counter, plaintext) for counter, plaintext in enumerate(writes))
    delivered: list[bytes] = []
    kept = b""
    for size in [*sizes, len(wire)]:
        kept, wire = kept + wire[:size], wire[size:]
        view = memoryview(b"<<" + kept + b">>>>")
        start = receiver.open_frames(view, 2, len(kept) + 2, delivered.append)
        kept = bytes(view[start : len(kept) + 2])
    assert kept == b""
    assert delivered == [plaintext for plaintext in writes if plaintext]


@pytest.mark.req("NOISE-14")
def test_an_empty_frame_carries_nothing_and_ends_nothing() -> None:
    sender, receiver = pair()
    wire = sender.seal(b"") + sender.seal(b"a") + sender.seal(b"")
    assert sender.seal(b"")[:2] == b"\x00\x10"
    assert open_all(receiver, wire) == ([b"a"], len(wire))


@pytest.mark.req("NOISE-13", "NOISE-02")
def test_the_largest_frames() -> None:
    assert (MAX_FRAME, MAX_PLAINTEXT) == (65_535, 65_519)
    sender, receiver = pair()
    largest = bytes(MAX_PLAINTEXT)
    sealed = sender.seal(largest)
    assert sealed[:2] == b"\xff\xff"
    assert open_all(receiver, sealed + b"\xff") == ([largest], len(sealed))
    with pytest.raises(LocalError, match="not 65520"):
        sender.seal(largest + b"x")
    assert open_all(receiver, sender.seal(b"next")) == ([b"next"], 22)


@pytest.mark.req("NOISE-13")
@pytest.mark.parametrize(
    ("size", "frames"),
    [(0, []), (1, [1]), (65_519, [65_519]), (65_520, [65_519, 1]), (150_000, [65_519, 65_519, 18_962])],
)
def test_larger_writes_are_split(size: int, frames: list[int]) -> None:
    sender, receiver = pair()
    data = bytes(range(256)) * (size // 256 + 1)
    sealed = sender.seal_all(memoryview(data)[:size])
    assert [len(each) - 18 for each in sealed] == frames
    delivered, _ = open_all(receiver, b"".join(sealed))
    assert b"".join(delivered) == data[:size]


def test_any_buffer_can_be_sealed() -> None:
    sender, receiver = pair()
    wire = sender.seal(b"bytes") + sender.seal(bytearray(b"array")) + sender.seal(memoryview(b"..view")[2:])
    assert open_all(receiver, wire)[0] == [b"bytes", b"array", b"view"]


@pytest.mark.req("NOISE-12")
@pytest.mark.parametrize("size", [0, 1, 15])
def test_a_frame_without_room_for_its_tag_is_refused(size: int) -> None:
    sender, receiver = pair()
    delivered: list[bytes] = []
    wire = memoryview(sender.seal(b"before") + pack_length(size) + bytes(size) + sender.seal(b"behind"))
    with pytest.raises(NoiseError) as caught:
        receiver.open_frames(wire, 0, len(wire), delivered.append)
    assert caught.value.requirement == "NOISE-12"
    assert delivered == [b"before"]


@pytest.mark.req("NOISE-09", "NOISE-15", "NOISE-10")
@given(st.binary(min_size=0, max_size=40), st.integers(0), st.integers(1, 255))
def test_a_changed_frame_ends_it_and_nothing_of_it_is_delivered(plaintext: bytes, place: int, flip: int) -> None:
    sender, receiver = pair()
    first, second, third = sender.seal(b"first"), sender.seal(plaintext), sender.seal(b"third")
    changed = bytearray(second)
    changed[2 + place % (len(second) - 2)] ^= flip
    delivered: list[bytes] = []
    wire = memoryview(first + bytes(changed) + third)
    with pytest.raises(NoiseError) as caught:
        receiver.open_frames(wire, 0, len(wire), delivered.append)
    assert caught.value.requirement == "NOISE-09"
    assert delivered == [b"first"]
    # The failed frame did not use up a nonce: the true one still fits.
    assert open_all(receiver, second + third)[0] == [*([plaintext] if plaintext else []), b"third"]


@pytest.mark.req("NOISE-09")
@pytest.mark.parametrize("wrong", ["replayed", "reordered", "reflected", "other key"])
def test_a_frame_out_of_its_place_does_not_authenticate(wrong: str) -> None:
    sender, receiver = pair()
    first, second = sender.seal(b"1"), sender.seal(b"2")
    data = {
        "replayed": first + first,
        "reordered": second + first,
        "reflected": receiver.seal(b"1"),
        "other key": frame(0, b"1", b"x" * 32),
    }[wrong]
    with pytest.raises(NoiseError):
        open_all(receiver, data)


@pytest.mark.req("NOISE-02")
@given(st.integers(0, 120))
def test_an_incomplete_frame_is_left_alone(size: int) -> None:
    sender, receiver = pair()
    wire = sender.seal(b"a" * 30) + sender.seal(b"b" * 40)
    delivered, start = open_all(receiver, wire[:size])
    whole = (size >= 48) + (size >= 106)
    assert start == (0, 48, 106)[whole]
    assert delivered == [b"a" * 30, b"b" * 40][:whole]


@pytest.mark.req("NOISE-10")
def test_the_last_counter_is_never_sent() -> None:
    sender, receiver = pair(LAST - 2)
    wire = sender.seal(b"a") + sender.seal(b"b")
    for _ in range(2):
        with pytest.raises(NoiseError) as caught:
            sender.seal(b"c")
        assert caught.value.requirement == "NOISE-10"
    assert wire == frame(LAST - 2, b"a") + frame(LAST - 1, b"b")
    with pytest.raises(NoiseError):
        sender.seal_all(b"c")
    assert open_all(receiver, wire)[0] == [b"a", b"b"]


@pytest.mark.req("NOISE-10")
def test_the_last_counter_is_never_received() -> None:
    _, receiver = pair(LAST - 1)
    delivered: list[bytes] = []
    wire = memoryview(frame(LAST - 1, b"a") + frame(LAST, b"b"))
    for start in (0, 19):
        with pytest.raises(NoiseError) as caught:
            receiver.open_frames(wire, start, len(wire), delivered.append)
        assert caught.value.requirement == "NOISE-10"
    assert delivered == [b"a"]


def test_an_error_of_the_callers_function_passes_through_and_its_frame_counts() -> None:
    sender, receiver = pair()
    wire = sender.seal(b"a") + sender.seal(b"b")

    def deliver(plaintext: bytes) -> None:
        raise KeyError(plaintext)

    with pytest.raises(KeyError):
        receiver.open_frames(memoryview(wire), 0, len(wire), deliver)
    assert open_all(receiver, wire[19:])[0] == [b"b"]


@pytest.mark.req("NOISE-12", "GEN-01")
@given(st.binary(max_size=200))
def test_garbage_gives_a_noise_error_or_nothing(data: bytes) -> None:
    _, receiver = pair()
    delivered: list[bytes] = []
    whole = len(data) >= 2 and len(data) >= 2 + (data[0] << 8 | data[1])
    if whole:
        with pytest.raises(NoiseError):
            receiver.open_frames(memoryview(data), 0, len(data), delivered.append)
    else:
        assert receiver.open_frames(memoryview(data), 0, len(data), delivered.append) == 0
    assert delivered == []


@pytest.mark.req("NOISE-22", "NOISE-09")
def test_each_direction_has_a_key_and_a_counter_of_its_own() -> None:
    a, b = transports()
    for text in (b"one", b"two", b"three"):
        there, back = a.seal(text), b.seal(text)
        assert there != back
        assert open_all(b, there)[0] == [text]
        assert open_all(a, back)[0] == [text]
