"""Signed records: values that only the holder of a key can write, and replace by newer ones (KAD-19; specs/kad.md).

Who is to find such a value has to know the writer's public key and the value's name: their hash is the key. The value
is a signed envelope with the name, a number that grows, and the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.wire import protobuf
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb import kad_pb2

__all__ = ["DOMAIN", "MAX_NAME", "NAMESPACE", "PAYLOAD_TYPE", "SignedRecord", "SignedRecordValidator", "signed_key"]

NAMESPACE = "p2pstack"

DOMAIN = "p2pstack-dht-record"
PAYLOAD_TYPE = b"/p2pstack/dht-record"

MAX_NAME = 256
"""Bytes of a name."""

_MAX_SEQ = 2**64 - 1


def signed_key(public_key: PublicKey, name: bytes) -> bytes:
    """Return the key of the record that ``public_key`` keeps under ``name``."""
    digest = sha256(encode_frame(public_key.to_protobuf()) + encode_frame(name)).digest()
    return f"/{NAMESPACE}/".encode() + digest


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """What a key's holder says under a name.

    Of two, the one with the higher ``seq`` counts (0 to 2**64 - 1); the time in milliseconds is a good one.
    """

    public_key: PublicKey
    name: bytes
    seq: int
    data: bytes

    @property
    def key(self) -> bytes:
        """The key in the DHT."""
        return signed_key(self.public_key, self.name)

    def seal(self, key: PrivateKey) -> bytes:
        """Return the record's value, signed by ``key``.

        Raises:
            ConfigError: the key is another one, the name is empty or too long, or ``seq`` is out of range.
        """
        if key.public_key != self.public_key:
            raise ConfigError("a record is signed by the key that it names")
        if not 0 < len(self.name) <= MAX_NAME:
            raise ConfigError(f"a record's name has 1 to {MAX_NAME} bytes, not {len(self.name)}")
        if not 0 <= self.seq <= _MAX_SEQ:
            raise ConfigError(f"a record's seq is 0 to 2**64 - 1, not {self.seq}")
        payload = kad_pb2.KadSignedRecord(name=self.name, seq=self.seq, data=self.data)
        return Envelope.seal(key, DOMAIN, PAYLOAD_TYPE, protobuf.serialize(payload)).to_bytes()

    @classmethod
    def open(cls, key: bytes, value: bytes) -> SignedRecord:
        """Read a value, and check that it is one of ``key``.

        Raises:
            DecodeError: no envelope, another payload, a bad signature, or a record of another key.
        """
        record, envelope = cls._read(value)
        if record.key != key or not record.name:
            raise DecodeError("a signed record stands under another key than its own", requirement="KAD-19")
        envelope.verify(DOMAIN)
        return record

    @classmethod
    def _read(cls, value: bytes) -> tuple[SignedRecord, Envelope]:
        envelope = Envelope.from_bytes(value)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise DecodeError("an envelope holds no signed record", requirement="KAD-19")
        payload = protobuf.parse(kad_pb2.KadSignedRecord, envelope.payload)
        return cls(envelope.public_key, payload.name, payload.seq, payload.data), envelope

    @classmethod
    def rank(cls, value: bytes) -> tuple[int, bytes]:
        """Return by what valid values are compared: the number, and of equal ones the bytes, so that all agree."""
        return cls._read(value)[0].seq, value


class SignedRecordValidator:
    """``/p2pstack/``: what a :class:`SignedRecord` has made; the highest number is best."""

    def validate(self, key: bytes, value: bytes) -> None:
        """Return if the value is a signed record of this key.

        Raises:
            DecodeError: it is not.
        """
        SignedRecord.open(key, value)

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """Return the index of the newest of values that are valid."""
        return max(range(len(values)), key=lambda number: SignedRecord.rank(values[number]))
