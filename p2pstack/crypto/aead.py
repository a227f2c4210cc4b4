"""ChaCha20-Poly1305 (RFC 8439), the cipher of Noise transport frames."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

__all__ = ["KEY_SIZE", "NONCE_SIZE", "TAG_SIZE", "ChaCha20Poly1305", "InvalidTag", "aead"]

KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16


def aead(key: bytes) -> ChaCha20Poly1305:
    """Return the cipher for ``key`` (32 bytes).

    Its ``encrypt(nonce, data, associated_data)`` returns the ciphertext with the 16-byte tag behind it; ``decrypt``
    with the same arguments raises :class:`InvalidTag` when the tag is wrong. Nonces have 12 bytes; who calls it sees
    to it that none is used twice (NOISE-09).
    """
    return ChaCha20Poly1305(key)
