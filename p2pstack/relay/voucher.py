"""Vouchers: a relay's signed word that a peer has a reservation with it (RELAY-08)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.pb import circuit_pb2

__all__ = ["DOMAIN", "PAYLOAD_TYPE", "Voucher", "open_voucher"]

DOMAIN = "libp2p-relay-rsvp"
PAYLOAD_TYPE = b"\x03\x02"


@dataclass(frozen=True, slots=True)
class Voucher:
    """``relay`` says that ``peer`` can be reached through it until ``expires`` (Unix time in seconds)."""

    relay: PeerId
    peer: PeerId
    expires: int

    def seal(self, key: PrivateKey) -> Envelope:
        """Sign the voucher with the relay's key.

        Raises:
            ConfigError: the key is another peer's.
        """
        if key.peer_id != self.relay:
            raise ConfigError(f"a voucher of {self.relay} can't be signed by {key.peer_id}")
        message = circuit_pb2.ReservationVoucher(
            relay=self.relay.to_bytes(), peer=self.peer.to_bytes(), expiration=self.expires
        )
        return Envelope.seal(key, DOMAIN, PAYLOAD_TYPE, protobuf.serialize(message))


def open_voucher(data: Buffer, *, relay: PeerId, peer: PeerId, now_unix: float) -> Voucher:
    """Read a sealed voucher, and check that ``relay`` has given it to ``peer`` and that it holds at ``now_unix``.

    Raises:
        DecodeError: it is no envelope, of another type, badly signed, signed by or made out to somebody else, or it has
            expired.
    """
    envelope = Envelope.from_bytes(data)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise DecodeError("the envelope holds no voucher", requirement="RELAY-08")
    envelope.verify(DOMAIN)
    message = protobuf.parse(circuit_pb2.ReservationVoucher, envelope.payload)
    voucher = Voucher(PeerId(message.relay), PeerId(message.peer), message.expiration)
    signer = envelope.public_key.peer_id
    if not signer == voucher.relay == relay:
        raise DecodeError(
            f"a voucher of {voucher.relay}, signed by {signer}, is none of {relay}", requirement="RELAY-08"
        )
    if voucher.peer != peer:
        raise DecodeError(f"a voucher for {voucher.peer} is none for {peer}", requirement="RELAY-08")
    if voucher.expires <= now_unix:
        raise DecodeError(f"a voucher expired at {voucher.expires}", requirement="RELAY-08")
    return voucher
