from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import x25519
from p2pstack.errors import HandshakeError, LocalError, PeerIdMismatch
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise import MAX_FRAME, Handshake, NoiseConfig, NoiseIdentity, Transport, VerifyCache
from p2pstack.noise.symmetric import SymmetricState
from tests.noise import pairs
from tests.noise.pairs import ALICE, BOB, dialer, forge_second, forge_third, listener, muxing, protobuf_field, shake
from tests.vectors import load

SECTIONS = {"with_stream_muxers": ("/yamux/1.0.0",), "without_extensions": ()}
CAROL = PrivateKey.from_seed(b"\x03" * 32).public_key.peer_id


class Recorder(SymmetricState):
    """Notes the state after each token: one call of the handshake is one token or payload."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[dict[str, Any]] = []
        self._note()

    def _note(self) -> None:
        key = self.key.hex() if self.key else None
        self.notes.append({"h": self.hash.hex(), "ck": self.chaining_key.hex(), "k": key, "n": self.nonce})

    def mix_hash(self, data: bytes) -> None:
        super().mix_hash(data)
        self._note()

    def mix_key(self, shared_secret: bytes) -> None:
        super().mix_key(shared_secret)
        self._note()


def recorded_pair(section: str) -> tuple[dict[str, Any], Handshake, Handshake]:
    vectors = load("noise")[section]
    hosts = [
        NoiseIdentity(
            PrivateKey.from_seed(bytes.fromhex(vectors[f"identity_seed_{side}"])),
            SECTIONS[section],
            bytes.fromhex(vectors[f"static_private_{side}"]),
        )
        for side in ("initiator", "responder")
    ]
    ephemerals = [bytes.fromhex(vectors[f"ephemeral_private_{side}"]) for side in ("initiator", "responder")]
    a, b = (
        Handshake(
            initiator=initiator,
            local=host,
            expected_peer=None,
            ephemeral=(ephemeral, x25519.public_key(ephemeral)),
        )
        for initiator, host, ephemeral in zip((True, False), hosts, ephemerals, strict=True)
    )
    return vectors, a, b


@pytest.mark.req("NOISE-01", "NOISE-03", "NOISE-05", "NOISE-06", "NOISE-09", "NOISE-22")
@pytest.mark.parametrize("section", SECTIONS)
def test_the_recorded_handshake_token_by_token(section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.noise.handshake.SymmetricState", Recorder)
    vectors, a, b = recorded_pair(section)
    for number in (1, 2, 3):
        writer, reader = (b, a) if number == 2 else (a, b)
        message = writer.write_message()
        assert message.hex() == vectors[f"message_{number}"]
        reader.read_message(message)
    expected = [{key: note[key] for key in ("h", "ck", "k", "n")} for note in vectors["intermediate"]]
    for side in (a, b):
        assert isinstance(side._symmetric, Recorder)
        # A payload or static key is noted by its mix_hash, when the nonce has been counted already.
        assert side._symmetric.notes == expected
        assert side._symmetric.hash.hex() == vectors["handshake_hash"]
        keys = [key.hex() for key in side._symmetric.split()]
        assert keys == [vectors["key_initiator_to_responder"], vectors["key_responder_to_initiator"]]


@pytest.mark.req("NOISE-22", "NOISE-09", "NOISE-14")
@pytest.mark.parametrize("section", SECTIONS)
def test_the_recorded_frames_follow_the_handshake(section: str) -> None:
    vectors, a, b = recorded_pair(section)
    shake(a, b)
    ends = {"initiator": Transport(*a.split()), "responder": Transport(*b.split())}
    for entry in vectors["transport"]:
        assert ends[entry["from"]].seal(bytes.fromhex(entry["plaintext"])).hex() == entry["frame"]


@pytest.mark.req("NOISE-06", "NOISE-15")
def test_both_sides_learn_who_the_other_is() -> None:
    a, b = dialer(expected=BOB.peer_id), listener(expected=ALICE.peer_id)
    shake(a, b)
    for side, peer in ((a, BOB), (b, ALICE)):
        assert side.complete
        assert side.remote.peer_id == peer.peer_id
        assert side.remote.public_key == peer.key.public_key
        assert side.remote.static_key == peer.static_public
        assert side.remote.muxers == ("/yamux/1.0.0",)
        assert side.muxer == "/yamux/1.0.0"


@pytest.mark.req("NOISE-06")
@pytest.mark.parametrize("key_type", KeyType)
def test_identities_of_every_type(key_type: KeyType) -> None:
    host = NoiseIdentity(PrivateKey.generate(key_type), ["/yamux/1.0.0"])
    a, b = dialer(local=host), listener(local=host)
    shake(a, b)
    assert a.remote.peer_id == b.remote.peer_id == host.peer_id


@pytest.mark.req("NOISE-07")
@pytest.mark.parametrize("wrong_side", ["dialer", "listener"])
def test_another_peer_than_the_expected_one_is_refused(wrong_side: str) -> None:
    a = dialer(expected=CAROL if wrong_side == "dialer" else None)
    b = listener(expected=CAROL if wrong_side == "listener" else None)
    with pytest.raises(PeerIdMismatch) as caught:
        shake(a, b)
    assert caught.value.expected == CAROL
    assert caught.value.actual == (BOB if wrong_side == "dialer" else ALICE).peer_id
    refusing = a if wrong_side == "dialer" else b
    assert not refusing.complete
    with pytest.raises(LocalError):
        refusing.split()


@pytest.mark.req("NOISE-07", "NOISE-06")
def test_a_claimed_identity_needs_the_signature_before_it_is_compared() -> None:
    a = dialer(expected=CAROL)
    stolen = protobuf_field(1, PrivateKey.from_seed(b"\x03" * 32).public_key.to_protobuf()) + protobuf_field(
        2, BOB.key.sign(b"noise-libp2p-static-key:" + BOB.static_public)
    )
    with pytest.raises(HandshakeError) as caught:
        a.read_message(forge_second(a.write_message(), stolen))
    assert caught.value.requirement == "NOISE-06"


@pytest.mark.req("NOISE-06")
def test_a_payload_that_was_signed_for_another_static_key_is_refused() -> None:
    """A man in the middle has BOB's payload, but not his static key."""
    a, static = dialer(), x25519.public_key(b"\x55" * 32)
    first = a.write_message()
    with pytest.raises(HandshakeError) as caught:
        a.read_message(_second_with_static(first, b"\x55" * 32, static))
    assert caught.value.requirement == "NOISE-06"


