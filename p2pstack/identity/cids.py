"""The text form of a multihash as CIDv1 with the codec libp2p-key (PEERID-09).

A CID is the bytes ``01 72`` and the multihash, in the base that its first letter names.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import base58

from p2pstack.errors import DecodeError

__all__ = ["LIBP2P_KEY", "decode", "encode"]

LIBP2P_KEY = b"\x01\x72"
"""CID version 1 and the codec libp2p-key, in front of the multihash."""

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def _from_base32(digits: str) -> bytes:
    padding = "=" * (-len(digits) % 8)
    return base64.b32decode(digits + padding, casefold=True)


def _from_base36(digits: str) -> bytes:
    zeros = len(digits) - len(digits.lstrip("0"))
    number = int(digits, 36)
    return bytes(zeros) + number.to_bytes(-(-number.bit_length() // 8), "big")


_BASES: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "b": (_BASE32, _from_base32),
    "B": (_BASE32.upper(), _from_base32),
    "f": ("0123456789abcdef", bytes.fromhex),
    "F": ("0123456789ABCDEF", bytes.fromhex),
    "k": (_BASE36, _from_base36),
    "K": (_BASE36.upper(), _from_base36),
    "z": (base58.BITCOIN_ALPHABET.decode(), base58.b58decode),
}
"""Multibase letter -> its digits, and what decodes them: the bases in which go writes CIDs."""


def encode(multihash: bytes) -> str:
    """Return the CIDv1 of ``multihash`` in base32."""
    return "b" + base64.b32encode(LIBP2P_KEY + multihash).decode().rstrip("=").lower()


def decode(text: str) -> bytes:
    """Return the multihash of a CIDv1; the caller bounds the length of ``text`` and checks the multihash.

    Raises:
        DecodeError: it is no CIDv1, in a base that is not known, or not of the codec libp2p-key.
    """
    base = _BASES.get(text[:1])
    if base is None:
        raise DecodeError(f"{text!r} is neither base58 nor a CID in a known base", requirement="PEERID-09")
    digits, decoder = base
    if len(text) < 2 or not set(digits).issuperset(text[1:]):
        raise DecodeError(f"{text!r} is no CID", requirement="PEERID-09")
    try:
        data = decoder(text[1:])
    except ValueError as error:
        raise DecodeError(f"{text!r} is no CID: {error}", requirement="PEERID-09") from error
    return decode_bytes(data)


def decode_bytes(data: bytes) -> bytes:
    """Return the multihash of a CID in binary form.

    Raises:
        DecodeError: it is not a CIDv1 of the codec libp2p-key.
    """
    if not data.startswith(LIBP2P_KEY):
        raise DecodeError("a CID is not version 1 with codec libp2p-key", requirement="PEERID-09")
    return data[len(LIBP2P_KEY) :]
