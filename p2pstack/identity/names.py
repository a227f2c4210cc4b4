"""Keys that follow from a node's name (PEERID-12): the public rule of old Shinkai nodes, and one with a secret."""

from __future__ import annotations

from p2pstack.crypto import ed25519, hkdf
from p2pstack.errors import ConfigError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.siphash import siphash13

__all__ = ["MIN_SECRET", "key_from_node_name", "key_from_secret"]

MIN_SECRET = 32
"""Bytes that a secret must have: as many as the key that is derived from it."""

_SALT = b"p2pstack node key from secret and name, version 1"


def key_from_node_name(name: str) -> PrivateKey:
    """Return the key that a Shinkai node of May 2025 had by its name alone.

    .. warning::
        THIS KEY IS NOT SECRET. ANYBODY WHO KNOWS THE NAME HAS THE PRIVATE KEY, can sign as the node and answer in its
        place. It proves nothing about who uses it. It is for talking to such nodes and for tests; anything else wants
        :func:`key_from_secret` or :meth:`PrivateKey.generate`.

    The seed is the SipHash-1-3 under key zero of the name's UTF-8 and one byte 0xFF, big-endian, four times. The name
    is taken as it is; those nodes used their full name in lower case (``@@alice.shinkai``).
    """
    number = siphash13(name.encode() + b"\xff")
    return PrivateKey.from_seed(number.to_bytes(8, "big") * 4)


def key_from_secret(secret: bytes, name: str) -> PrivateKey:
    """Return the key of the node ``name`` whose operator holds ``secret``: always the same, and nobody else's.

    ``secret`` is at least 32 random bytes (``secrets.token_bytes(32)``, stored as a private key would be), no
    passphrase. One secret serves any number of names, and none of their keys gives away the secret or another key
    (HKDF-SHA-256, RFC 5869).

    Raises:
        ConfigError: ``secret`` is shorter than 32 bytes.
    """
    if len(secret) < MIN_SECRET:
        raise ConfigError(f"a secret of {len(secret)} bytes is too short: it takes {MIN_SECRET} random ones")
    return PrivateKey.from_seed(hkdf.hkdf(secret, _SALT, name.encode(), ed25519.SEED_SIZE))
