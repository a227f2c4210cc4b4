"""Signed peer records: a peer's own word on its addresses (ENV-03 to ENV-06).

Two forms are in use, which differ in domain and payload type: go's, which js and py use too and which is written
here, and the one of RFC 3, which rust writes, and which is written for rendezvous. Both are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.pb import peer_record_pb2

__all__ = ["DOMAIN", "LEGACY_DOMAIN", "LEGACY_PAYLOAD_TYPE", "MAX_ADDRESSES", "MAX_SEQ", "PAYLOAD_TYPE", "PeerRecord"]

DOMAIN = "libp2p-peer-record"
PAYLOAD_TYPE = b"\x03\x01"

LEGACY_DOMAIN = "libp2p-routing-state"
LEGACY_PAYLOAD_TYPE = b"/libp2p/routing-state-record"

MAX_ADDRESSES = 500
"""Addresses of a record that are looked at, as in go; those behind are left out (GEN-04)."""

MAX_SEQ = 2**64 - 1

_DOMAINS = {PAYLOAD_TYPE: DOMAIN, LEGACY_PAYLOAD_TYPE: LEGACY_DOMAIN}


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """The addresses of ``peer_id``, without ``/p2p`` parts as a rule.

    Of two records of a peer the one with the higher ``seq`` is newer (ENV-06): 0 to 2**64 - 1, no clock to be read.
    """

    peer_id: PeerId
    seq: int
    addresses: tuple[Multiaddr, ...]

    def seal(self, key: PrivateKey, *, legacy: bool = False) -> Envelope:
        """Sign the record in go's form (ENV-04), or with ``legacy`` in that of RFC 3, where rust has to read it.

        Raises:
            ConfigError: the key is another peer's, or ``seq`` is out of range.
        """
        if key.peer_id != self.peer_id:
            raise ConfigError(f"a record of {self.peer_id} can't be signed by {key.peer_id}")
        if not 0 <= self.seq <= MAX_SEQ:
            raise ConfigError(f"a record's seq is 0 to 2**64 - 1, not {self.seq}")
        message = peer_record_pb2.PeerRecord(peer_id=self.peer_id.to_bytes(), seq=self.seq)
        for address in self.addresses:
            message.addresses.add(multiaddr=address.to_bytes())
        domain, payload_type = (LEGACY_DOMAIN, LEGACY_PAYLOAD_TYPE) if legacy else (DOMAIN, PAYLOAD_TYPE)
        return Envelope.seal(key, domain, payload_type, protobuf.serialize(message))

    @classmethod
    def open(cls, envelope_bytes: Buffer) -> tuple[PeerRecord, Envelope]:
        """Read a signed record: check the signature, then that it is the signer's own (ENV-05).

        Addresses that do not parse are left out (PEERID-11). That the record is one of the peer that it is taken for
        is for the caller to check.

        Raises:
            DecodeError: no envelope, another payload type, a bad signature, no record, or one of another peer.
        """
        envelope = Envelope.from_bytes(envelope_bytes)
        domain = _DOMAINS.get(envelope.payload_type)
        if domain is None:
            raise DecodeError("the envelope holds no peer record", requirement="ENV-04")
        envelope.verify(domain)
        message = protobuf.parse(peer_record_pb2.PeerRecord, envelope.payload)
        peer_id = PeerId(message.peer_id)
        if peer_id != envelope.public_key.peer_id:
            signer = envelope.public_key.peer_id
            raise DecodeError(f"a record of {peer_id} is signed by {signer}", requirement="ENV-05")
        return cls(peer_id, message.seq, tuple(_addresses(message))), envelope


def _addresses(message: peer_record_pb2.PeerRecord) -> Iterator[Multiaddr]:
    for info in message.addresses[:MAX_ADDRESSES]:
        try:
            yield multiaddrs.parse(info.multiaddr)
        except DecodeError:
            continue
