"""X25519 key agreement (RFC 7748), as Noise uses it."""

from __future__ import annotations

from collections.abc import Callable

from nacl import bindings
from nacl.exceptions import RuntimeError as SodiumError

from p2pstack.errors import DecodeError

__all__ = ["KEY_SIZE", "LowOrderPoint", "exchange", "generate", "public_key"]

KEY_SIZE = 32


class LowOrderPoint(DecodeError):
    """A public key is a point of low order: the shared secret would be zero for every private key (NOISE-11)."""


def generate(entropy: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """Make a key pair out of 32 bytes of ``entropy(32)``; return the private and the public key, 32 bytes each."""
    private = entropy(KEY_SIZE)
    return private, public_key(private)


def public_key(private: bytes) -> bytes:
    """Return the public key of a private key of any 32 bytes."""
    return bindings.crypto_scalarmult_base(private)


def exchange(private: bytes, public: bytes) -> bytes:
    """Return the shared secret of our private and the peer's public key, 32 bytes.

    Raises:
        LowOrderPoint: the secret would be all zero (NOISE-11).
        DecodeError: ``public`` is not 32 bytes long.
    """
    if len(public) != KEY_SIZE:
        raise DecodeError(f"an X25519 public key has 32 bytes, not {len(public)}", requirement="NOISE-12")
    try:
        return bindings.crypto_scalarmult(private, public)
    except SodiumError as error:
        raise LowOrderPoint("the X25519 public key is a point of low order", requirement="NOISE-11") from error
