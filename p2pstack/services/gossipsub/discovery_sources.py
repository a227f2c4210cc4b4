"""Where peers of a topic are found: rendezvous points, and a DHT as go uses it (GS10-32, GS10-33)."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.rendezvous.client import RendezvousClient

__all__ = ["DhtSource", "Provided", "ProviderDht", "RendezvousSource", "TopicPeer", "TopicSource", "topic_key"]

_SHA256 = b"\x12\x20"
_PROVIDE_AGAIN = 10_800.0
"""Seconds after which go announces a topic to the DHT again."""


@dataclass(frozen=True, slots=True)
class TopicPeer:
    """A peer of a topic, and where it can be dialled, as far as the source knows."""

    peer: PeerId
    addresses: tuple[Multiaddr, ...] = ()


class TopicSource(Protocol):
    """Who can tell peers of a topic from each other."""

    async def advertise(self, topic: str) -> float:
        """Tell that this host is of ``topic``; return the seconds after which to do so again, ``inf``: never.

        Raises:
            P2PError: it could not be told.
        """

    async def withdraw(self, topic: str) -> None:
        """Tell so no more; raises no P2PError."""

    def find(self, topic: str, count: int) -> AsyncGenerator[TopicPeer, None]:
        """Look for up to ``count`` peers of ``topic``, in any order.

        Raises:
            P2PError: the search failed.
        """


class RendezvousSource:
    """Peers of a topic are in the namespace of its name, at the points of a client, which keeps us registered."""

    def __init__(self, client: RendezvousClient) -> None:
        self._client = client

    async def advertise(self, topic: str) -> float:
        """Register; the client renews it.

        Raises:
            DecodeError: the name of the topic is longer than one of a namespace may be (RDV-03).
            P2PError: no point registers us.
        """
        await self._client.register(topic)
        return inf

    async def withdraw(self, topic: str) -> None:
        """End the registration."""
        await self._client.unregister(topic)
        self._client.forget(topic)

    async def find(self, topic: str, count: int) -> AsyncGenerator[TopicPeer, None]:
        """Yield those who are registered, in any order: not everybody shall come to the first of them.

        Raises:
            DecodeError: the name of the topic is longer than one of a namespace may be (RDV-03).
            P2PError: no point answers.
        """
        found = await self._client.discover(topic)
        for each in random.sample(found, min(count, len(found))):
            yield TopicPeer(each.peer, each.addresses)


class Provided(Protocol):
    """Who provides something."""

    @property
    def peer(self) -> PeerId:
        """Its id."""

    @property
    def addresses(self) -> Sequence[Multiaddr]:
        """Where it can be dialled; perhaps nowhere that is known."""


class ProviderSearch(Protocol):
    """Providers, as they are found; it ends by itself, or when it is closed."""

    def __aiter__(self) -> ProviderSearch:
        """Return itself."""

    async def __anext__(self) -> Provided:
        """Return the next one."""

    async def aclose(self) -> None:
        """End the search."""


class ProviderDht(Protocol):
    """What is asked of a DHT, such as :class:`p2pstack.services.kad.service.Kademlia`."""

    async def provide(self, key: bytes, *, republish: bool) -> object:
        """Announce that this host provides ``key``, a multihash: once, or again from time to time."""

    def find_providers(self, key: bytes, *, count: int) -> ProviderSearch:
        """Look for up to ``count`` providers of ``key``."""


def topic_key(topic: str) -> bytes:
    """Return the key under which go's pubsub finds the peers of a topic in a DHT: the multihash of a raw CID."""
    return _SHA256 + hashlib.sha256(b"floodsub:" + topic.encode()).digest()


class DhtSource:
    """Peers of a topic provide its key in a DHT, as go's pubsub has it."""

    def __init__(self, dht: ProviderDht) -> None:
        self._dht = dht

    async def advertise(self, topic: str) -> float:
        """Provide the topic's key, every three hours as go does.

        Raises:
            P2PError: nobody took it.
        """
        await self._dht.provide(topic_key(topic), republish=False)
        return _PROVIDE_AGAIN

    async def withdraw(self, topic: str) -> None:
        """Nothing to do: a DHT has no word for it, and forgets who does not announce itself again."""

    async def find(self, topic: str, count: int) -> AsyncGenerator[TopicPeer, None]:
        """Yield providers as they are found.

        Raises:
            P2PError: the lookup failed.
        """
        async with contextlib.aclosing(self._dht.find_providers(topic_key(topic), count=count)) as search:
            async for each in search:
                yield TopicPeer(each.peer, tuple(each.addresses))
