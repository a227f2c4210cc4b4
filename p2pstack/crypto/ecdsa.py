"""ECDSA over the NIST curves with SHA-256, and the libp2p forms of their keys (PEERID-07)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from p2pstack.crypto import der
from p2pstack.errors import DecodeError

__all__ = ["generate", "load_private", "load_public", "private_data", "public_data", "sign", "verify"]

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
"""P-256 is the one of the specification; go reads the other two as well."""

_MAX_DATA = 256
"""Bytes of a DER form; a P-521 private key has 223."""

_REQUIREMENT = "PEERID-07"


def generate() -> bytes:
    """Return a new random private key on P-256."""
    return private_data(ec.generate_private_key(ec.SECP256R1()))


def load_private(data: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key in SEC 1 DER form (ECPrivateKey).

    Raises:
        DecodeError: it is no such key, or on another curve.
    """
    key = der.load_private(data, _MAX_DATA, _REQUIREMENT)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVES):
        raise DecodeError("this private key is not on a NIST curve", requirement=_REQUIREMENT)
    return key


def load_public(data: bytes) -> ec.EllipticCurvePublicKey:
    """Read a public key in PKIX DER form.

    Raises:
        DecodeError: it is no such key, or on another curve.
    """
    key = der.load_public(data, _MAX_DATA, _REQUIREMENT)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise DecodeError("this public key is not on a NIST curve", requirement=_REQUIREMENT)
    return key


def private_data(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Return what :func:`load_private` reads."""
    return der.private_data(private)


def public_data(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key that belongs to ``private``, as :func:`load_public` reads it."""
    return der.public_data(private.public_key())


def sign(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return a signature of ``message``, in DER form; each call gives another."""
    return private.sign(message, ec.ECDSA(SHA256()))


def verify(public: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is one of ``message`` by ``public``."""
    try:
        public.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
