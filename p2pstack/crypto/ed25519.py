"""Ed25519 signatures (RFC 8032) and the libp2p forms of their keys (PEERID-04).

A key object of this module is its bytes: the public key's 32, or the private key's 64 (seed, then public key).
"""

from __future__ import annotations

from nacl import bindings
from nacl.exceptions import BadSignatureError

from p2pstack.errors import ConfigError, DecodeError

__all__ = [
    "PUBLIC_SIZE",
    "SEED_SIZE",
    "SIGNATURE_SIZE",
    "from_seed",
    "generate",
    "load_private",
    "load_public",
    "private_data",
    "public_data",
    "sign",
    "verify",
]

SEED_SIZE = 32
PUBLIC_SIZE = 32
PRIVATE_SIZE = SEED_SIZE + PUBLIC_SIZE
SIGNATURE_SIZE = 64


def from_seed(seed: bytes) -> bytes:
    """Return the private key that a seed of 32 bytes gives.

    Raises:
        ConfigError: the seed has another length.
    """
    if len(seed) != SEED_SIZE:
        raise ConfigError(f"an Ed25519 seed has {SEED_SIZE} bytes, not {len(seed)}")
    return bindings.crypto_sign_seed_keypair(seed)[1]


def generate() -> bytes:
    """Return a new random private key."""
    return bindings.crypto_sign_keypair()[1]


def load_private(data: bytes) -> bytes:
    """Read a private key: seed and public key, or the old form with the public key twice (PEERID-04).

    Raises:
        DecodeError: wrong length, or the public key is not the seed's. Go does not compare them; but a key whose
            halves differ gives itself away with its first signature.
    """
    if len(data) not in {PRIVATE_SIZE, PRIVATE_SIZE + PUBLIC_SIZE}:
        raise DecodeError(f"an Ed25519 private key has 64 or 96 bytes, not {len(data)}", requirement="PEERID-04")
    key = from_seed(data[:SEED_SIZE])
    public = public_data(key)
    if data[SEED_SIZE:] not in {public, public + public}:
        raise DecodeError("the public half of an Ed25519 private key is not the seed's", requirement="PEERID-04")
    return key


def load_public(data: bytes) -> bytes:
    """Read a public key of 32 bytes; whether they are a point of the curve shows when a signature is checked.

    Raises:
        DecodeError: wrong length (PEERID-04).
    """
    if len(data) != PUBLIC_SIZE:
        raise DecodeError(f"an Ed25519 public key has {PUBLIC_SIZE} bytes, not {len(data)}", requirement="PEERID-04")
    return data


def private_data(private: bytes) -> bytes:
    """Return what :func:`load_private` reads, always in the form of 64 bytes."""
    return private


def public_data(private: bytes) -> bytes:
    """Return the public key that belongs to ``private``, as :func:`load_public` reads it."""
    return private[SEED_SIZE:]


def sign(private: bytes, message: bytes) -> bytes:
    """Return the signature of ``message``, 64 bytes; the same key and message always give the same."""
    return bindings.crypto_sign(message, private)[:SIGNATURE_SIZE]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is that of ``message`` by ``public``.

    libsodium is stricter than RFC 8032 asks: it also refuses public keys of low order, for which one signature would
    fit many messages.
    """
    if len(signature) != SIGNATURE_SIZE:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True