def _second_with_static(first: bytes, private: bytes, public: bytes) -> bytes:
    mallory = NoiseIdentity(BOB.key, (), private)
    mallory.payload = BOB.payload
    b = listener(local=mallory)
    b.read_message(first)
    assert mallory.static_public == public
    return b.write_message()


@pytest.mark.req("NOISE-12")
@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_first_message_that_is_too_short(size: int) -> None:
    b = listener()
    with pytest.raises(HandshakeError) as caught:
        b.read_message(bytes(size))
    assert caught.value.requirement == "NOISE-12"
    _assert_dead(b)


@pytest.mark.req("NOISE-12")
@pytest.mark.parametrize("size", [0, 32, 95])
def test_a_second_message_that_is_too_short(size: int) -> None:
    a = dialer()
    a.write_message()
    with pytest.raises(HandshakeError) as caught:
        a.read_message(bytes(size))
    assert caught.value.requirement == "NOISE-12"
    _assert_dead(a)


@pytest.mark.req("NOISE-12")
@pytest.mark.parametrize("size", [0, 48, 63])
def test_a_third_message_that_is_too_short(size: int) -> None:
    a, b = dialer(), listener()
    b.read_message(a.write_message())
    b.write_message()
    with pytest.raises(HandshakeError) as caught:
        b.read_message(bytes(size))
    assert caught.value.requirement == "NOISE-12"
    _assert_dead(b)


