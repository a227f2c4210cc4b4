"""Peers, tables and networks for the tests of the DHT: made from small numbers, always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256

from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import Network
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message
from p2pstack.kad.table import RoutingTable
from p2pstack.wire import protobuf
from p2pstack.wire.pb import kad_pb2

CONFIG = KadConfig()

GUARDED = replace(KadConfig.public(), network=Network.ANY)
"""With the limits on IP groups."""


def peer(number: int) -> PeerId:
    """An id that is the hash of no key: quick to make."""
    return PeerId(b"\x12\x20" + sha256(b"peer" + number.to_bytes(8, "big")).digest())


def address(number: int, port: int = 4001) -> Multiaddr:
    """A public address in an IP group of its own, for numbers below 20,000."""
    return parse(f"/ip4/{11 + number // 256}.{number % 256}.0.1/tcp/{port}")


def contact(number: int) -> Contact:
    return Contact(peer(number), (address(number),))


def contacts(numbers: Iterable[int]) -> list[Contact]:
    return [contact(number) for number in numbers]


def unmarked(body: bytes) -> bytes:
    """A message of go's without its word on which peers it is connected to, which we don't write."""
    message = protobuf.parse(kad_pb2.KadMessage, body)
    for each in (*message.closer_peers, *message.provider_peers):
        each.ClearField("connection")
    return protobuf.serialize(message)


def nearest(key: bytes, among: Iterable[Contact], count: int = 20) -> list[Contact]:
    target = position(key)
    return sorted(among, key=lambda each: each.position ^ target)[:count]


def table_of(own: int, known: Iterable[Contact], config: KadConfig = CONFIG) -> RoutingTable:
    table = RoutingTable(peer(own), config)
    for each in known:
        table.add(each, 0.0)
    return table


Answers = Callable[[Contact], Message | None]
"""What a peer answers to the request of a lookup; None: it can't be reached."""
