"""The short messages by which seed nodes say that they are there (SHK-72; specs/shinkai.md).

``{"type":"discovery","peer_id":"12D3KooW…"}``. Originals look for ``"type":"discovery"`` anywhere in it, and log.
"""

from __future__ import annotations

from p2pstack.errors import DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import MalformedMessage
from p2pstack.shinkai.json_text import Members

__all__ = ["DISCOVERY", "PEER_CONNECTED", "PEER_JOINED", "decode", "encode", "looks_like"]

DISCOVERY = "discovery"
"""I am here: at the start, and now and then."""

PEER_JOINED = "peer_joined"
"""I have met somebody."""

PEER_CONNECTED = "peer_connected"
"""A relay has met the peer that it names."""

_KINDS = frozenset({DISCOVERY, PEER_JOINED, PEER_CONNECTED})
_BEGIN = b'{"type":'


def looks_like(data: bytes) -> bool:
    """Whether a payload is meant as such a message. No Shinkai message begins so: it has no such field."""
    return data.startswith(_BEGIN)


def encode(kind: str, peer: PeerId) -> bytes:
    """Return the message with which ``peer`` is named."""
    return json_text.compact({"type": kind, "peer_id": str(peer)}).encode()


def decode(data: bytes) -> tuple[PeerId, str]:
    """Return who is named, and the kind.

    Raises:
        MessageError: it is no such message.
    """
    try:
        value = json_text.read(data.decode())
        members = dict(value.pairs) if isinstance(value, Members) else {}
        kind, peer = members.get("type"), members.get("peer_id")
        if not isinstance(kind, str) or kind not in _KINDS or not isinstance(peer, str):
            raise MalformedMessage("this is no discovery message", requirement="SHK-72")
        return PeerId.from_string(peer), kind
    except (UnicodeDecodeError, DecodeError) as error:
        raise MalformedMessage("this is no discovery message", requirement="SHK-72") from error
