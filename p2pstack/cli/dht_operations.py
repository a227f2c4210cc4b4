"""One operation of the DHT, by name, for the peer command line and for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from p2pstack.errors import P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.kad.errors import LookupFailed
from p2pstack.services.kad.results import Progress
from p2pstack.services.kad.service import Kademlia

__all__ = ["OPERATIONS", "Outcome", "Wish", "operate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be done: with a peer for find-peer, with a key else, and with a value for put.

    ``count``: so many providers are enough. ``republish``: who provides something tells so again, as long as it stays.
    """

    operation: str
    peer: PeerId | None = None
    key: bytes = b""
    value: bytes = b""
    count: int = 20
    republish: bool = False


@dataclass(slots=True)
class Outcome:
    """How it went; ``reason`` says why where ``ok`` is false. ``accepted`` counts who took what was sent."""

    ok: bool = False
    peers: list[tuple[PeerId, Sequence[Multiaddr]]] = field(default_factory=list)
    value: bytes | None = None
    accepted: int = 0
    progress: Progress | None = None
    reason: str = ""
    seconds: float = 0.0


async def operate(dht: Kademlia, wish: Wish, timeout: float) -> Outcome:
    """Carry out a wish within ``timeout`` seconds; failures are in what is returned."""
    outcome = Outcome()
    started = perf_counter()
    try:
        await _BY_NAME[wish.operation](dht, wish, outcome, timeout)
        outcome.ok = not outcome.reason
    except P2PError as error:
        outcome.reason = str(error)
        if isinstance(error, LookupFailed):
            outcome.progress = error.progress
    outcome.seconds = perf_counter() - started
    return outcome


async def _find_peer(dht: Kademlia, wish: Wish, outcome: Outcome, timeout: float) -> None:
    if wish.peer is None:
        raise TypeError("find-peer wants a peer")
    found = await dht.find_peer(wish.peer, timeout=timeout)
    outcome.peers = [(found.peer, found.addresses)]
    outcome.progress = found.progress
    if not found.connected:
        outcome.reason = "it could not be reached at the addresses that others tell of it"


async def _closest(dht: Kademlia, wish: Wish, outcome: Outcome, timeout: float) -> None:
    found = await dht.closest(wish.key, timeout=timeout)
    outcome.peers = [(each.peer, each.addresses) for each in found.peers]
    outcome.progress = found.progress
    if not found.peers:
        outcome.reason = "nobody answered"


async def _put(dht: Kademlia, wish: Wish, outcome: Outcome, timeout: float) -> None:
    sent = await dht.put_value(wish.key, wish.value, timeout=timeout, republish=False)
    outcome.accepted = len(sent.accepted)
    outcome.progress = sent.progress


async def _get(dht: Kademlia, wish: Wish, outcome: Outcome, timeout: float) -> None:
    found = await dht.get_value(wish.key, timeout=timeout)
    outcome.value = found.value
    outcome.progress = found.progress


async def _provide(dht: Kademlia, wish: Wish, outcome: Outcome, timeout: float) -> None:
    sent = await dht.provide(wish.key, timeout=timeout, republish=wish.republish)
    outcome.accepted = len(sent.accepted)
    outcome.progress = sent.progress


async def _find_providers(dht: Kademlia, wish: Wish, outcome: Outcome, timeout: float) -> None:
    async with dht.find_providers(wish.key, count=wish.count, timeout=timeout) as search:
        async for each in search:
            outcome.peers.append((each.peer, each.addresses))
    outcome.progress = search.progress
    if not outcome.peers:
        outcome.reason = "no provider found"


_BY_NAME: Mapping[str, Callable[[Kademlia, Wish, Outcome, float], Awaitable[None]]] = {
    "find-peer": _find_peer,
    "closest": _closest,
    "put": _put,
    "get": _get,
    "provide": _provide,
    "find-providers": _find_providers,
}

OPERATIONS = tuple(_BY_NAME)
"""What there is."""
