"""Why a message, a name or a key of Shinkai is refused: one class a reason (specs/shinkai.md).

::

    MessageError                    a DecodeError; ``reason`` is its name in counters and logs
    ├── MalformedMessage            malformed             no message: not JSON, or a field is missing or wrong
    ├── OversizedMessage            oversized             more bytes, or more JSON, than is looked at
    ├── TooDeep                     too-deep              JSON nested deeper than is looked at
    ├── InvalidName                 invalid-name          no Shinkai name
    ├── InvalidInbox                invalid-inbox         no name of an inbox
    ├── InvalidKey                  invalid-key           no key, or one that gives every pair the same secret
    ├── InvalidTime                 invalid-time          no point in time
    ├── BadSignature                bad-signature         not signed by this key, or changed since
    ├── StillEncrypted              still-encrypted       what is asked for lies in a part that is encrypted
    ├── BadCiphertext               bad-ciphertext        the frame around a ciphertext does not parse
    ├── Undecryptable               wrong-key-or-tampered the cipher refuses: another key, or changed bytes
    └── UnknownSchema               unknown-schema        a decrypted content of no schema that readers know

A cipher can't tell a wrong key from changed bytes. The outer signature can: it is checked first, so that a message
which passes it and is undecryptable was encrypted for, or by, another key.
"""

from __future__ import annotations

from typing import ClassVar

from p2pstack.errors import DecodeError

__all__ = [
    "BadCiphertext",
    "BadSignature",
    "InvalidInbox",
    "InvalidKey",
    "InvalidName",
    "InvalidTime",
    "MalformedMessage",
    "MessageError",
    "OversizedMessage",
    "StillEncrypted",
    "TooDeep",
    "Undecryptable",
    "UnknownSchema",
    "shown",
]

_SHOWN = 80


def shown(text: str) -> str:
    """Return ``text`` as it may stand in an error or a log: quoted, escaped, and cut at 80 characters."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text)} characters)"


class MessageError(DecodeError):
    """A message or a part of one is refused; ``reason`` is a short name, the same for all that is refused for it."""

    reason: ClassVar[str] = "refused"


class MalformedMessage(MessageError):
    """It is no message: not JSON, or a field is missing, doubled or of the wrong kind (SHK-11, SHK-12)."""

    reason = "malformed"


class OversizedMessage(MessageError):
    """It has more bytes, or more JSON around its texts, than is looked at (SHK-15)."""

    reason = "oversized"


class TooDeep(MessageError):
    """Its JSON is nested deeper than is looked at (SHK-15)."""

    reason = "too-deep"


class InvalidName(MessageError):
    """A text that is no Shinkai name (SHK-02)."""

    reason = "invalid-name"


class InvalidInbox(MessageError):
    """A text that is no name of an inbox (SHK-04)."""

    reason = "invalid-inbox"


class InvalidKey(MessageError):
    """It is no key, or an X25519 key of low order, with which everybody shares the same secret (SHK-06, SHK-19)."""

    reason = "invalid-key"


class InvalidTime(MessageError):
    """A text that is no point in time (SHK-28)."""

    reason = "invalid-time"


class BadSignature(MessageError):
    """The signature is not this key's over this message (SHK-17, SHK-18)."""

    reason = "bad-signature"


class StillEncrypted(MessageError):
    """What is asked for lies in a part of the message that is encrypted."""

    reason = "still-encrypted"


class BadCiphertext(MessageError):
    """The frame around a ciphertext does not parse: prefix, hex digits or lengths (SHK-22)."""

    reason = "bad-ciphertext"


class Undecryptable(MessageError):
    """The cipher refuses: it was encrypted with another pair of keys, or changed on the way (SHK-20, SHK-21)."""

    reason = "wrong-key-or-tampered"


class UnknownSchema(MessageError):
    """A content was decrypted, and its schema is none that a reader knows (SHK-16)."""

    reason = "unknown-schema"
