"""Peer ids: the hash of a peer's public key, or the key itself where it is short (PEERID-08 to PEERID-10).

An id is a multihash. Keys of up to 42 bytes in protobuf form (Ed25519, secp256k1) stand in it as they are, in the
"identity" hash; of longer ones it holds the SHA-256. One id is made at every connection, so it does no more than
check its bytes, and works out its text when that is asked for.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import base58

from p2pstack.errors import DecodeError
from p2pstack.identity import cids, keys  # keys: a module each way, because a key has an id, and an id may hold a key

if TYPE_CHECKING:
    from p2pstack.wire import Buffer

__all__ = ["MAX_INLINE", "MAX_TEXT", "PeerId"]

MAX_INLINE = 42
"""Bytes of the longest key that stands in an id as it is (PEERID-08)."""

MAX_TEXT = 128
"""Characters of the longest text that is looked at; ids have 46 to 75. Decoding base58 takes time by the square."""

_IDENTITY = 0x00
_SHA2_256 = 0x12
_SHA2_256_SIZE = 32

_BASE58 = frozenset(base58.BITCOIN_ALPHABET.decode())


class PeerId:
    """The id of a peer; compares, sorts and hashes by its bytes. Not to be changed once made.

    Raises:
        DecodeError: the bytes are no peer id (PEERID-10).
    """

    __slots__ = ("_bytes", "_text")

    def __init__(self, multihash: bytes) -> None:
        _check(multihash)
        self._bytes = multihash
        self._text = ""

    @classmethod
    def from_bytes(cls, data: Buffer) -> PeerId:
        """Read an id from its multihash, which fills all of ``data``.

        Raises:
            DecodeError: it is not the identity of up to 42 bytes, or a SHA-256 (PEERID-10).
        """
        return cls(bytes(data))

    @classmethod
    def from_public_key(cls, key: keys.PublicKey) -> PeerId:
        """Return the id of a peer that has ``key`` (PEERID-08)."""
        encoded = key.to_protobuf()
        if len(encoded) <= MAX_INLINE:
            return cls(bytes((_IDENTITY, len(encoded))) + encoded)
        return cls(bytes((_SHA2_256, _SHA2_256_SIZE)) + hashlib.sha256(encoded).digest())

    @classmethod
    def from_string(cls, text: str) -> PeerId:
        """Read an id from text: base58 (``12D3KooW…``, ``Qm…``) or a CIDv1 (``bafz…``, ``k51…``) (PEERID-09).

        Raises:
            DecodeError: it is neither.
        """
        if len(text) > MAX_TEXT:
            raise DecodeError(f"a peer id of {len(text)} characters is too long", requirement="PEERID-09")
        if not text.startswith(("1", "Qm")):
            return cls(cids.decode(text))
        # Checked first, because the decoder ignores white space behind the digits.
        if not _BASE58.issuperset(text):
            raise DecodeError(f"{text!r} is no peer id: it is not base58", requirement="PEERID-09")
        return cls(base58.b58decode(text))

    def to_bytes(self) -> bytes:
        """Return the multihash, as it stands in messages and addresses."""
        return self._bytes

    def to_cid(self) -> str:
        """Return the CIDv1 text in base32 (``bafz…``) (PEERID-09)."""
        return cids.encode(self._bytes)

    @property
    def public_key(self) -> keys.PublicKey | None:
        """The key that stands in the id, or None: the id is a hash, or what it holds is no key of this id."""
        if self._bytes[0] != _IDENTITY:
            return None
        try:
            key = keys.PublicKey.from_protobuf(self._bytes[2:])
        except DecodeError:
            return None
        # Another encoding of a key gives another id, which is not the id of that key.
        return key if key.peer_id == self else None

    def __bytes__(self) -> bytes:
        return self._bytes

    def __str__(self) -> str:
        if not self._text:
            self._text = base58.b58encode(self._bytes).decode()
        return self._text

    def __repr__(self) -> str:
        return f"<PeerId {self}>"

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes == other._bytes

    def __lt__(self, other: PeerId) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes < other._bytes

    def __le__(self, other: PeerId) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes <= other._bytes

    def __gt__(self, other: PeerId) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes > other._bytes

    def __ge__(self, other: PeerId) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes >= other._bytes


def _check(multihash: bytes) -> None:
    """Raise DecodeError unless these are code, length and digest of an id (PEERID-10)."""
    if len(multihash) < 2 or len(multihash) != multihash[1] + 2:
        raise DecodeError("a peer id is cut off, or has bytes behind its end", requirement="PEERID-10")
    code, size = multihash[0], multihash[1]
    if not (code == _IDENTITY and size <= MAX_INLINE) and not (code == _SHA2_256 and size == _SHA2_256_SIZE):
        raise DecodeError(f"a peer id can't be a multihash of code {code:#x} and {size} bytes", requirement="PEERID-10")
