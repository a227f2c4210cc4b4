"""RSA signatures, PKCS#1 v1.5 with SHA-256, and the libp2p forms of their keys (PEERID-05)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from p2pstack.crypto import der
from p2pstack.errors import ConfigError, DecodeError

__all__ = [
    "MAX_BITS",
    "MIN_BITS",
    "generate",
    "load_private",
    "load_public",
    "private_data",
    "public_data",
    "sign",
    "verify",
]

MIN_BITS = 2048
MAX_BITS = 8192
"""A longer modulus, sent by a peer, would buy it seconds of our time a signature (CVE-2023-39533)."""

_MAX_EXPONENT = 2**31 - 1
"""As in go: a public exponent of thousands of bits makes verifying as slow as signing."""

_MAX_PUBLIC_DATA = 1_200
_MAX_PRIVATE_DATA = 5_000
"""Bytes of the DER forms; an 8,192-bit key has about 1,060 and 4,650."""

_REQUIREMENT = "PEERID-05"


def generate(bits: int = MIN_BITS) -> bytes:
    """Return a new random private key with a modulus of ``bits`` bits.

    Raises:
        ConfigError: ``bits`` is not 2,048 to 8,192.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ConfigError(f"an RSA key has {MIN_BITS} to {MAX_BITS} bits, not {bits}")
    return private_data(generate_private_key(public_exponent=65_537, key_size=bits))


def load_private(data: bytes) -> RSAPrivateKey:
    """Read a private key in PKCS#1 DER form.

    Raises:
        DecodeError: it is no such key, or of a size that is refused (PEERID-05).
    """
    key = der.load_private(data, _MAX_PRIVATE_DATA, _REQUIREMENT)
    if not isinstance(key, RSAPrivateKey):
        raise DecodeError("this private key is not an RSA key", requirement=_REQUIREMENT)
    _check(key.public_key())
    return key


def load_public(data: bytes) -> RSAPublicKey:
    """Read a public key in PKIX DER form.

    Raises:
        DecodeError: it is no such key, or of a size that is refused (PEERID-05).
    """
    key = der.load_public(data, _MAX_PUBLIC_DATA, _REQUIREMENT)
    if not isinstance(key, RSAPublicKey):
        raise DecodeError("this public key is not an RSA key", requirement=_REQUIREMENT)
    _check(key)
    return key


def _check(key: RSAPublicKey) -> None:
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise DecodeError(
            f"an RSA key of {key.key_size} bits is not within {MIN_BITS} to {MAX_BITS}", requirement=_REQUIREMENT
        )
    if key.public_numbers().e > _MAX_EXPONENT:
        raise DecodeError("an RSA public exponent is above 2**31 - 1", requirement=_REQUIREMENT)


def private_data(private: RSAPrivateKey) -> bytes:
    """Return what :func:`load_private` reads."""
    return der.private_data(private)


def public_data(private: RSAPrivateKey) -> bytes:
    """Return the public key that belongs to ``private``, as :func:`load_public` reads it."""
    return der.public_data(private.public_key())


def sign(private: RSAPrivateKey, message: bytes) -> bytes:
    """Return the signature of ``message``, as long as the modulus."""
    return private.sign(message, PKCS1v15(), SHA256())


def verify(public: RSAPublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is that of ``message`` by ``public``."""
    try:
        public.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