@pytest.mark.req("NOISE-12", "NOISE-06")
def test_messages_of_the_least_size_have_an_empty_payload_and_fail_for_that() -> None:
    a = dialer()
    second = forge_second(a.write_message(), b"")
    assert len(second) == 96
    with pytest.raises(HandshakeError) as caught:
        a.read_message(second)
    assert caught.value.requirement == "NOISE-06"
    a, b = dialer(), listener()
    b.read_message(a.write_message())
    third = forge_third(b.write_message(), b"")
    assert len(third) == 64
    with pytest.raises(HandshakeError) as caught:
        b.read_message(third)
    assert caught.value.requirement == "NOISE-06"


@pytest.mark.req("NOISE-03", "NOISE-04")
def test_the_first_message_is_the_ephemeral_key_and_nothing_else() -> None:
    a, b = dialer(), listener()
    first = a.write_message()
    assert first == pairs.ALICE_EPHEMERAL[1]
    with pytest.raises(HandshakeError) as caught:
        b.read_message(first + b"x")
    assert caught.value.requirement == "NOISE-04"
    _assert_dead(b)


LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
"""The encodings of the points of order 1, 2, 4 and 8."""


@pytest.mark.req("NOISE-11")
@pytest.mark.parametrize("high_bit", [False, True])
@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order_are_refused_everywhere(point: str, high_bit: bool) -> None:
    key = bytearray.fromhex(point)
    key[31] |= high_bit << 7
    low = bytes(key)

    b = listener()
    b.read_message(low)
    a = dialer()
    first = a.write_message()
    ephemeral = forge_second(first, BOB.payload)
    static = forge_second(first, BOB.payload, low)
    c, d = dialer(), listener()
    d.read_message(c.write_message())
    third = forge_third(d.write_message(), ALICE.payload, low)
    attempts = [
        (b, b.write_message),  # its first Diffie-Hellman result is in the answer
        (a, lambda: a.read_message(low + ephemeral[32:])),
        (d, lambda: d.read_message(third)),
    ]
    for side, attempt in attempts:
        with pytest.raises(HandshakeError) as caught:
            attempt()
        assert caught.value.requirement == "NOISE-11"
        _assert_dead(side)
    a = dialer()
    a.write_message()
    with pytest.raises(HandshakeError) as caught:
        a.read_message(static)
    assert caught.value.requirement == "NOISE-11"


@pytest.mark.req("NOISE-09", "NOISE-15")
@given(st.integers(1, 3), st.integers(0), st.integers(0, 7))
def test_one_changed_bit_anywhere_ends_the_handshake(number: int, place: int, bit: int) -> None:
    a, b = dialer(), listener()
    with pytest.raises(HandshakeError) as caught:
        for current in (1, 2, 3):
            writer, reader = (b, a) if current == 2 else (a, b)
            message = bytearray(writer.write_message())
            if current == number:
                message[place % len(message)] ^= 1 << bit
            reader.read_message(bytes(message))
    assert caught.value.requirement == "NOISE-09"
    assert not b.complete


@pytest.mark.req("NOISE-09", "NOISE-12")
@given(st.integers(2, 3), st.integers(-230, 30).filter(bool))
def test_a_message_of_another_length_ends_the_handshake(number: int, change: int) -> None:
    a, b = dialer(), listener()
    with pytest.raises(HandshakeError):
        for current in (1, 2, 3):
            writer, reader = (b, a) if current == 2 else (a, b)
            message = writer.write_message()
            if current == number:
                message = message + bytes(change) if change > 0 else message[:change]
            reader.read_message(message)
    assert not b.complete


