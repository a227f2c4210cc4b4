"""The messages of AutoNAT 1 (AUTONAT1-01): one asks to be dialled back, the other says how that went.

On the stream each stands behind its length. Both are read loosely where go writes loosely: a request without the peer's
id, addresses that do not parse, statuses without a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from p2pstack.autonat.protocols import MAX_V1_ADDRESSES
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.pb.autonat_v1_pb2 import AutonatV1

__all__ = ["Dial", "DialResponse", "Status"]

_DIAL, _DIAL_RESPONSE = 0, 1

_MAX_READ = 100
"""Addresses of a request that are looked at; a message of 4,096 bytes has room for 2,000 bad ones."""

_MAX_TEXT = 256
"""Characters kept of what a peer writes."""


class Status(IntEnum):
    """How a request ended. What a peer sends may be another number."""

    OK = 0
    E_DIAL_ERROR = 100
    E_DIAL_REFUSED = 101
    E_BAD_REQUEST = 200
    E_INTERNAL_ERROR = 300


@dataclass(frozen=True, slots=True)
class Dial:
    """A request. ``peer`` is the raw id that the client gives as its own, None if it gives none.

    ``valid`` tells whether it says at all who is to be dialled; without, it is a bad request (AUTONAT1-02).
    """

    peer: bytes | None
    addresses: tuple[Multiaddr, ...] = ()
    valid: bool = True

    @classmethod
    def of(cls, peer: PeerId, addresses: tuple[Multiaddr, ...]) -> Dial:
        """Return a request of ``peer``, about the first 16 of its addresses."""
        return cls(peer.to_bytes(), addresses[:MAX_V1_ADDRESSES])

    def encode(self) -> bytes:
        """Return the message."""
        info = AutonatV1.PeerInfo(addrs=[address.to_bytes() for address in self.addresses])
        if self.peer is not None:
            info.id = self.peer
        return protobuf.serialize(AutonatV1(type=_DIAL, dial=AutonatV1.Dial(peer=info)))

    @classmethod
    def decode(cls, data: Buffer) -> Dial:
        """Read a request; addresses that do not parse are left out, ``/p2p`` at their ends too.

        Raises:
            DecodeError: it is no message, or one of another type.
        """
        message = protobuf.parse(AutonatV1, data)
        if message.type != _DIAL or not message.HasField("type"):
            raise DecodeError("the message is no DIAL", requirement="AUTONAT1-01")
        info = message.dial.peer
        addresses = []
        for encoded in info.addrs[:_MAX_READ]:
            try:
                addresses.append(without_peer(parse(encoded)))
            except DecodeError:
                continue
        peer = info.id if info.HasField("id") else None
        return cls(peer, tuple(dict.fromkeys(addresses)), message.dial.HasField("peer"))


@dataclass(frozen=True, slots=True)
class DialResponse:
    """An answer. ``address`` is where the peer was reached, where ``status`` is OK."""

    status: int
    text: str = ""
    address: Multiaddr | None = None

    def encode(self) -> bytes:
        """Return the message."""
        response = AutonatV1.DialResponse(status=self.status)
        if self.text:
            response.status_text = self.text.encode()
        if self.address is not None:
            response.addr = self.address.to_bytes()
        return protobuf.serialize(AutonatV1(type=_DIAL_RESPONSE, dial_response=response))

    @classmethod
    def decode(cls, data: Buffer) -> DialResponse:
        """Read an answer; its text is cut and printable, its address is without ``/p2p``.

        Raises:
            DecodeError: it is no message, one of another type, without a status, or its address does not parse.
        """
        message = protobuf.parse(AutonatV1, data)
        response = message.dial_response
        if message.type != _DIAL_RESPONSE or not response.HasField("status"):
            raise DecodeError("the message is no DIAL_RESPONSE with a status", requirement="AUTONAT1-01")
        text = response.status_text.decode(errors="replace")[:_MAX_TEXT]
        text = "".join(char if char.isprintable() else "\ufffd" for char in text)
        address = without_peer(parse(response.addr)) if response.addr else None
        return cls(response.status, text, address)
