"""Envelopes of go and rust, made again byte for byte, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.wire import protobuf
from p2pstack.wire.pb import envelope_pb2
from tests.vectors import load

VECTORS = load("envelope")
SEALED = ["peer_record", "voucher", "wrong_signer", "legacy_peer_record_rust"]
KEYS = {str(key.peer_id): key for key in (PrivateKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))}
KEY = next(iter(KEYS.values()))


@pytest.mark.req("ENV-01", "ENV-02")
@pytest.mark.parametrize("name", SEALED)
def test_envelopes_of_go_and_rust(name: str) -> None:
    case = VECTORS[name]
    raw = bytes.fromhex(case["envelope"])
    envelope = Envelope.from_bytes(raw)
    envelope.verify(case["domain"])
    assert envelope.payload_type.hex() == case["payload_type"]
    assert envelope.payload.hex() == case["payload"]
    assert envelope.signature.hex() == case["signature"]
    assert str(envelope.public_key.peer_id) == case["signer"]
    assert envelope.public_key.verify(bytes.fromhex(case["signed_bytes"]), envelope.signature)
    assert envelope.to_bytes() == raw


@pytest.mark.req("ENV-01", "ENV-02")
@pytest.mark.parametrize("name", SEALED)
def test_we_seal_the_same_bytes(name: str) -> None:
    case = VECTORS[name]
    key, payload_type = KEYS[case["signer"]], bytes.fromhex(case["payload_type"])
    sealed = Envelope.seal(key, case["domain"], payload_type, bytes.fromhex(case["payload"]))
    assert sealed.to_bytes().hex() == case["envelope"]
    assert sealed == Envelope.from_bytes(sealed.to_bytes())


@pytest.mark.req("ENV-02")
def test_a_bad_signature_is_refused_as_by_go() -> None:
    envelope = Envelope.from_bytes(bytes.fromhex(VECTORS["bad_signature"]["envelope"]))
    with pytest.raises(DecodeError, match="not signed for the domain") as caught:
        envelope.verify(VECTORS["peer_record"]["domain"])
    assert caught.value.requirement == "ENV-02"


@pytest.mark.req("ENV-02")
def test_a_signature_for_another_domain_is_refused_as_by_go() -> None:
    envelope = Envelope.from_bytes(bytes.fromhex(VECTORS["peer_record"]["envelope"]))
    with pytest.raises(DecodeError):
        envelope.verify(VECTORS["other_domain"]["domain"])


@given(st.text(min_size=1, max_size=20), st.binary(min_size=1, max_size=20), st.binary(max_size=300))
def test_what_is_sealed_is_read(domain: str, payload_type: bytes, payload: bytes) -> None:
    envelope = Envelope.from_bytes(memoryview(Envelope.seal(KEY, domain, payload_type, payload).to_bytes()))
    envelope.verify(domain)
    assert (envelope.payload_type, envelope.payload) == (payload_type, payload)
    assert envelope.public_key == KEY.public_key
    with pytest.raises(DecodeError):
        envelope.verify(domain + "x")


@given(st.integers(0, 2**16), st.integers(1, 255))
def test_a_changed_byte_is_found(place: int, change: int) -> None:
    raw = bytearray(bytes.fromhex(VECTORS["peer_record"]["envelope"]))
    raw[place % len(raw)] ^= change
    try:
        envelope = Envelope.from_bytes(raw)
        envelope.verify("libp2p-peer-record")
    except DecodeError:
        return
    pytest.fail("a changed envelope was accepted", pytrace=False)


@pytest.mark.parametrize("key_type", [KeyType.SECP256K1, KeyType.ECDSA], ids=lambda key_type: key_type.name)
def test_other_kinds_of_keys_seal_too(key_type: KeyType) -> None:
    key = PrivateKey.generate(key_type)
    envelope = Envelope.from_bytes(Envelope.seal(key, "domain", b"type", b"payload").to_bytes())
    envelope.verify("domain")
    assert envelope.public_key == key.public_key


@pytest.mark.req("ENV-02")
@pytest.mark.parametrize(("domain", "payload_type"), [("", b"type"), ("domain", b"")])
def test_an_empty_domain_or_type_is_the_callers_mistake(domain: str, payload_type: bytes) -> None:
    with pytest.raises(ConfigError):
        Envelope.seal(KEY, domain, payload_type, b"payload")


@pytest.mark.req("ENV-01")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x12\x02\x03\x01",
        b"\x0a\x00",
        b"\x0a\x04\x08\x01\x12\x00",
        b"\x0a\x02\x08\x09",
        bytes.fromhex(VECTORS["peer_record"]["envelope"])[:-1],
    ],
    ids=["empty", "no key", "empty key", "key without data", "unknown kind", "cut"],
)
def test_other_bytes_are_no_envelope(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Envelope.from_bytes(data)


@pytest.mark.req("ENV-02", "GEN-13")
def test_missing_fields_are_empty_and_not_signed() -> None:
    message = envelope_pb2.Envelope()
    message.public_key.MergeFromString(KEY.public_key.to_protobuf())
    envelope = Envelope.from_bytes(protobuf.serialize(message))
    assert (envelope.payload_type, envelope.payload, envelope.signature) == (b"", b"", b"")
    with pytest.raises(DecodeError):
        envelope.verify("domain")


@pytest.mark.req("ENV-01")
def test_a_field_4_is_ignored() -> None:
    raw = bytes.fromhex(VECTORS["peer_record"]["envelope"]) + b"\x22\x01a"
    envelope = Envelope.from_bytes(raw)
    envelope.verify("libp2p-peer-record")
    assert envelope.to_bytes() == raw
