"""How a node of the first era proved its name to a TCP relay (SHK-35): a hello, a challenge, a signature, a verdict.

::

    node   a frame of type 3 with its full name (p2pstack.shinkai.frames)
    relay  length, challenge                      a text; the length has 4 bytes, big-endian
    node   200, 64, key, 128, signature           key and signature in hex, each behind its length; 200 counts all
    relay  length, "Validation successful", or another text that says why not

A relay's texts are no frames, and it sends one also when it refuses a message later on.
"""

from __future__ import annotations

from struct import Struct

from p2pstack.crypto import ed25519
from p2pstack.errors import LocalError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import MalformedMessage, OversizedMessage
from p2pstack.shinkai.keys import public_from_hex, public_to_hex, unhex
from p2pstack.wire import Buffer

__all__ = ["MAX_TEXT", "SUCCESS", "answer", "decode_answer", "decode_text", "encode_text", "verify_answer"]

MAX_TEXT = 1_024
"""Bytes of the longest text of a relay. A challenge has 26; nobody needs more than a line to say why not."""

SUCCESS = "Validation successful"

_LENGTH = Struct(">I")
_KEY_DIGITS = 64
_SIGNATURE_DIGITS = 128
_ANSWER = Struct(f">II{_KEY_DIGITS}sI{_SIGNATURE_DIGITS}s")


def encode_text(text: str) -> bytes:
    """Return a challenge or a verdict as a relay sends it.

    Raises:
        LocalError: it is longer than ``MAX_TEXT`` bytes, or no valid Unicode.
    """
    data = json_text.utf8(text)
    if len(data) > MAX_TEXT:
        raise LocalError(f"a text of {len(data)} bytes, {MAX_TEXT} are allowed")
    return _LENGTH.pack(len(data)) + data


def decode_text(data: Buffer) -> tuple[str, int] | None:
    """Read a relay's text from the beginning of ``data``.

    Returns:
        The text and the number of bytes that it took, or None where more bytes are needed.

    Raises:
        OversizedMessage: it is longer than ``MAX_TEXT`` bytes, by its length.
        MalformedMessage: it is not UTF-8.
    """
    if len(data) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(data)
    if length > MAX_TEXT:
        raise OversizedMessage(f"a relay's text of {length} bytes, {MAX_TEXT} are allowed", requirement="SHK-35")
    end = _LENGTH.size + length
    if len(data) < end:
        return None
    try:
        return str(memoryview(data)[_LENGTH.size : end], "utf-8"), end
    except UnicodeDecodeError:
        raise MalformedMessage("a relay's text is not UTF-8", requirement="SHK-35") from None


def answer(challenge: str, key: PrivateKey) -> bytes:
    """Return what a node sends for a challenge: its key and the signature over the text, white space around it cut.

    Raises:
        LocalError: the key is no Ed25519 key.
    """
    public = public_to_hex(key.public_key)
    signature = key.sign(challenge.strip().encode()).hex()
    total = _ANSWER.size - _LENGTH.size
    return _ANSWER.pack(total, len(public), public.encode(), len(signature), signature.encode())


def decode_answer(data: Buffer) -> tuple[PublicKey, bytes, int] | None:
    """Read a node's answer from the beginning of ``data``.

    Returns:
        Its key, its signature and the number of bytes that they took, or None where more bytes are needed. Names that
        are registered are checked with the directory's key, whatever key this is.

    Raises:
        MalformedMessage: a length is not that of an answer, or the digits are none.
    """
    if len(data) < _LENGTH.size:
        return None
    (total,) = _LENGTH.unpack_from(data)
    if total != _ANSWER.size - _LENGTH.size:
        raise MalformedMessage(f"an answer of {total} bytes", requirement="SHK-35")
    if len(data) < _ANSWER.size:
        return None
    _, key_length, key, signature_length, signature = _ANSWER.unpack_from(data)
    if key_length != _KEY_DIGITS or signature_length != _SIGNATURE_DIGITS:
        raise MalformedMessage("key and signature have other lengths than theirs", requirement="SHK-35")
    try:
        return public_from_hex(key.decode("ascii")), unhex(signature.decode("ascii")), _ANSWER.size
    except UnicodeDecodeError:
        raise MalformedMessage("key and signature are not in hex", requirement="SHK-35") from None
    except ValueError as error:
        raise MalformedMessage(f"key and signature are not in hex: {error}", requirement="SHK-35") from error


def verify_answer(challenge: str, signature: bytes, key: PublicKey) -> bool:
    """Tell whether ``signature`` is this key's over the challenge."""
    return ed25519.verify(key.data, challenge.strip().encode(), signature)
