"""Connections that are kept: made again, after a while, whenever they end (SHK-76; specs/shinkai.md)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from p2pstack.errors import P2PError
from p2pstack.host.events import PeerDisconnected
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.network.config import LinkConfig

__all__ = ["DialledRelay", "KeptLink", "RelayLink", "redial_delay"]


def redial_delay(attempts: int, config: LinkConfig, chance: float) -> float:
    """Return the seconds until the next dial after ``attempts`` failures before; ``chance`` is 0 to 1."""
    # Not 2**attempts of a peer that is away for a year.
    return min(config.base * float(2 ** min(attempts, 32)), config.cap) + config.jitter * chance


class KeptLink:
    """One peer at one address, dialled until it answers, and again when it is gone.

    ``on_up`` is called with each connection's peer, ``on_down`` with why there is none and the seconds until the next
    dial.
    """

    def __init__(
        self,
        host: BaseHost,
        address: str | Multiaddr,
        config: LinkConfig,
        *,
        on_up: Callable[[PeerId], None] = lambda _: None,
        on_down: Callable[[str, float], None] = lambda *_: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.address = parse(address)
        self.peer: PeerId | None = None
        """Who answered last."""
        self.attempts = 0
        """Dials since the last connection that was of use."""
        self._host = host
        self._config = config
        self._on_up = on_up
        self._on_down = on_down
        self._chance = chance

    @property
    def connected(self) -> bool:
        """Whether there is a connection, whoever made it."""
        return self.peer is not None and bool(self._host.connections(self.peer))

    async def run(self) -> None:
        """Keep the connection, until cancelled."""
        while True:
            since = monotonic()
            try:
                await self._hold()
                reason = "the connection ended"
                if monotonic() - since >= self._config.stable:
                    self.attempts = 0
            except P2PError as error:
                reason = str(error)
            delay = redial_delay(self.attempts, self._config, self._chance())
            self.attempts += 1
            self._on_down(reason, delay)
            await asyncio.sleep(delay)

    async def _hold(self) -> None:
        """Connect, and return when the last connection to the peer has ended."""
        async with self._host.events(PeerDisconnected) as events:
            connection = await self._host.connect(self.address)
            peer = self.peer = connection.peer_id
            self._host.protect(peer, "shinkai-link")
            try:
                self._on_up(peer)
                # Of events that were dropped the newest stays: whatever comes is a reason to look.
                while self._host.connections(peer):
                    await anext(events)
            finally:
                self._host.unprotect(peer, "shinkai-link")


class RelayLink(Protocol):
    """What a manager wants of its relay. What it is made of is up to the era: see :class:`DialledRelay`."""

    address: Multiaddr
    peer: PeerId | None

    @property
    def connected(self) -> bool:
        """Whether there is a connection to it."""

    async def run(self) -> None:
        """Keep the connection, until cancelled."""

    def addresses_of(self, peer: PeerId) -> tuple[Multiaddr, ...]:
        """Return where ``peer`` can be dialled through the relay."""

    async def upgrade(self, peer: PeerId) -> bool:
        """Try to have a connection to ``peer`` that passes no relay; whether there is one."""


class DialledRelay(KeptLink):
    """The relay of the seed era: an address that is dialled, and a peer that hands gossip on.

    No connection passes through it, so there is nothing to upgrade.
    """

    def addresses_of(self, peer: PeerId) -> tuple[Multiaddr, ...]:
        """Return nothing: this relay carries no connections."""
        del peer
        return ()

    async def upgrade(self, peer: PeerId) -> bool:
        """Return whether there is a connection: it is a direct one."""
        return bool(self._host.connections(peer))
