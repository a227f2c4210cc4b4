"""Peer records of go and rust, and that nobody can speak for another peer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity import peer_record
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.wire import protobuf
from p2pstack.wire.pb import peer_record_pb2
from tests.vectors import load

VECTORS = load("envelope")
KEY = PrivateKey.from_seed(b"\x01" * 32)
ADDRESSES = (parse("/ip4/192.0.2.1/tcp/4001"), parse("/ip6/2001:db8::1/tcp/4001"))


def sealed(message: peer_record_pb2.PeerRecord, key: PrivateKey = KEY) -> bytes:
    """An envelope in go's form around whatever ``message`` says."""
    payload = protobuf.serialize(message)
    return Envelope.seal(key, peer_record.DOMAIN, peer_record.PAYLOAD_TYPE, payload).to_bytes()


def message_of(*addresses: bytes) -> peer_record_pb2.PeerRecord:
    message = peer_record_pb2.PeerRecord(peer_id=KEY.peer_id.to_bytes(), seq=1)
    for address in addresses:
        message.addresses.add(multiaddr=address)
    return message


@pytest.mark.req("ENV-03", "ENV-04")
def test_the_record_of_go() -> None:
    case = VECTORS["peer_record"]
    record, envelope = PeerRecord.open(bytes.fromhex(case["envelope"]))
    assert record.peer_id == KEY.peer_id
    assert record.addresses == ADDRESSES
    assert envelope.to_bytes().hex() == case["envelope"]
    assert record.seal(KEY).to_bytes().hex() == case["envelope"]


@pytest.mark.req("ENV-04")
def test_the_legacy_record_of_rust() -> None:
    case = VECTORS["legacy_peer_record_rust"]
    record, envelope = PeerRecord.open(bytes.fromhex(case["envelope"]))
    assert record == PeerRecord(KEY.peer_id, case["seq"], ADDRESSES)
    assert envelope.payload_type == peer_record.LEGACY_PAYLOAD_TYPE
    # What we send is go's form, and this one where rust has to read it.
    assert record.seal(KEY).payload_type.hex() == VECTORS["peer_record"]["payload_type"]
    assert record.seal(KEY, legacy=True).to_bytes().hex() == case["envelope"]


@pytest.mark.req("ENV-05")
def test_a_record_of_another_peer_is_refused() -> None:
    with pytest.raises(DecodeError, match="is signed by") as caught:
        PeerRecord.open(bytes.fromhex(VECTORS["wrong_signer"]["envelope"]))
    assert caught.value.requirement == "ENV-05"


@pytest.mark.req("ENV-02")
def test_a_bad_signature_is_found_before_the_payload_is_read() -> None:
    with pytest.raises(DecodeError) as caught:
        PeerRecord.open(bytes.fromhex(VECTORS["bad_signature"]["envelope"]))
    assert caught.value.requirement == "ENV-02"
    good = Envelope.seal(KEY, "another domain", peer_record.PAYLOAD_TYPE, b"no record at all")
    with pytest.raises(DecodeError) as caught:
        PeerRecord.open(good.to_bytes())
    assert caught.value.requirement == "ENV-02"


@pytest.mark.req("ENV-04")
def test_each_form_has_its_own_domain() -> None:
    payload = bytes.fromhex(VECTORS["peer_record"]["payload"])
    for domain, payload_type in (
        (peer_record.LEGACY_DOMAIN, peer_record.PAYLOAD_TYPE),
        (peer_record.DOMAIN, peer_record.LEGACY_PAYLOAD_TYPE),
    ):
        with pytest.raises(DecodeError, match="not signed for the domain"):
            PeerRecord.open(Envelope.seal(KEY, domain, payload_type, payload).to_bytes())


def test_another_kind_of_envelope_is_refused() -> None:
    with pytest.raises(DecodeError, match="holds no peer record") as caught:
        PeerRecord.open(bytes.fromhex(VECTORS["voucher"]["envelope"]))
    assert caught.value.requirement == "ENV-04"


@given(st.integers(0, peer_record.MAX_SEQ), st.lists(st.sampled_from(ADDRESSES), max_size=5))
def test_what_is_sealed_is_read(seq: int, addresses: list[object]) -> None:
    record = PeerRecord(KEY.peer_id, seq, tuple(addresses))
    opened, envelope = PeerRecord.open(record.seal(KEY).to_bytes())
    assert opened == record
    assert envelope.public_key == KEY.public_key


@given(st.binary(max_size=80))
def test_a_signed_payload_of_any_kind_is_read_or_refused(payload: bytes) -> None:
    envelope = Envelope.seal(KEY, peer_record.DOMAIN, peer_record.PAYLOAD_TYPE, payload)
    with pytest.raises(DecodeError):
        PeerRecord.open(envelope.to_bytes())


@pytest.mark.req("ENV-03", "GEN-13")
def test_a_seq_of_zero_is_absent_on_the_wire() -> None:
    record = PeerRecord(KEY.peer_id, 0, ())
    envelope = record.seal(KEY)
    assert envelope.payload == b"\x0a\x26" + KEY.peer_id.to_bytes()
    assert PeerRecord.open(envelope.to_bytes())[0] == record


@pytest.mark.req("PEERID-11")
def test_bad_addresses_are_left_out_one_by_one() -> None:
    good = [address.to_bytes() for address in ADDRESSES]
    record, _ = PeerRecord.open(sealed(message_of(good[0], b"", b"\xff\x7f", good[0][:3], good[1])))
    assert record.addresses == ADDRESSES


@pytest.mark.req("GEN-04")
def test_the_number_of_addresses_is_bounded() -> None:
    data = ADDRESSES[0].to_bytes()
    record, _ = PeerRecord.open(sealed(message_of(*[b""] * 10, *[data] * peer_record.MAX_ADDRESSES)))
    assert len(record.addresses) == peer_record.MAX_ADDRESSES - 10


def test_a_record_without_a_peer_is_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        PeerRecord.open(sealed(peer_record_pb2.PeerRecord(seq=1)))
    assert caught.value.requirement == "PEERID-10"


@pytest.mark.req("ENV-05")
def test_a_record_is_sealed_by_its_own_peer_only() -> None:
    with pytest.raises(ConfigError, match="can't be signed by"):
        PeerRecord(KEY.peer_id, 1, ()).seal(PrivateKey.from_seed(b"\x02" * 32))


@pytest.mark.parametrize("seq", [-1, 2**64])
def test_a_seq_out_of_range_is_the_callers_mistake(seq: int) -> None:
    with pytest.raises(ConfigError, match="seq is 0 to"):
        PeerRecord(KEY.peer_id, seq, ()).seal(KEY)