@pytest.mark.req("NOISE-05", "NOISE-06", "GEN-01")
@given(
    st.one_of(
        st.binary(max_size=120),
        st.lists(st.tuples(st.integers(1, 6), st.binary(max_size=50)), max_size=4).map(
            lambda fields: b"".join(protobuf_field(*each) for each in fields)
        ),
    )
)
def test_a_well_encrypted_payload_of_garbage_is_refused(payload: bytes) -> None:
    a, b = dialer(), listener()
    first = a.write_message()
    b.read_message(first)
    third = forge_third(b.write_message(), payload)
    for side, message in ((a, forge_second(first, payload)), (b, third)):
        with pytest.raises(HandshakeError) as caught:
            side.read_message(message)
        assert caught.value.requirement != ""
        _assert_dead(side)


@pytest.mark.req("NOISE-17", "NOISE-05", "NOISE-16")
def test_a_payload_up_to_the_limit_of_a_frame_is_accepted() -> None:
    a, b = dialer(), listener()
    first = a.write_message()
    room = MAX_FRAME - 96 - len(BOB.payload)
    second = forge_second(first, BOB.payload + protobuf_field(3, bytes(room - 4)))
    assert len(second) == MAX_FRAME
    a.read_message(second)
    b.read_message(first)
    room = MAX_FRAME - 64 - len(ALICE.payload)
    b.read_message(forge_third(b.write_message(), ALICE.payload + protobuf_field(2000, bytes(room - 6)) + b"\x28\x01"))
    assert b.remote.peer_id == ALICE.peer_id


MUXER_CASES = [
    # initiator's list, responder's list, result
    (["/yamux/1.0.0"], ["/yamux/1.0.0"], "/yamux/1.0.0"),
    (["/a", "/b", "/c"], ["/c", "/b"], "/b"),
    (["/c"], ["/a", "/b", "/c"], "/c"),
    (["/a", "/a"], ["/b", "/a"], "/a"),
    ([], ["/yamux/1.0.0"], None),
    (["/yamux/1.0.0"], [], None),
    ([], [], None),
]


@pytest.mark.req("NOISE-20")
@pytest.mark.parametrize(("initiators", "responders", "result"), MUXER_CASES)
def test_the_muxer_is_the_first_of_the_initiators_that_both_have(
    initiators: list[str], responders: list[str], result: str | None
) -> None:
    a, b = dialer(), listener()
    a, b = dialer(local=muxing(a, initiators)), listener(local=muxing(b, responders))
    shake(a, b)
    assert a.muxer == b.muxer == result
    assert b.remote.muxers == (tuple(initiators) or None)
    assert a.remote.muxers == (tuple(responders) or None)


@pytest.mark.req("NOISE-20")
def test_two_lists_without_a_common_muxer_fail_on_either_side() -> None:
    a, b = dialer(), listener()
    a, b = dialer(local=muxing(a, ["/a"])), listener(local=muxing(b, ["/b", "/c"]))
    b.read_message(a.write_message())
    second = b.write_message()
    with pytest.raises(HandshakeError) as caught:
        a.read_message(second)
    assert caught.value.requirement == "NOISE-20"
    with pytest.raises(HandshakeError) as caught:
        b.read_message(forge_third(second, ALICE.payload))  # of a peer that lists yamux nevertheless
    assert caught.value.requirement == "NOISE-20"
    _assert_dead(b)


@pytest.mark.req("NOISE-17", "NOISE-20")
@pytest.mark.parametrize("count", [100, 101])
def test_a_list_of_more_than_100_muxers_counts_as_none(count: int) -> None:
    names = [b"/m/%d" % n for n in range(count - 1)] + [b"/yamux/1.0.0"]
    extension = protobuf_field(4, b"".join(protobuf_field(2, name) for name in names))
    bare = NoiseIdentity(BOB.key, (), b"\x22" * 32).payload
    a = dialer()
    a.read_message(forge_second(a.write_message(), bare + extension))
    a.write_message()
    assert a.muxer == ("/yamux/1.0.0" if count == 100 else None)
    limited = Handshake(
        initiator=True,
        local=ALICE,
        expected_peer=None,
        ephemeral=pairs.ALICE_EPHEMERAL,
        config=NoiseConfig(max_muxers=count - 1),
    )
    limited.read_message(forge_second(limited.write_message(), bare + extension))
    limited.write_message()
    assert limited.muxer is None


