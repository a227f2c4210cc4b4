"""The machine of mDNS: all segments, what is said there, and who was heard (specs/mdns.md).

::

    machine = Discovery(peer_id, MdnsConfig(), name=peer_name(secrets.token_bytes(40)), chance=random.random)
    machine.join(segment, now)
    machine.advertise(["/ip4/192.168.1.2/tcp/4001"], now)
    machine.receive(segment.key, packet, source, now)
    for key, packet in machine.packets(): ...      # to be sent by multicast on the segment
    for change in machine.changes(): ...           # peers that came and went
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.advert import Advert
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.link import Link
from p2pstack.mdns.names import service_name
from p2pstack.mdns.packet import Packet, decode
from p2pstack.mdns.segment import Ip, Segment
from p2pstack.mdns.sightings import sightings
from p2pstack.mdns.table import Change, Source, Table

__all__ = ["Discovery", "Key"]

Key = tuple[str, int]
"""Of a segment: the interface, and the version of IP."""

SWEEP = 1.0
"""Seconds between two looks for peers whose time has come."""


class Discovery:
    """Finds peers and is found. Times are seconds on one clock, which the caller reads.

    ``name`` is what the peer is called (see ``peer_name``), ``chance`` returns numbers of at least 0 and less than 1.
    """

    def __init__(self, peer: PeerId, config: MdnsConfig, *, name: bytes, chance: Callable[[], float]) -> None:
        self.config = config
        self.table = Table(config)
        self.malformed = 0
        """Packets that do not parse."""
        self.foreign = 0
        """Packets that come from outside of the network on which they were heard."""
        self._peer = peer
        self._name = name
        self._chance = chance
        self._service = service_name(config.service)
        self._addresses: tuple[Multiaddr, ...] = ()
        self._segments: dict[Key, tuple[Segment, Link]] = {}
        self._sweep_at: float | None = None
        self._packets: list[tuple[Key, bytes]] = []
        self._changes: list[Change] = []

    # -- where

    @property
    def segments(self) -> list[Segment]:
        """Where it speaks."""
        return [segment for segment, _ in self._segments.values()]

    @property
    def dropped(self) -> int:
        """Packets that were dropped unread, because there were too many."""
        return sum(link.dropped for _, link in self._segments.values())

    def join(self, segment: Segment, now: float) -> None:
        """Speak on a segment from now on, or on one that has changed."""
        known = self._segments.get(segment.key)
        link = known[1] if known is not None else Link(self._service, self.config, self._chance, now)
        self._segments[segment.key] = segment, link
        self._tell(segment, link, now)

    def leave(self, key: Key) -> None:
        """Speak there no longer: the interface is gone. Who was heard there alone is gone as well (MDNS-08)."""
        del self._segments[key]
        self._changes += self.table.forget(key)

    def advertise(self, addresses: Sequence[Multiaddr], now: float) -> None:
        """Say that the host is at ``addresses``; on each segment those that are of use there (MDNS-06)."""
        self._addresses = tuple(addresses)
        for segment, link in self._segments.values():
            self._tell(segment, link, now)

    def close(self) -> None:
        """Say goodbye everywhere (MDNS-07)."""
        for key, (_, link) in self._segments.items():
            self._packets += [(key, packet) for packet in link.goodbye()]

    def _tell(self, segment: Segment, link: Link, now: float) -> None:
        suitable = tuple(segment.tells(self._addresses))
        advert = None
        if suitable:
            advert = Advert(self._service, self._name, self._peer, suitable, self.config.ttl)
        self._packets += [(segment.key, packet) for packet in link.advertise(advert, now)]

    # -- what comes

    def receive(self, key: Key, data: bytes, source: Ip, now: float) -> None:
        """Take a packet that was heard on a segment, whatever it holds: what is not sound is counted and ignored."""
        segment, link = self._segments[key]
        if not link.admit(len(data), now):
            return
        if not segment.holds(source):
            self.foreign += 1
            return
        try:
            packet = decode(data)
        except DecodeError:
            self.malformed += 1
            return
        if packet is None:
            return
        if packet.is_answer:
            self._receive_answer(segment, link, packet, source, now)
        else:
            link.receive_query(packet, now)

    def _receive_answer(self, segment: Segment, link: Link, packet: Packet, source: Ip, now: float) -> None:
        for found in sightings(packet, self._service):
            if found.peer != self._peer:
                link.receive_answer()
                addresses = segment.believes(found.addresses, source)
                where = Source(segment.key, source)
                self._changes += self.table.heard(found.peer, addresses, found.ttl, where, now)
        if self._sweep_at is None and len(self.table):
            self._sweep_at = now + SWEEP

    # -- what goes

    def next_timeout(self) -> float | None:
        """Return when :meth:`handle_timeout` is due, or None while nothing is."""
        due = [link.next_timeout() for _, link in self._segments.values()]
        if self._sweep_at is not None:
            due.append(self._sweep_at)
        return min(due, default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        for key, (_, link) in self._segments.items():
            self._packets += [(key, packet) for packet in link.handle_timeout(now)]
        if self._sweep_at is not None and self._sweep_at <= now:
            self._changes += self.table.expire(now)
            self._sweep_at = now + SWEEP if len(self.table) else None

    def packets(self) -> list[tuple[Key, bytes]]:
        """Return what is to be sent, and on which segment; drained."""
        packets, self._packets = self._packets, []
        return packets

    def changes(self) -> list[Change]:
        """Return which peers came and went, in order; drained."""
        changes, self._changes = self._changes, []
        return changes
