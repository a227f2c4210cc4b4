"""What names a message (GS10-06; specs/gossipsub.md): functions from a message to its id, which is any bytes.

All nodes of a topic have to use the same one, or they neither recognise each other's duplicates nor understand each
other's gossip. None of these raises, whatever a peer has put into the message.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.values import Message
from p2pstack.identity.peer_id import PeerId

__all__ = ["MessageId", "data_prefix_id", "default_id", "rust_id", "sha256_id"]

MessageId = Callable[[Message], bytes]
"""Makes ids. One of a user's own may not raise on any message either; the router drops what it raises on."""

_RUST_NOBODY = str(PeerId(b"\x00\x01\x00"))
"""The author that rust puts in where there is none."""


def default_id(message: Message) -> bytes:
    """Author and sequence number, as they are: the default of go, and of the specification."""
    return (message.source or b"") + (message.seqno or b"")


def rust_id(message: Message) -> bytes:
    """Author in base58 and sequence number in decimal, as text: the default of rust."""
    author, seqno = message.author, message.seqno
    number = int.from_bytes(seqno, "big") if seqno is not None and len(seqno) == 8 else 0
    return f"{_RUST_NOBODY if author is None else author}{number}".encode()


def sha256_id(message: Message) -> bytes:
    """The SHA-256 of the data: the default of js where nothing is signed. Equal data is one message."""
    return sha256(message.data).digest()


def data_prefix_id(size: int) -> MessageId:
    """Return a function for topics in which the data begin with ``size`` bytes that name it; shorter data is its id.

    Raises:
        ConfigError: ``size`` is not positive.
    """
    if size < 1:
        raise ConfigError("an id has at least one byte")

    def data_prefix(message: Message) -> bytes:
        return message.data[:size]

    return data_prefix
