"""The symmetric state of the Noise framework: chaining key, handshake hash, and the key of the moment (NOISE-01, -22).

Everything that both sides have sent, in the order in which it was sent, goes into ``hash``; every Diffie-Hellman result
goes into ``chaining_key``. A message authenticates ``hash``, so it decrypts only where both sides saw the same.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct

from p2pstack.crypto.aead import aead
from p2pstack.crypto.hkdf import hkdf2

__all__ = ["INITIAL_HASH", "PROTOCOL_NAME", "SymmetricState", "pack_nonce"]

PROTOCOL_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
"""Exactly as long as a hash, so the first hash and chaining key are the name itself, not hashed (NOISE-01)."""

INITIAL_HASH = sha256(PROTOCOL_NAME).digest()
"""The hash after the empty prologue was mixed in, the same for every handshake."""

pack_nonce = Struct("<4xQ").pack
"""Counter -> AEAD nonce: four zero bytes, then eight little-endian ones (NOISE-09)."""


class SymmetricState:
    """Begins as both sides do after the empty prologue; ``key`` is None until the first Diffie-Hellman result."""

    __slots__ = ("_aead", "chaining_key", "hash", "key", "nonce")

    def __init__(self) -> None:
        self.hash = INITIAL_HASH
        self.chaining_key = PROTOCOL_NAME
        self.key: bytes | None = None
        self.nonce = 0

    def mix_hash(self, data: bytes) -> None:
        """Add ``data`` to what both sides have seen."""
        self.hash = sha256(self.hash + data).digest()

    def mix_key(self, shared_secret: bytes) -> None:
        """Add a Diffie-Hellman result; a fresh key follows from it, whose nonce starts at 0."""
        self.chaining_key, self.key = hkdf2(self.chaining_key, shared_secret)
        self._aead = aead(self.key)
        self.nonce = 0

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Return the ciphertext, 16 bytes longer than ``plaintext``, and add it to the hash. Needs a key."""
        ciphertext = self._aead.encrypt(pack_nonce(self.nonce), plaintext, self.hash)
        self.nonce += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Return the plaintext, and add ``ciphertext`` to the hash. Needs a key.

        Raises:
            InvalidTag: the sender's key or hash is not ours, or bytes were changed; nothing has changed here.
        """
        plaintext = self._aead.decrypt(pack_nonce(self.nonce), ciphertext, self.hash)
        self.nonce += 1
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """Return the transport keys: initiator to responder, then responder to initiator (NOISE-22)."""
        return hkdf2(self.chaining_key, b"")
