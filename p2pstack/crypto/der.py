"""Reading of DER keys, as RSA and ECDSA keys are stored (PEERID-05, PEERID-07).

A key is read only if writing it gives the same bytes again. An id is the hash of these bytes: were a second encoding
accepted, one key would have two ids.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from p2pstack.errors import DecodeError

__all__ = ["load_private", "load_public", "private_data", "public_data"]


def public_data(public: PublicKeyTypes) -> bytes:
    """Return the key as PKIX SubjectPublicKeyInfo."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def private_data(private: PrivateKeyTypes) -> bytes:
    """Return the key in the form of its kind: PKCS#1 for RSA, SEC 1 ECPrivateKey for ECDSA."""
    return private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def load_public(data: bytes, max_size: int, requirement: str) -> PublicKeyTypes:
    """Read a PKIX public key of at most ``max_size`` bytes, of whatever kind.

    Raises:
        DecodeError: too long, no such key, or not in DER form; it cites ``requirement``.
    """
    _check_size(data, max_size, requirement)
    try:
        key = load_der_public_key(data)
        canonical = public_data(key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DecodeError(f"this is no PKIX public key: {error}", requirement=requirement) from error
    if canonical != data:
        raise DecodeError("a PKIX public key is not in its canonical form", requirement=requirement)
    return key


def load_private(data: bytes, max_size: int, requirement: str) -> PrivateKeyTypes:
    """Read a PKCS#1 or SEC 1 private key of at most ``max_size`` bytes.

    Raises:
        DecodeError: too long, no such key, or not in DER form; it cites ``requirement`` and shows nothing of the key.
    """
    _check_size(data, max_size, requirement)
    try:
        key = load_der_private_key(data, password=None)
        canonical = private_data(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # TypeError: it is encrypted. The cause is cut off: its text could quote the key.
        raise DecodeError("this is no private key in DER form", requirement=requirement) from None
    if canonical != data:
        raise DecodeError("a private key is not in its canonical DER form", requirement=requirement)
    return key


def _check_size(data: bytes, max_size: int, requirement: str) -> None:
    if len(data) > max_size:
        raise DecodeError(f"a key of {len(data)} bytes is longer than {max_size}", requirement=requirement)
