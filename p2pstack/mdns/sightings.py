"""What an answer says of peers (MDNS-04, MDNS-05)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.names import Name
from p2pstack.mdns.packet import Kind, Packet, Record

__all__ = ["Sighting", "sightings"]

MAX_STRINGS = 128
"""Strings of a packet that are looked at. Ours have 12 at most."""

PREFIX = b"dnsaddr="


@dataclass(frozen=True, slots=True)
class Sighting:
    """A peer and where it says to be, with ``/p2p``. ``ttl`` are the seconds for which that holds; 0: it leaves."""

    peer: PeerId
    addresses: tuple[Multiaddr, ...]
    ttl: int


def sightings(packet: Packet, service: Name) -> list[Sighting]:
    """Return what an answer says of peers of ``service``, each peer once.

    Texts belong to it that a PTR record of the service names, or that are called ``….SERVICE``: go's announcements have
    a PTR record, rust's instances are single labels. It does not matter in which section a record stands. What is no
    ``dnsaddr=``, does not parse, or does not end with ``/p2p``, is skipped (MDNS-04).
    """
    records = (*packet.answers, *packet.additional)
    pointers = {each.target: each.ttl for each in records if each.kind == Kind.PTR and each.name == service}
    addresses: dict[PeerId, dict[Multiaddr, None]] = {}
    lifetimes: dict[PeerId, int] = {}
    left = MAX_STRINGS
    for record in records:
        if record.kind != Kind.TXT:
            continue
        named = record.name in pointers
        if not named and record.name[-len(service) :] != service:
            continue
        ttl = min(record.ttl, pointers[record.name]) if named else record.ttl
        for text in _strings(record):
            left -= 1
            if left < 0:
                break
            found = _address(text)
            if found is not None:
                peer, address = found
                addresses.setdefault(peer, {})[address] = None
                lifetimes[peer] = min(ttl, lifetimes.get(peer, ttl))
    return [Sighting(peer, tuple(found), lifetimes[peer]) for peer, found in addresses.items()]


def _strings(record: Record) -> Iterator[bytes]:
    """Return the strings of a TXT record; one that is cut off is not among them."""
    data, offset = record.data, 0
    while offset < len(data):
        end = offset + 1 + data[offset]
        if end > len(data):
            return
        yield data[offset + 1 : end]
        offset = end


def _address(text: bytes) -> tuple[PeerId, Multiaddr] | None:
    if text[: len(PREFIX)].lower() != PREFIX:
        return None
    try:
        address = parse(text[len(PREFIX) :].decode())
    except (DecodeError, UnicodeDecodeError):
        return None
    peer = peer_id_of(address)
    return (peer, address) if peer is not None else None
