"""A peer as the DHT's messages name it: its id, and addresses to reach it (KAD-01, KAD-13; specs/kad.md). Hot path.

Lookups see the same peers again and again, in many answers. So what was read of one is remembered by its bytes, and
what is written of one is kept with it.
"""

from __future__ import annotations

from functools import lru_cache

from p2pstack.errors import DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.groups import groups_of
from p2pstack.kad.keyspace import position
from p2pstack.wire import protobuf, uvarint
from p2pstack.wire.pb import kad_pb2

__all__ = ["Contact", "decode_contact"]

_REMEMBERED = 4_096
_MAX_REMEMBERED_SIZE = 512
"""Entries up to this size are remembered: an honest one has 50 to 300 bytes."""


class Contact:
    """A peer and its addresses, without ``/p2p`` parts. Not to be changed once made.

    Equal when both are; hashes by the peer.
    """

    __slots__ = ("_entry", "_groups", "_position", "addresses", "peer")

    def __init__(self, peer: PeerId, addresses: tuple[Multiaddr, ...] = ()) -> None:
        self.peer = peer
        self.addresses = addresses
        self._position: int | None = None
        self._groups: tuple[bytes, ...] | None = None
        self._entry: bytes | None = None

    @property
    def position(self) -> int:
        """Where it lies (KAD-02)."""
        if self._position is None:
            self._position = position(self.peer.to_bytes())
        return self._position

    @property
    def groups(self) -> tuple[bytes, ...]:
        """The IP groups of its addresses (KAD-21)."""
        if self._groups is None:
            self._groups = groups_of(self.addresses)
        return self._groups

    def with_addresses(self, more: tuple[Multiaddr, ...], limit: int) -> Contact:
        """Return it with further addresses behind its own, at most ``limit``; itself where there is nothing new."""
        new = [each for each in more if each not in self.addresses][: max(limit - len(self.addresses), 0)]
        return Contact(self.peer, (*self.addresses, *new)) if new else self

    def encode(self) -> bytes:
        """Return the peer as it stands in a message, without its tag and length.

        That we have a connection to it is not said: nobody is known to act on that.
        """
        raw = kad_pb2.KadPeer(id=self.peer.to_bytes(), addrs=[each.to_bytes() for each in self.addresses])
        return protobuf.serialize(raw)

    @property
    def entry(self) -> bytes:
        """What :meth:`encode` returns, behind its length. HOT PATH."""
        if self._entry is None:
            body = self.encode()
            self._entry = uvarint.encode(len(body)) + body
        return self._entry

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Contact):
            return NotImplemented
        return self.peer == other.peer and self.addresses == other.addresses

    def __hash__(self) -> int:
        return hash(self.peer)

    def __repr__(self) -> str:
        return f"<Contact {self.peer} at {', '.join(map(str, self.addresses)) or 'no address'}>"


def decode_contact(data: bytes, max_addresses: int) -> Contact | None:
    """Read a peer from its bytes in a message; None where its id is none (KAD-04).

    Addresses that do not parse or name another peer are skipped, a ``/p2p`` part that names this one is cut off, and no
    more than ``max_addresses`` are kept (KAD-13).

    Raises:
        DecodeError: it is no protobuf.
    """
    if len(data) <= _MAX_REMEMBERED_SIZE:
        return _remembered(data, max_addresses)
    return _decode(data, max_addresses)


def _decode(data: bytes, max_addresses: int) -> Contact | None:
    raw = protobuf.parse(kad_pb2.KadPeer, data)
    try:
        peer = PeerId(raw.id)
    except DecodeError:
        return None
    addresses: dict[Multiaddr, None] = {}
    for each in raw.addrs[: 2 * max_addresses]:
        try:
            address = multiaddrs.parse(each)
        except DecodeError:
            continue
        if multiaddrs.peer_id_of(address) in (None, peer):
            addresses[multiaddrs.without_peer(address)] = None
    # What was nothing but /p2p/ID leaves an empty address, which leads nowhere.
    return Contact(peer, tuple(each for each in addresses if each.to_bytes())[:max_addresses])


_remembered = lru_cache(maxsize=_REMEMBERED)(_decode)
