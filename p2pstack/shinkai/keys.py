"""Keys of Shinkai nodes: Ed25519 for signatures, X25519 for encryption, both written as 64 hex digits (SHK-06).

Signature keys are the keys of p2pstack.identity, because a node of today is the libp2p peer of its signature key
(SHK-07). Nodes of the seed era were the peer of a key that follows from their name, which is no secret (SHK-08).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass

from p2pstack.crypto import blake3, ed25519, x25519
from p2pstack.errors import ConfigError, LocalError
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.identity.names import key_from_node_name
from p2pstack.shinkai.errors import InvalidKey
from p2pstack.shinkai.names import ShinkaiName

__all__ = [
    "KEY_SIZE",
    "EncryptionPublicKey",
    "EncryptionSecretKey",
    "NodeKeys",
    "key_hash",
    "key_of_name",
    "public_from_hex",
    "public_to_hex",
    "require_ed25519",
    "secret_from_hex",
    "secret_to_hex",
    "unhex",
    "unsafe_deterministic_seed",
]

KEY_SIZE = 32
"""Bytes of every key, secret or public."""


def unhex(text: str) -> bytes:
    """Return the bytes that hex digits of either case stand for.

    Raises:
        ValueError: there is an odd number of them, or anything else in between.
    """
    return binascii.unhexlify(text)


def _key_bytes(text: str) -> bytes:
    try:
        data = unhex(text)
    except ValueError:
        # What it holds is not shown: it may be a secret with a typing error.
        raise InvalidKey("a key is 64 hex digits, and nothing else", requirement="SHK-06") from None
    return _sized(data)


def _sized(data: bytes) -> bytes:
    if len(data) != KEY_SIZE:
        raise InvalidKey(f"a key has {KEY_SIZE} bytes, not {len(data)}", requirement="SHK-06")
    return data


@dataclass(frozen=True, slots=True)
class EncryptionPublicKey:
    """An X25519 public key of 32 bytes.

    Raises:
        InvalidKey: it has another length.
    """

    data: bytes

    def __post_init__(self) -> None:
        _sized(self.data)

    @classmethod
    def from_hex(cls, text: str) -> EncryptionPublicKey:
        """Read a key from 64 hex digits of either case.

        Raises:
            InvalidKey: it is none.
        """
        return cls(_key_bytes(text))

    def to_hex(self) -> str:
        """Return the key as directories and messages carry it: 64 hex digits in lower case."""
        return self.data.hex()

    def __repr__(self) -> str:
        return f"<EncryptionPublicKey {self.to_hex()}>"


class EncryptionSecretKey:
    """An X25519 secret key of any 32 bytes, with its ``public`` key. Neither ``repr`` nor any error shows the secret.

    Raises:
        InvalidKey: it has another length.
    """

    __slots__ = ("_data", "public")

    def __init__(self, data: bytes) -> None:
        self._data = _sized(data)
        self.public = EncryptionPublicKey(x25519.public_key(data))

    @classmethod
    def generate(cls, entropy: Callable[[int], bytes]) -> EncryptionSecretKey:
        """Make a new key of 32 bytes of ``entropy(32)``."""
        return cls(entropy(KEY_SIZE))

    @classmethod
    def from_hex(cls, text: str) -> EncryptionSecretKey:
        """Read a key from 64 hex digits of either case.

        Raises:
            InvalidKey: it is none.
        """
        return cls(_key_bytes(text))

    def to_hex(self) -> str:
        """Return the secret as 64 hex digits in lower case."""
        return self._data.hex()

    def exchange(self, public: EncryptionPublicKey) -> bytes:
        """Return the secret that this key and the other side's share, 32 bytes; it is the same from both sides.

        Raises:
            InvalidKey: the other key is of low order: the secret would be zero, and no secret (SHK-19).
        """
        try:
            return x25519.exchange(self._data, public.data)
        except x25519.LowOrderPoint as error:
            raise InvalidKey("an encryption key is a point of low order", requirement="SHK-19") from error

    def __repr__(self) -> str:
        return f"<EncryptionSecretKey of {self.public.to_hex()}>"


def secret_from_hex(text: str) -> PrivateKey:
    """Read a signature key from its seed, 64 hex digits of either case.

    Raises:
        InvalidKey: it is none.
    """
    return PrivateKey.from_seed(_key_bytes(text))


def secret_to_hex(key: PrivateKey) -> str:
    """Return the seed of a signature key as 64 hex digits in lower case.

    Raises:
        LocalError: it is no Ed25519 key.
    """
    require_ed25519(key)
    return key.to_protobuf()[4 : 4 + ed25519.SEED_SIZE].hex()


def public_from_hex(text: str) -> PublicKey:
    """Read the public half of a signature key from 64 hex digits of either case.

    The peer id of a node of today is the ``peer_id`` of what is returned (SHK-07).

    Raises:
        InvalidKey: it is none.
    """
    return PublicKey(KeyType.ED25519, _key_bytes(text))


def public_to_hex(key: PublicKey) -> str:
    """Return the public half of a signature key as 64 hex digits in lower case.

    Raises:
        LocalError: it is no Ed25519 key.
    """
    require_ed25519(key)
    return key.data.hex()


def require_ed25519(key: PrivateKey | PublicKey) -> None:
    """Check that a libp2p key can be a Shinkai node's.

    Raises:
        LocalError: it is of another kind than Ed25519.
    """
    if key.type is not KeyType.ED25519:
        raise LocalError(f"Shinkai's signature keys are Ed25519, this one is {key.type.name}")


def key_hash(key: PublicKey) -> str:
    """Return the name that nodes give to a signature key's folder: its BLAKE3 hash in hex."""
    return blake3.digest(key.data).hex()


def key_of_name(name: ShinkaiName) -> PrivateKey:
    """Return the libp2p key of a node of the seed era, which follows from its full name (SHK-08).

    .. warning::
        THIS KEY IS NOT SECRET: ANYBODY CAN WORK IT OUT FROM THE NAME. It makes a peer id and proves nothing.
    """
    return key_from_node_name(name.full_name)


def unsafe_deterministic_seed(number: int) -> bytes:
    """Return the seed of Shinkai's test keys: BLAKE3 of ``number`` in 4 bytes, little-endian.

    .. warning::
        THESE KEYS ARE NOT SECRET: they are for tests.

    Raises:
        ConfigError: ``number`` does not fit into 4 bytes.
    """
    if not 0 <= number < 2**32:
        raise ConfigError(f"a test key's number is 0 to 2**32 - 1, not {number}")
    return blake3.digest(number.to_bytes(4, "little"))


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The two keys of an identity: what it signs with, and what it is written to with.

    Raises:
        LocalError: the signature key is not Ed25519.
    """

    signature: PrivateKey
    encryption: EncryptionSecretKey

    def __post_init__(self) -> None:
        require_ed25519(self.signature)

    @classmethod
    def generate(cls, entropy: Callable[[int], bytes]) -> NodeKeys:
        """Make new keys of twice 32 bytes of ``entropy(32)``."""
        return cls(PrivateKey.generate(entropy=entropy), EncryptionSecretKey.generate(entropy))

    @classmethod
    def unsafe_deterministic(cls, number: int) -> NodeKeys:
        """Return the test keys with a number of 32 bits; see :func:`unsafe_deterministic_seed`.

        Raises:
            ConfigError: ``number`` does not fit into 4 bytes.
        """
        seed = unsafe_deterministic_seed(number)
        return cls(PrivateKey.from_seed(seed), EncryptionSecretKey(seed))
