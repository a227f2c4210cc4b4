"""Protobuf fields of pubsub, written by hand (GS10-02, GS10-29; specs/gossipsub.md). Hot path.

The fields are few and their order matters, because what is signed is their encoding: known fields in the order of
their numbers, each with the shortest length (GS10-08).
"""

from __future__ import annotations

from p2pstack.errors import ConfigError
from p2pstack.wire import uvarint

__all__ = ["encode_field", "encode_message", "topic_to_bytes"]


def topic_to_bytes(topic: str) -> bytes:
    """Return a topic as it stands on the wire.

    Raises:
        ConfigError: the text has surrogates that stand for no byte, so that no bytes give it.
    """
    try:
        return topic.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ConfigError(f"{topic!r} can't be a topic: {error}") from error


def encode_field(tag: bytes, value: bytes) -> bytes:
    """Return one field of bytes: tag, length and value."""
    return tag + uvarint.encode(len(value)) + value


def encode_message(
    source: bytes | None,
    data: bytes,
    seqno: bytes | None,
    topic: str,
    signature: bytes | None = None,
    key: bytes | None = None,
) -> bytes:
    """Return a message's protobuf; what is None is left out, ``data`` and ``topic`` never are (GS10-29).

    Raises:
        ConfigError: the topic has no bytes.
    """
    name = topic_to_bytes(topic)
    encode = uvarint.encode
    parts = [] if source is None else [b"\x0a", encode(len(source)), source]
    parts += (b"\x12", encode(len(data)), data)
    if seqno is not None:
        parts += (b"\x1a", encode(len(seqno)), seqno)
    parts += (b"\x22", encode(len(name)), name)
    if signature is not None:
        parts += (b"\x2a", encode(len(signature)), signature)
    if key is not None:
        parts += (b"\x32", encode(len(key)), key)
    return b"".join(parts)
