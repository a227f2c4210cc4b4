"""Vouchers: go's, ours, and all that is none."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.relay.voucher import DOMAIN, PAYLOAD_TYPE, Voucher, open_voucher
from p2pstack.wire import protobuf
from p2pstack.wire.pb import circuit_pb2
from tests.vectors import load

DIALER, LISTENER, RELAY = (PrivateKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
CASE = load("envelope")["voucher"]
EXPIRES = 1_900_000_000
VOUCHER = Voucher(RELAY.peer_id, LISTENER.peer_id, EXPIRES)


def opened(data: bytes, now: float = EXPIRES - 1) -> Voucher:
    return open_voucher(data, relay=RELAY.peer_id, peer=LISTENER.peer_id, now_unix=now)


@pytest.mark.req("RELAY-08")
def test_the_voucher_of_go_byte_for_byte() -> None:
    envelope = VOUCHER.seal(RELAY)
    assert envelope.to_bytes().hex() == CASE["envelope"]
    assert envelope.payload.hex() == CASE["payload"]
    assert opened(bytes.fromhex(CASE["envelope"])) == VOUCHER


@pytest.mark.req("RELAY-08")
def test_only_the_relay_seals() -> None:
    with pytest.raises(ConfigError, match="can't be signed by"):
        VOUCHER.seal(LISTENER)


def forged(
    *, key: PrivateKey = RELAY, domain: str = DOMAIN, kind: bytes = PAYLOAD_TYPE, payload: bytes | None = None
) -> bytes:
    """An envelope that differs from the good one in some way."""
    return Envelope.seal(key, domain, kind, VOUCHER.seal(RELAY).payload if payload is None else payload).to_bytes()


@pytest.mark.misbehave
@pytest.mark.req("RELAY-08")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no type"),
        (b"\xff", "no Envelope"),
        (forged(key=DIALER), "is none of"),
        (forged(domain="libp2p-peer-record"), "not signed for the domain"),
        (forged(kind=b"\x03\x01"), "no voucher"),
        (forged(payload=b"\xff"), "no ReservationVoucher"),
        (forged(payload=b""), "cut off"),
        (Voucher(DIALER.peer_id, LISTENER.peer_id, EXPIRES).seal(DIALER).to_bytes(), "is none of"),
        (Voucher(RELAY.peer_id, DIALER.peer_id, EXPIRES).seal(RELAY).to_bytes(), "is none for"),
        (Voucher(RELAY.peer_id, LISTENER.peer_id, EXPIRES - 1).seal(RELAY).to_bytes(), "expired"),
    ],
)
def test_what_is_no_voucher(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        opened(data)


@pytest.mark.req("RELAY-08")
def test_a_voucher_ends_with_its_second() -> None:
    data = VOUCHER.seal(RELAY).to_bytes()
    assert opened(data, EXPIRES - 0.1) == VOUCHER
    with pytest.raises(DecodeError, match="expired"):
        opened(data, EXPIRES)


def test_the_largest_expiry() -> None:
    voucher = Voucher(RELAY.peer_id, LISTENER.peer_id, 2**64 - 1)
    assert opened(voucher.seal(RELAY).to_bytes()) == voucher
    message = protobuf.parse(circuit_pb2.ReservationVoucher, voucher.seal(RELAY).payload)
    assert message.expiration == 2**64 - 1
