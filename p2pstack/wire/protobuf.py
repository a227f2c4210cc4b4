"""Protobuf messages to bytes and back, by the runtime's own parser (GEN-07).

Callers bound the size of what they parse: it bounds the number of repeated fields as well.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message

from p2pstack.errors import DecodeError
from p2pstack.wire import Buffer

__all__ = ["parse", "serialize"]

AnyMessage = TypeVar("AnyMessage", bound=Message)


def parse(message_class: type[AnyMessage], data: Buffer) -> AnyMessage:
    """Parse one message that fills all of ``data``; unknown fields are skipped.

    Raises:
        DecodeError: the bytes are no protobuf, or a field's bytes do not fit its type.
    """
    message = message_class()
    try:
        message.ParseFromString(bytes(data))
    except ProtobufError as error:
        name = message.DESCRIPTOR.name
        raise DecodeError(f"this is no {name} message: {error}", requirement="GEN-07") from error
    return message


def serialize(message: Message) -> bytes:
    """Return the message's bytes, fields in the order of their numbers."""
    return message.SerializeToString(deterministic=True)
