"""Ids and addresses of simulated peers (no keys: nothing is signed), and ids that an attacker has searched for."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from random import Random

from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.keyspace import common_prefix, position

__all__ = ["ground_ids", "public_address", "simulated_id"]

_FIRST = range(11, 100)
"""First bytes of IPv4 addresses that are all public."""


def simulated_id(name: str) -> PeerId:
    """Return the id of that name, always the same: the hash of a key that nobody has."""
    return PeerId(b"\x12\x20" + sha256(name.encode()).digest())


def public_address(random: Random, group: str | None = None) -> Multiaddr:
    """Return a public address by chance, or one of an IP group, which is the first half of an address: ``8.8``."""
    if group is None:
        group = f"{random.choice(_FIRST)}.{random.randrange(256)}"
    return parse(f"/ip4/{group}.{random.randrange(256)}.{random.randrange(1, 255)}/tcp/4001")


def ground_ids(key: bytes, bits: int, number: int, name: str) -> list[PeerId]:
    """Return ids that share at least ``bits`` leading bits with a key: each takes 2 ** bits hashes in the mean."""
    target = position(key)
    ids = (simulated_id(f"{name} {each}") for each in count())
    found: list[PeerId] = []
    while len(found) < number:
        candidate = next(ids)
        if common_prefix(position(candidate.to_bytes()), target) >= bits:
            found.append(candidate)
    return found
