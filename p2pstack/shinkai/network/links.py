"""Connections that are kept: made again, after a while, whenever they end (SHK-76, SHK-78; specs/shinkai.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import TypeAlias

from p2pstack.errors import P2PError, ProtocolNotSupported
from p2pstack.host.events import PeerDisconnected
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import circuit_address
from p2pstack.identity.multiaddrs import Multiaddr, parse, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.relay.client import RelayClient
from p2pstack.shinkai.network.config import LinkConfig

__all__ = ["KeptLink", "ReservedRelay", "Where", "redial_delay", "upgrade"]

logger = logging.getLogger("p2pstack.shinkai")

Where: TypeAlias = str | Multiaddr | Callable[[], Awaitable[Multiaddr]]
"""An address, or what finds one out, and raises a P2PError where it can't."""


def redial_delay(attempts: int, config: LinkConfig, chance: float) -> float:
    """Return the seconds until the next dial after ``attempts`` failures before; ``chance`` is 0 to 1."""
    # Not 2**attempts of a peer that is away for a year.
    return min(config.base * float(2 ** min(attempts, 32)), config.cap) + config.jitter * chance


async def upgrade(punching: HolePunching, peer: PeerId) -> bool:
    """Try to have a connection to ``peer`` that passes no relay; whether there is one."""
    try:
        await punching.upgrade(peer)
    except P2PError as error:
        logger.info("no direct connection to %s: %s", peer, error)
        return False
    return True


class KeptLink:
    """One peer, dialled until it answers, and again when it is gone; where its address is to be found out, each time.

    ``on_up`` is called with each connection's peer and the address that was dialled, ``on_down`` with why there is none
    and the seconds until the next dial.
    """

    def __init__(
        self,
        host: BaseHost,
        where: Where,
        config: LinkConfig,
        *,
        on_up: Callable[[PeerId, Multiaddr], None] = lambda *_: None,
        on_down: Callable[[str, float], None] = lambda *_: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.address: Multiaddr | None = None if callable(where) else parse(where)
        """Where it was dialled last, or is to be dialled; None until that is found out."""
        self.peer: PeerId | None = None
        """Who answered last."""
        self.attempts = 0
        """Dials since the last connection that was of use, and addresses that were not found out."""
        self.error = ""
        """Why there is no connection; empty while there is one, and until the first try has failed."""
        self._find = where if callable(where) else None
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
            self.error = reason
            self._on_down(reason, delay)
            await asyncio.sleep(delay)

    async def _hold(self) -> None:
        """Connect, and return when the last connection to the peer has ended."""
        address = await self._locate()
        async with self._host.events(PeerDisconnected) as events:
            connection = await self._host.connect(address)
            peer = self.peer = connection.peer_id
            self.error = ""
            self._host.protect(peer, "shinkai-link")
            try:
                self._on_up(peer, address)
                async with self._while_connected(peer):
                    # Of events that were dropped the newest stays: whatever comes is a reason to look.
                    while self._host.connections(peer):
                        await anext(events)
            finally:
                self._host.unprotect(peer, "shinkai-link")

    async def _locate(self) -> Multiaddr:
        """Return where to dial. An address that can't be found out this time is where it was before."""
        if self._find is not None:
            try:
                self.address = await self._find()
            except P2PError as error:
                if self.address is None:
                    raise
                logger.info("%s is dialled again, where it is now is not known: %s", self.address, error)
        assert self.address is not None
        return self.address

    @contextlib.asynccontextmanager
    async def _while_connected(self, peer: PeerId) -> AsyncIterator[None]:
        """Do what lasts as long as the connection to ``peer``."""
        del peer
        yield


class ReservedRelay(KeptLink):
    """A relay that is kept connected, and passes connections on to us while it grants a reservation (SHK-78).

    One that passes none, as it may be in the seed era, stays connected all the same: it hands messages on.
    ``on_reserved`` is called with the addresses at which others then find us.
    """

    def __init__(
        self,
        host: BaseHost,
        where: Where,
        config: LinkConfig,
        client: RelayClient,
        punching: HolePunching,
        *,
        on_up: Callable[[PeerId, Multiaddr], None] = lambda *_: None,
        on_down: Callable[[str, float], None] = lambda *_: None,
        on_reserved: Callable[[PeerId, tuple[Multiaddr, ...]], None] = lambda *_: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(host, where, config, on_up=on_up, on_down=on_down, chance=chance)
        self._client = client
        self._punching = punching
        self._on_reserved = on_reserved

    @property
    def reserved(self) -> bool:
        """Whether the relay passes connections on to us."""
        return any(each.relay == self.peer and each.active for each in self._client.reservations)

    def addresses_of(self, peer: PeerId) -> tuple[Multiaddr, ...]:
        """Return where ``peer`` is, if it has reserved with this relay, too; nothing while it is not connected."""
        if self.address is None or self.peer is None or self.peer == peer or not self.connected:
            return ()
        return (circuit_address(without_peer(self.address), self.peer),)

    async def upgrade(self, peer: PeerId) -> bool:
        """Try to have a connection to ``peer`` that passes no relay; whether there is one."""
        return await upgrade(self._punching, peer)

    @contextlib.asynccontextmanager
    async def _while_connected(self, peer: PeerId) -> AsyncIterator[None]:
        """Hold a reservation; it ends with the connection, since only we know where the relay is then."""
        task = asyncio.get_running_loop().create_task(self._reserve(peer))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))
            await self._client.release(peer)

    async def _reserve(self, peer: PeerId) -> None:
        """Ask for a reservation until there is one; from then on the client renews it."""
        attempts = 0
        while True:
            try:
                reservation = await self._client.reserve(peer, (self.address,))
            except ProtocolNotSupported:
                logger.info("the relay %s passes no connections on", peer)
                return
            except P2PError as error:
                logger.info("the relay %s grants no reservation: %s", peer, error)
                await asyncio.sleep(redial_delay(attempts, self._config, self._chance()))
                attempts += 1
            else:
                self._on_reserved(peer, reservation.addresses)
                return
