"""Public and private keys of peers, in the protobuf form that libp2p gives them (PEERID-01 to PEERID-07).

Ed25519 is what new keys are; the other three kinds are read, checked and used, since peers may have them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

from p2pstack.crypto import ecdsa, ed25519, rsa, secp256k1
from p2pstack.errors import DecodeError
from p2pstack.identity import peer_id as peer_ids  # a module each way: a key has an id, and an id may hold a key
from p2pstack.wire import Buffer, protobuf, uvarint
from p2pstack.wire.pb import keys_pb2

__all__ = ["KeyType", "PrivateKey", "PublicKey"]


class KeyType(IntEnum):
    """The kinds of keys, with their numbers on the wire (PEERID-01)."""

    RSA = 0
    ED25519 = 1
    SECP256K1 = 2
    ECDSA = 3


class _Scheme(Protocol):
    """What a module of p2pstack.crypto offers for its kind of key; a loaded key is opaque to all but that module."""

    def generate(self) -> bytes: ...
    def load_private(self, data: bytes, /) -> Any: ...
    def load_public(self, data: bytes, /) -> Any: ...
    def private_data(self, private: Any, /) -> bytes: ...
    def public_data(self, private: Any, /) -> bytes: ...
    def sign(self, private: Any, message: bytes, /) -> bytes: ...
    def verify(self, public: Any, message: bytes, signature: bytes, /) -> bool: ...


_SCHEMES: dict[KeyType, _Scheme] = {
    KeyType.RSA: rsa,
    KeyType.ED25519: ed25519,
    KeyType.SECP256K1: secp256k1,
    KeyType.ECDSA: ecdsa,
}

_ED25519_PREFIX = b"\x08\x01\x12\x20"
_ED25519_SIZE = len(_ED25519_PREFIX) + ed25519.PUBLIC_SIZE


def _encode(key_type: KeyType, data: bytes) -> bytes:
    """Return the one canonical encoding of a key (PEERID-02): both fields, in order, nothing else."""
    return bytes((0x08, key_type, 0x12)) + uvarint.encode(len(data)) + data


def _fields(message: keys_pb2.PublicKey | keys_pb2.PrivateKey) -> tuple[KeyType, bytes]:
    # An unknown number of a proto2 enum is an unknown field to the parser, as if the type were missing.
    if not message.HasField("type"):
        raise DecodeError("a key has no type that is known", requirement="PEERID-01")
    if not message.HasField("data"):
        raise DecodeError("a key has no data", requirement="PEERID-02")
    return KeyType(message.type), message.data


class PublicKey:
    """A peer's public key; equal when kind and bytes are, and hashable. Not to be changed once made.

    ``type`` is its kind, ``data`` its bytes in the form of that kind (PEERID-04 to PEERID-07).

    Raises:
        DecodeError: ``data`` is no key of this kind, or one of a size that is refused.
    """

    __slots__ = ("_handle", "_peer_id", "data", "type")

    def __init__(self, key_type: KeyType, data: bytes) -> None:
        self._handle = _SCHEMES[key_type].load_public(data)
        self._peer_id: peer_ids.PeerId | None = None
        self.type = key_type
        self.data = data

    @classmethod
    def from_protobuf(cls, data: Buffer) -> PublicKey:
        """Read a key from its protobuf form, in any order of fields and with unknown ones (PEERID-03).

        Raises:
            DecodeError: it does not parse, or is no key.
        """
        if len(data) == _ED25519_SIZE and data[:4] == _ED25519_PREFIX:
            return cls(KeyType.ED25519, bytes(data[4:]))
        return cls.from_message(protobuf.parse(keys_pb2.PublicKey, data))

    @classmethod
    def from_message(cls, message: keys_pb2.PublicKey) -> PublicKey:
        """Read a key that is part of another message.

        Raises:
            DecodeError: it is no key.
        """
        return cls(*_fields(message))

    def to_protobuf(self) -> bytes:
        """Return the canonical protobuf form, of which the peer id is made (PEERID-02)."""
        return _encode(self.type, self.data)

    @property
    def peer_id(self) -> peer_ids.PeerId:
        """The id of the peer that has this key."""
        if self._peer_id is None:
            self._peer_id = peer_ids.PeerId.from_public_key(self)
        return self._peer_id

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is one of ``message`` by this key. Whatever bytes come in, it does not raise."""
        return _SCHEMES[self.type].verify(self._handle, message, signature)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self.data == other.data and self.type == other.type

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"<PublicKey {self.type.name} of {self.peer_id}>"


class PrivateKey:
    """A private key. Neither ``repr`` nor any error shows it; only :meth:`to_protobuf` gives it away.

    ``data`` is its bytes in the form of its kind (PEERID-04 to PEERID-07).

    Raises:
        DecodeError: ``data`` is no key of this kind.
    """

    __slots__ = ("_handle", "_public_key", "type")

    def __init__(self, key_type: KeyType, data: bytes) -> None:
        scheme = _SCHEMES[key_type]
        self._handle = scheme.load_private(data)
        self._public_key = PublicKey(key_type, scheme.public_data(self._handle))
        self.type = key_type

    @classmethod
    def generate(
        cls, key_type: KeyType = KeyType.ED25519, *, entropy: Callable[[int], bytes] = secrets.token_bytes
    ) -> PrivateKey:
        """Make a new key; RSA keys have 2,048 bits.

        ``entropy(n)`` gives ``n`` random bytes. It is asked for Ed25519 alone: the other kinds need a search for
        suitable numbers, which their library does with its own random generator.
        """
        if key_type is KeyType.ED25519:
            return cls.from_seed(entropy(ed25519.SEED_SIZE))
        return cls(key_type, _SCHEMES[key_type].generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """Return the Ed25519 key of a seed of 32 bytes, always the same one (PEERID-12).

        Raises:
            ConfigError: the seed has another length.
        """
        return cls(KeyType.ED25519, ed25519.from_seed(seed))

    @classmethod
    def from_protobuf(cls, data: Buffer) -> PrivateKey:
        """Read a key from its protobuf form, as go, rust and js store it.

        Raises:
            DecodeError: it does not parse, or is no key.
        """
        return cls(*_fields(protobuf.parse(keys_pb2.PrivateKey, data)))

    def to_protobuf(self) -> bytes:
        """Return the protobuf form, which holds the secret."""
        return _encode(self.type, _SCHEMES[self.type].private_data(self._handle))

    @property
    def public_key(self) -> PublicKey:
        """The public key that belongs to this one."""
        return self._public_key

    @property
    def peer_id(self) -> peer_ids.PeerId:
        """The id of the peer that has this key."""
        return self._public_key.peer_id

    def sign(self, message: bytes) -> bytes:
        """Return a signature of ``message``. Ed25519 and RSA give the same one each time, the other two do not."""
        return _SCHEMES[self.type].sign(self._handle, message)

    def __repr__(self) -> str:
        return f"<PrivateKey {self.type.name} of {self.peer_id}>"
