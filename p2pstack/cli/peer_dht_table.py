"""``p2pstack peer dht-table``: how much memory a routing table of so many peers takes."""

from __future__ import annotations

import argparse
import gc
from itertools import count as counting
from random import Random
from time import monotonic

from p2pstack.cli.arguments import Commands, count
from p2pstack.cli.peer_host import emit, resident_kib
from p2pstack.host.config import PeerstoreConfig
from p2pstack.host.peerstore import Peerstore
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType, encode
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.kad.table import RoutingTable

__all__ = ["add_dht_table", "measure"]

_ED25519 = b"\x00\x24\x08\x01\x12\x20"
"""What stands before the 32 bytes of the key in the id of an Ed25519 peer (PEERID-08)."""

_Filled = tuple[RoutingTable, Peerstore]


def add_dht_table(verbs: Commands) -> argparse.ArgumentParser:
    """Add the verb ``dht-table``."""
    verb = verbs.add_parser("dht-table", help="fill DHT routing tables with made-up peers, print the memory of one")
    verb.add_argument("--peers", type=count, default=1_000, metavar="N", help="peers of a table")
    verb.add_argument("--tables", type=count, default=10, metavar="T", help="tables, of which the mean is printed")
    return verb


def measure(options: argparse.Namespace) -> None:
    """Print by how much the resident memory grows for a table, with what the peerstore holds of its peers.

    Pages are coarse, so that the mean of several tables is taken. A first one, which stays, is not counted: its growth
    would be that of caches and of the allocator, too. Each peer has one address and the DHT's protocol, as identify
    notes them before a peer gets into the table, and its bytes in messages, which are kept once somebody was told.
    """
    peers, tables = options.peers, options.tables
    numbers = counting()
    kept = [_filled(peers, numbers)]
    before = _resident_bytes()
    kept += [_filled(peers, numbers) for _ in range(tables)]
    growth = _resident_bytes() - before
    held = sum(len(table) for table, _ in kept[1:])
    emit("dht-table-memory", peers=peers, tables=tables, in_table=held // tables, bytes=growth // tables)


def _filled(peers: int, numbers: counting[int]) -> _Filled:
    """Return a table with so many new peers, all of which its buckets have room for, and its peerstore."""
    table = RoutingTable(_peer(next(numbers)), KadConfig(k=peers, beta=1))
    store = Peerstore(PeerstoreConfig(max_peers=peers))
    for _ in range(peers):
        number = next(numbers)
        peer, address = _peer(number), _address(number)
        now = monotonic()
        store.add_addresses(peer, [address], now + store.config.address_ttl)
        store.set_protocols(peer, [PROTOCOL])
        contact = Contact(peer, (address,))
        table.add(contact, now)
        encode(Message(type=MessageType.FIND_NODE, closer=(contact,)))
    return table, store


def _peer(number: int) -> PeerId:
    return PeerId(_ED25519 + Random(number).randbytes(32))  # noqa: S311 (nothing is kept secret by it)


def _address(number: int) -> Multiaddr:
    return parse(f"/ip4/10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/tcp/4001")


def _resident_bytes() -> int:
    gc.collect()
    return resident_kib() * 1024
