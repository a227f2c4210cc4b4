"""Peers, their records, and a point with which they register."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.rendezvous.messages import Register

ADDRESS = "/ip4/192.0.2.1/tcp/4001"
EPOCH = b"\x01\x02\x03"
KEYS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(1, 9)]
PEERS = [key.peer_id for key in KEYS]


def record(number: int, *, seq: int = 1, addresses: Iterable[str] = (ADDRESS,), legacy: bool = True) -> bytes:
    """The signed record of a peer."""
    made = PeerRecord(PEERS[number], seq, tuple(map(parse, addresses)))
    return made.seal(KEYS[number], legacy=legacy).to_bytes()


def registration(number: int, namespace: str = "a", ttl: int | None = None) -> Register:
    """What a peer sends to register."""
    return Register(namespace.encode(), record(number), ttl)
