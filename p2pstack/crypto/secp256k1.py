"""ECDSA over secp256k1 with SHA-256, and the libp2p forms of their keys (PEERID-06)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pstack.errors import DecodeError

__all__ = ["ORDER", "generate", "load_private", "load_public", "private_data", "public_data", "sign", "verify"]

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Of the group (SEC 2, 2.4.1): private keys are the numbers 1 to ORDER - 1."""

PRIVATE_SIZE = 32
PUBLIC_SIZE = 33

_REQUIREMENT = "PEERID-06"


def generate() -> bytes:
    """Return a new random private key."""
    return private_data(ec.generate_private_key(ec.SECP256K1()))


def load_private(data: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key: its number in 32 bytes, big-endian.

    Raises:
        DecodeError: wrong length, or out of range.
    """
    if len(data) != PRIVATE_SIZE:
        raise DecodeError(f"a secp256k1 private key has 32 bytes, not {len(data)}", requirement=_REQUIREMENT)
    number = int.from_bytes(data, "big")
    if not 0 < number < ORDER:
        raise DecodeError("a secp256k1 private key is out of its range", requirement=_REQUIREMENT)
    return ec.derive_private_key(number, ec.SECP256K1())


def load_public(data: bytes) -> ec.EllipticCurvePublicKey:
    """Read a public key: a compressed point of 33 bytes.

    Raises:
        DecodeError: wrong length, or no point of the curve.
    """
    if len(data) != PUBLIC_SIZE:
        raise DecodeError(f"a secp256k1 public key has 33 bytes, not {len(data)}", requirement=_REQUIREMENT)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), data)
    except ValueError as error:
        raise DecodeError(f"this is no secp256k1 public key: {error}", requirement=_REQUIREMENT) from error


def private_data(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Return what :func:`load_private` reads."""
    return private.private_numbers().private_value.to_bytes(PRIVATE_SIZE, "big")


def public_data(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key that belongs to ``private``, as :func:`load_public` reads it."""
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sign(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return a signature of ``message`` with low S (BIP 62), in DER form; each call gives another."""
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256())))
    return encode_dss_signature(r, min(s, ORDER - s))


def verify(public: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is one of ``message`` by ``public``; a high S is accepted, as in go."""
    try:
        public.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
