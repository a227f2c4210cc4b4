"""Signed envelopes (ENV-01, ENV-02): a payload, who vouches for it, and what kind of statement it is.

The signature covers a *domain*, which both sides know and which is not sent: so what was signed for one purpose
can't be shown for another.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb import envelope_pb2

__all__ = ["Envelope"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed statement; until :meth:`verify` has returned, its payload is what anybody may have written.

    ``payload_type`` is a multicodec or another agreed mark; ``raw`` is the envelope as it came, or as it is to be sent
    (ENV-07: passed on as it is, never encoded again).
    """

    public_key: PublicKey
    payload_type: bytes
    payload: bytes
    signature: bytes
    raw: bytes

    @classmethod
    def seal(cls, key: PrivateKey, domain: str, payload_type: bytes, payload: bytes) -> Envelope:
        """Sign ``payload`` for ``domain``.

        Raises:
            ConfigError: domain or payload type is empty (ENV-02).
        """
        if not domain or not payload_type:
            raise ConfigError("an envelope needs a domain and a payload type")
        signature = key.sign(_signed_bytes(domain, payload_type, payload))
        message = envelope_pb2.Envelope(payload_type=payload_type, payload=payload, signature=signature)
        message.public_key.MergeFromString(key.public_key.to_protobuf())
        return cls(key.public_key, payload_type, payload, signature, protobuf.serialize(message))

    @classmethod
    def from_bytes(cls, data: Buffer) -> Envelope:
        """Read an envelope, without checking its signature.

        Raises:
            DecodeError: it does not parse, or has no valid key.
        """
        raw = bytes(data)
        message = protobuf.parse(envelope_pb2.Envelope, raw)
        key = PublicKey.from_message(message.public_key)
        return cls(key, message.payload_type, message.payload, message.signature, raw)

    def to_bytes(self) -> bytes:
        """Return the envelope as it came, or as it is to be sent."""
        return self.raw

    def verify(self, domain: str) -> None:
        """Return if the signature is that of :attr:`public_key` for ``domain``, and raise if it is not.

        Raises:
            DecodeError: the signature does not fit key, domain, type and payload (ENV-02).
        """
        if not self.public_key.verify(_signed_bytes(domain, self.payload_type, self.payload), self.signature):
            raise DecodeError(f"an envelope is not signed for the domain {domain!r}", requirement="ENV-02")


def _signed_bytes(domain: str, payload_type: bytes, payload: bytes) -> bytes:
    return encode_frame(domain.encode()) + encode_frame(payload_type) + encode_frame(payload)
