from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.kad.signed_records import (
    DOMAIN,
    MAX_NAME,
    NAMESPACE,
    PAYLOAD_TYPE,
    SignedRecord,
    SignedRecordValidator,
    signed_key,
)
from p2pstack.kad.validators import Validators
from p2pstack.wire import protobuf
from p2pstack.wire.pb import kad_pb2

KEY = PrivateKey.from_seed(b"\x05" * 32)
OTHER = PrivateKey.from_seed(b"\x06" * 32)
VALIDATORS = Validators({NAMESPACE: SignedRecordValidator()})


def record(name: bytes = b"name", seq: int = 1, data: bytes = b"data", key: PrivateKey = KEY) -> SignedRecord:
    return SignedRecord(key.public_key, name, seq, data)


@pytest.mark.req("KAD-19")
@given(st.binary(min_size=1, max_size=MAX_NAME), st.integers(0, 2**64 - 1), st.binary(max_size=2_000))
def test_a_record_comes_back_as_it_was_sealed(name: bytes, seq: int, data: bytes) -> None:
    one = record(name, seq, data)
    value = one.seal(KEY)
    assert SignedRecord.open(one.key, value) == one
    VALIDATORS.validate(one.key, value)


@pytest.mark.req("KAD-19")
def test_the_key_is_that_of_public_key_and_name() -> None:
    assert record().key == signed_key(KEY.public_key, b"name")
    assert record().key.startswith(b"/p2pstack/")
    assert len(record().key) == 42
    # These bytes are the format: others find a record by them.
    assert record().key.hex() == record(seq=2, data=b"other").key.hex() == FIXED_KEY
    assert len({record().key, record(b"nam").key, record(key=OTHER).key}) == 3


FIXED_KEY = "2f703270737461636b2f61dc336bf8562e23a0ae844abe53151aaf53802b664914d09bc371c47997ef4d"


@pytest.mark.req("KAD-19")
def test_a_record_under_another_key_is_refused() -> None:
    value = record().seal(KEY)
    for key in (record(b"other").key, record(key=OTHER).key, b"/p2pstack/x"):
        with pytest.raises(DecodeError) as caught:
            VALIDATORS.validate(key, value)
        assert caught.value.requirement == "KAD-19"


def sealed(payload: bytes, *, domain: str = DOMAIN, payload_type: bytes = PAYLOAD_TYPE) -> bytes:
    return Envelope.seal(KEY, domain, payload_type, payload).to_bytes()


PAYLOAD = protobuf.serialize(kad_pb2.KadSignedRecord(name=b"name", seq=1))
NAMELESS = protobuf.serialize(kad_pb2.KadSignedRecord(seq=1))


@pytest.mark.req("KAD-19")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (record().key, b""),
        (record().key, b"\xff"),
        (record().key, sealed(PAYLOAD, payload_type=b"/other")),
        (record().key, sealed(PAYLOAD, domain="libp2p-peer-record")),
        (record().key, sealed(b"\xff")),
        (signed_key(KEY.public_key, b""), sealed(NAMELESS)),
        (record().key, record().seal(KEY)[:-1] + b"\x00"),
    ],
)
def test_what_is_no_signed_record(key: bytes, value: bytes) -> None:
    with pytest.raises(DecodeError):
        VALIDATORS.validate(key, value)


@pytest.mark.req("KAD-19")
@pytest.mark.parametrize("wrong", [record(b""), record(b"x" * 257), record(seq=-1), record(seq=2**64)])
def test_what_can_not_be_sealed(wrong: SignedRecord) -> None:
    with pytest.raises(ConfigError):
        wrong.seal(KEY)
    with pytest.raises(ConfigError, match="signed by the key"):
        record().seal(OTHER)


@pytest.mark.req("KAD-19", "KAD-05")
def test_the_highest_number_is_best_and_all_agree_on_equal_ones() -> None:
    values = [record(seq=seq, data=data).seal(KEY) for seq, data in ((3, b"a"), (7, b"b"), (7, b"c"), (2**63, b"d"))]
    assert VALIDATORS.select(record().key, values) == 3
    assert VALIDATORS.select(record().key, values[:2]) == 1
    equal = values[1:3]
    assert equal[VALIDATORS.select(record().key, equal)] == equal[::-1][VALIDATORS.select(record().key, equal[::-1])]