def test_a_peer_that_returns_is_verified_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = VerifyCache()
    shake(dialer(verified=cache), listener(verified=cache))
    assert len(cache) == 2
    monkeypatch.setattr("p2pstack.noise.payload.PublicKey", None)  # what would parse and verify a key
    a, b = dialer(verified=cache), listener(verified=cache)
    shake(a, b)
    assert (a.remote.peer_id, b.remote.peer_id) == (BOB.peer_id, ALICE.peer_id)


@pytest.mark.req("NOISE-07")
def test_a_remembered_peer_is_still_compared_with_the_expected_one() -> None:
    cache = VerifyCache()
    shake(dialer(verified=cache), listener(verified=cache))
    with pytest.raises(PeerIdMismatch):
        shake(dialer(verified=cache, expected=CAROL), listener())


CALLS = ("write", "read", "check", "remote", "muxer", "split")


def call(side: Handshake, name: str, message: bytes) -> None:
    actions: dict[str, Callable[[], object]] = {
        "write": side.write_message,
        "read": lambda: side.read_message(message),
        "check": lambda: side.check_size(len(message)),
        "remote": lambda: side.remote,
        "muxer": lambda: side.muxer,
        "split": side.split,
    }
    actions[name]()


@pytest.mark.req("NOISE-03", "NOISE-15")
@pytest.mark.parametrize("initiator", [True, False])
@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("name", CALLS)
def test_every_call_in_every_state(initiator: bool, step: int, name: str) -> None:
    """``step`` messages have gone by; 4 stands for a handshake that has failed."""
    a, b = dialer(), listener()
    messages = []
    for number in range(min(step, 3)):
        writer, reader = (b, a) if number == 1 else (a, b)
        messages.append(writer.write_message())
        reader.read_message(messages[-1])
    side = a if initiator else b
    if step == 4:
        a, b = dialer(), listener()
        b.read_message(a.write_message())
        b.write_message()
        side = a if initiator else b
        with pytest.raises(HandshakeError):
            side.read_message(bytes(200))
    writes = step < 3 and (step != 1) == initiator
    reads = step < 3 and not writes
    allowed = {"write": writes, "read": reads, "check": reads}.get(name, step == 3)
    # The peer's next message, so that a call that is allowed succeeds.
    message = b""
    if reads:
        message = (b if initiator else a).write_message()
    if allowed:
        call(side, name, message)
    else:
        with pytest.raises(LocalError):
            call(side, name, message)


@pytest.mark.req("NOISE-09")
def test_cipher_states_are_handed_out_once() -> None:
    a, b = dialer(), listener()
    shake(a, b)
    a.split()
    with pytest.raises(LocalError):
        a.split()
    assert a.remote.peer_id == BOB.peer_id


def test_the_initiator_is_complete_with_its_own_last_message() -> None:
    a, b = dialer(), listener()
    b.read_message(a.write_message())
    a.read_message(b.write_message())
    assert not a.complete
    third = a.write_message()
    assert a.complete
    assert not b.complete
    b.read_message(third)
    assert b.complete


def test_the_expected_peer_can_be_seen() -> None:
    expected = PeerId.from_string(str(CAROL))
    assert dialer(expected=expected).expected_peer == CAROL
    assert dialer().initiator
    assert not listener().initiator


def _assert_dead(side: Handshake) -> None:
    """After a failure nothing goes on and nothing is told (NOISE-15)."""
    assert not side.complete
    for name in CALLS:
        with pytest.raises(LocalError):
            call(side, name, bytes(100))
