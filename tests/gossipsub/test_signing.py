"""Signatures of go hold and are made again; what a policy forbids is named; one is verified over what is forwarded."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError
from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.encoding import encode_field, encode_message
from p2pstack.gossipsub.signing import (
    PREFIX,
    SigningPolicy,
    build,
    check_fields,
    sign,
    signature_job,
    verify_jobs,
)
from p2pstack.gossipsub.values import Message
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.wire.framing import encode_frame
from tests.vectors import load

VECTORS = load("pubsub")
KEY = PrivateKey.from_seed(b"\x05" * 32)
OTHER = PrivateKey.from_seed(b"\x06" * 32)
SOURCE = KEY.peer_id.to_bytes()
KEYS = {key_type: PrivateKey.generate(key_type) for key_type in KeyType}
SEQNO = bytes(range(8))
every_key = pytest.mark.parametrize("key_type", KeyType)
every_message = pytest.mark.parametrize("case", VECTORS["signed_messages"], ids=lambda case: case["note"][:9])

STRICT_SIGN, STRICT_NO_SIGN, PERMISSIVE = SigningPolicy


def received(encoded: bytes) -> Message:
    """The message as it comes out of an RPC."""
    (message,) = decode_rpc(b"\x12" + encode_frame(encoded), GossipsubConfig()).publish
    return message


def verdict(message: Message) -> bool | str:
    job = signature_job(message)
    if isinstance(job, str):
        return job
    (right,) = verify_jobs([job])
    return right


def changed(message: Message, **fields: Any) -> Message:
    """Another message with these fields."""
    names = ("data", "topic", "source", "seqno", "signature", "key")
    return Message(**{name: getattr(message, name) for name in names} | fields)


# -- what go signs


@pytest.mark.req("GS10-07", "GS10-08", "GS10-09")
@every_message
def test_signatures_of_go(case: dict[str, Any]) -> None:
    message = received(bytes.fromhex(case["message"]))
    job = signature_job(message)
    assert not isinstance(job, str)
    key, signed, signature = job
    assert str(key.peer_id) == case["from_text"]
    assert signed.hex() == case["signed_bytes"]
    assert signature.hex() == case["signature"]
    assert verify_jobs([job]) == [True]
    assert check_fields(message, STRICT_SIGN) is None
    assert check_fields(message, PERMISSIVE) is None
    assert check_fields(message, STRICT_NO_SIGN) == reasons.UNEXPECTED_SIGNATURE


@pytest.mark.req("GS10-08")
def test_we_sign_the_same_bytes() -> None:
    case = VECTORS["signed_messages"][0]
    keys = [PrivateKey.from_seed(bytes((n,)) * 32) for n in (1, 2, 3)]
    (key,) = [key for key in keys if str(key.peer_id) == case["from_text"]]
    seqno = int(case["seqno"], 16)
    message = build(case["topic"], bytes.fromhex(case["data"]), key=key, seqno=seqno)
    assert message.encoded.hex() == case["message"]


UNKNOWN = bytes.fromhex("fa0603616263")  # field 111, as in the vectors


@pytest.mark.req("GS10-08")
@pytest.mark.parametrize(
    ("name", "order", "signed", "right"),
    [
        ("signed_and_sent_after_the_known_fields", "known-unknown", "known-unknown", True),
        ("sent_but_not_signed", "known-unknown", "known", False),
        ("signed_and_sent_before_the_known_fields", "unknown-known", "unknown-known", False),
        ("", "unknown-known", "known-unknown", True),  # what is re-encoded is verified
    ],
)
def test_unknown_fields_are_signed_as_in_go(name: str, order: str, signed: str, right: bool) -> None:
    if name:
        assert VECTORS["unknown_fields"][name].startswith("accepted" if right else "refused")
    pieces = {"known": encode_message(SOURCE, b"data", SEQNO, "a"), "unknown": UNKNOWN}
    signature = KEY.sign(PREFIX + b"".join(pieces[piece] for piece in signed.split("-")))
    message = received(b"".join(pieces[piece] for piece in order.split("-")) + encode_field(b"\x2a", signature))
    assert message.encoded.endswith(UNKNOWN)
    assert verdict(message) is right


@pytest.mark.req("GS10-08", "GS10-29")
def test_presence_of_data_is_signed() -> None:
    """An absent field is not an empty one: for each, its own signature holds."""
    without = encode_field(b"\x0a", SOURCE) + encode_field(b"\x1a", SEQNO) + encode_field(b"\x22", b"a")
    with_empty = encode_message(SOURCE, b"", SEQNO, "a")
    for sent, signed in product((without, with_empty), repeat=2):
        message = received(sent + encode_field(b"\x2a", KEY.sign(PREFIX + signed)))
        assert message.data == b""
        assert verdict(message) is (sent == signed)


@pytest.mark.req("GS10-08")
def test_what_is_verified_is_the_re_encoding() -> None:
    """Fields out of order and lengths that are too long do not matter: the next hop gets what was verified."""
    message = sign(SOURCE, b"data", SEQNO, "a", KEY)
    assert message.signature is not None
    pieces = [
        encode_field(b"\x2a", message.signature),
        b"\x22\x81\x00a",
        encode_field(b"\x1a", SEQNO),
        b"\x12\x03old",
        encode_field(b"\x12", b"data"),
        encode_field(b"\x8a\x00", SOURCE),
    ]
    again = received(b"".join(pieces))
    assert again == message
    assert verdict(again) is True


# -- what we make


@pytest.mark.req("GS10-07", "GS10-08", "GS10-09")
@every_key
def test_what_is_signed_verifies_and_carries_a_key_only_where_needed(key_type: KeyType) -> None:
    key = KEYS[key_type]
    message = build("topic", b"data", key=key, source=key.peer_id, seqno=7)
    assert (message.data, message.topic, message.seqno) == (b"data", "topic", (7).to_bytes(8, "big"))
    assert message.author == key.peer_id
    inlined = key_type in (KeyType.ED25519, KeyType.SECP256K1)
    assert message.key == (None if inlined else key.public_key.to_protobuf())
    assert message.encoded == changed(message).encoded
    assert received(message.encoded) == message
    assert verdict(message) is True
    assert check_fields(message, STRICT_SIGN) is None


@pytest.mark.req("GS10-08")
@every_key
@pytest.mark.parametrize("field", ["data", "topic", "seqno"])
def test_a_change_of_what_is_signed_is_noticed(key_type: KeyType, field: str) -> None:
    message = build("topic", b"data", key=KEYS[key_type], seqno=7)
    value = {"data": b"date", "topic": "topid", "seqno": bytes(8)}[field]
    assert verdict(changed(message, **{field: value})) is False


@pytest.mark.req("GS10-08")
@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(63), bytes(65), bytes(20_000)])
@every_key
def test_any_bytes_may_stand_for_a_signature(key_type: KeyType, signature: bytes) -> None:
    message = build("topic", b"data", key=KEYS[key_type], seqno=7)
    assert verdict(changed(message, signature=signature)) is False


@pytest.mark.req("GS10-10")
def test_messages_without_signature_have_what_is_asked_for() -> None:
    bare = build("a", b"data")
    assert bare.encoded == bytes.fromhex("120464617461220161")
    named = build("a", b"data", source=KEY.peer_id, seqno=2**64 - 1)
    assert (named.source, named.seqno, named.signature, named.key) == (SOURCE, b"\xff" * 8, None, None)
    assert check_fields(bare, STRICT_NO_SIGN) is None
    assert check_fields(named, PERMISSIVE) is None


@pytest.mark.req("GS10-07")
def test_messages_that_can_not_be_made_are_refused() -> None:
    for seqno in (-1, 2**64):
        with pytest.raises(ConfigError, match="64 bits"):
            build("a", b"data", key=KEY, seqno=seqno)
    with pytest.raises(ConfigError, match="has a sequence number"):
        build("a", b"data", key=KEY)
    with pytest.raises(ConfigError, match="can't sign for"):
        build("a", b"data", key=KEY, source=OTHER.peer_id, seqno=1)
    with pytest.raises(ConfigError, match="can't be a topic"):
        build("\ud800", b"data", key=KEY, seqno=1)


# -- keys


@pytest.mark.req("GS10-09")
@every_key
def test_a_key_that_comes_along_must_be_the_author_s(key_type: KeyType) -> None:
    key = KEYS[key_type]
    message = build("a", b"data", key=key, seqno=1)
    right = key.public_key.to_protobuf()
    assert verdict(changed(message, key=right)) is True
    for wrong in (OTHER.public_key.to_protobuf(), b"", b"\x08\x01", right[:-1], right + b"\x00", bytes(100_000)):
        assert verdict(changed(message, key=wrong)) == reasons.BAD_KEY


@pytest.mark.req("GS10-09")
@pytest.mark.parametrize("key_type", [KeyType.RSA, KeyType.ECDSA])
def test_a_key_that_the_id_does_not_hold_must_come_along(key_type: KeyType) -> None:
    message = build("a", b"data", key=KEYS[key_type], seqno=1)
    assert verdict(changed(message, key=None)) == reasons.BAD_KEY


@pytest.mark.req("GS10-09")
def test_a_key_in_another_encoding_is_the_same_key() -> None:
    key = KEYS[KeyType.ECDSA].public_key
    message = build("a", b"data", key=KEYS[KeyType.ECDSA], seqno=1)
    reordered = encode_field(b"\x12", key.data) + b"\x08\x03"
    assert reordered != key.to_protobuf()
    assert verdict(changed(message, key=reordered)) is True


@pytest.mark.req("GS10-09")
def test_an_id_that_holds_no_key_has_none() -> None:
    message = build("a", b"data", key=KEY, seqno=1)
    for source in (b"\x00\x00", b"\x00\x01\x00", b"\x00\x24\x08\x02" + SOURCE[4:]):
        assert verdict(changed(message, source=source)) == reasons.BAD_KEY


@pytest.mark.req("GS10-10")
@pytest.mark.parametrize("key", [None, KEY.public_key.to_protobuf()])
def test_what_is_missing_is_named(key: bytes | None) -> None:
    message = changed(build("a", b"data", key=KEY, seqno=1), key=key)
    assert verdict(changed(message, signature=None)) == reasons.MISSING_SIGNATURE
    for source in (None, b""):
        assert verdict(changed(message, source=source)) == reasons.MISSING_SOURCE
    for source in (b"\x12", SOURCE + b"\x00", SOURCE[:-1], bytes(1_000_000)):
        assert verdict(changed(message, source=source)) == reasons.BAD_SOURCE
    assert verdict(changed(message, source=OTHER.peer_id.to_bytes())) == (False if key is None else reasons.BAD_KEY)


def test_jobs_are_verified_in_order() -> None:
    good = [signature_job(build("a", b"%d" % n, key=KEY, seqno=n)) for n in range(3)]
    bad = signature_job(changed(build("a", b"0", key=KEY, seqno=0), data=b"1"))
    jobs = [job for job in (good[0], bad, good[1], good[2]) if not isinstance(job, str)]
    assert verify_jobs(jobs) == [True, False, True, True]
    assert verify_jobs([]) == []


# -- policies

FIELDS = {"source": SOURCE, "seqno": SEQNO, "signature": bytes(64), "key": b"key"}
SUBSETS = [
    {name: value for (name, value), here in zip(FIELDS.items(), present, strict=True) if here}
    for present in product((False, True), repeat=len(FIELDS))
]


@pytest.mark.req("GS10-10", "GS10-07")
@pytest.mark.parametrize("present", SUBSETS, ids=lambda present: "-".join(present) or "none")
def test_what_policies_ask_for(present: dict[str, bytes]) -> None:
    message = Message(b"data", "a", **present)
    strict, forbidden, permissive = (check_fields(message, policy) for policy in SigningPolicy)

    expected = None
    for name, reason in (
        ("signature", reasons.MISSING_SIGNATURE),
        ("source", reasons.MISSING_SOURCE),
        ("seqno", reasons.BAD_SEQNO),
    ):
        if name not in present:
            expected = reason
            break
    # Without an author there is none to blame, but the signature is missed first.
    assert strict == expected

    if "signature" in present:
        assert forbidden == reasons.UNEXPECTED_SIGNATURE
    else:
        assert forbidden == (reasons.UNEXPECTED_AUTH if present else None)

    unattributed = "signature" in present and "source" not in present
    assert permissive == (reasons.MISSING_SOURCE if unattributed else None)


@pytest.mark.req("GS10-10")
@pytest.mark.parametrize("name", FIELDS)
def test_an_empty_field_is_on_the_wire(name: str) -> None:
    expected = reasons.UNEXPECTED_SIGNATURE if name == "signature" else reasons.UNEXPECTED_AUTH
    assert check_fields(Message(b"data", "a", **{name: b""}), STRICT_NO_SIGN) == expected


@pytest.mark.req("GS10-07")
@pytest.mark.parametrize("seqno", [b"", bytes(1), bytes(7), bytes(9), bytes(100_000)])
def test_a_number_has_eight_bytes(seqno: bytes) -> None:
    message = Message(b"data", "a", SOURCE, seqno, bytes(64))
    assert check_fields(message, STRICT_SIGN) == reasons.BAD_SEQNO
    assert check_fields(message, PERMISSIVE) == (reasons.BAD_SEQNO if seqno else None)


@pytest.mark.req("GS10-10")
@pytest.mark.parametrize("signature", [None, bytes(64)])
def test_an_author_is_a_peer_id(signature: bytes | None) -> None:
    message = Message(b"data", "a", b"nobody", SEQNO, signature)
    assert check_fields(message, PERMISSIVE) == reasons.BAD_SOURCE
    assert check_fields(message, STRICT_SIGN) == (
        reasons.MISSING_SIGNATURE if signature is None else reasons.BAD_SOURCE
    )
    assert check_fields(Message(b"data", "a", b"", SEQNO, None), PERMISSIVE) is None


OPTIONAL = st.none() | st.binary(max_size=80)
REASONS = [value for name in reasons.__all__ if isinstance(value := getattr(reasons, name), str)]


@pytest.mark.req("GS10-08", "GS10-10", "GEN-01")
@given(OPTIONAL | st.just(SOURCE), OPTIONAL, OPTIONAL, OPTIONAL | st.just(KEY.public_key.to_protobuf()))
def test_no_message_makes_a_check_raise(
    source: bytes | None, seqno: bytes | None, signature: bytes | None, key: bytes | None
) -> None:
    message = received(encode_message(source, b"data", seqno, "a", signature, key) + UNKNOWN)
    for policy in SigningPolicy:
        assert check_fields(message, policy) in (None, *REASONS)
    assert verdict(message) in (False, *REASONS)
