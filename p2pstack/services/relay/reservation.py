"""One reservation with a relay: made, renewed in time, and made anew when it is lost (RELAY-04, RELAY-08, RELAY-11)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.tasks import background
from p2pstack.errors import ConnectionClosed, DeadlineExceeded, DecodeError, HostClosed, P2PError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.grant import Grant, check_reservation
from p2pstack.relay.messages import HopKind, HopMessage, Limit
from p2pstack.services.relay.client_config import RelayClientConfig
from p2pstack.services.relay.client_events import ReservationGained, ReservationLost
from p2pstack.services.relay.hop import Hops, violation

__all__ = ["RelayReservation"]

logger = logging.getLogger("p2pstack.relay")

PROTECTION = "relay"
"""The tag by which the connection to a relay is protected."""


class RelayReservation:
    """A place at a relay, which is kept until it is given back. Made by :meth:`RelayClient.reserve`.

    While there is none, the relay is asked again and again, more and more rarely. ``changed`` is called whenever
    ``addresses`` are others.
    """

    def __init__(
        self, host: BaseHost, hops: Hops, config: RelayClientConfig, relay: PeerId, changed: Callable[[], None]
    ) -> None:
        self.relay = relay
        self._host = host
        self._hops = hops
        self._config = config
        self._changed = changed
        self._known: dict[Multiaddr, None] = {}
        self._grant: Grant | None = None
        self._connection: Connection | None = None
        self._since = self._until = 0.0
        self.made = False
        """Whether there has ever been one."""
        self._failures = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # -- what there is

    @property
    def active(self) -> bool:
        """Whether the relay passes connections on to us now, as far as we know."""
        return self._grant is not None

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where peers find us behind the relay, without our own ``/p2p``; none while there is no reservation."""
        return self._grant.addresses if self._grant is not None else ()

    @property
    def expires(self) -> int | None:
        """When the reservation ends if it is not renewed, as Unix time in seconds by the relay's clock."""
        return self._grant.expires if self._grant is not None else None

    @property
    def limit(self) -> Limit | None:
        """What the relay says that a connection may take; it may enforce more than it says (RELAY-12)."""
        return self._grant.limit if self._grant is not None else None

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it."""
        return any(not waiter.done() for waiter in self._waiters)

    # -- what the client does

    def learn(self, addresses: Iterable[Multiaddr]) -> None:
        """Take note of where the relay is."""
        self._known |= dict.fromkeys(addresses)

    async def ready(self) -> None:
        """Wait until it is active.

        Raises:
            P2PError: the attempt that is under way, or the next one, which is made at once, failed.
            HostClosed: it is given back meanwhile.
        """
        if self.active:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._task is None:
            self._task = background(self._keep(), "the relay client")
        self._hurry.set()
        await waiter

    async def close(self) -> None:
        """End it here, for the client, who forgets it. The relay is not told: there is no word for that."""
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        finally:
            self._settle(HostClosed("the reservation was given back"))
            self._lose(None)
            self._host.unprotect(self.relay, PROTECTION)

    # -- the life of a reservation

    async def _keep(self) -> None:
        """Make it and keep it up, for ever."""
        while True:
            self._hurry.clear()
            try:
                self._gain(*await self._ask())
            except P2PError as error:
                logger.debug("no reservation with %s: %s", self.relay, error)
                self._failures += 1
                self._hurry.clear()
                self._settle(error)
                await self._wait(self._retry_delay())
            else:
                await self._wait(self._renewal_delay())

    async def _wait(self, seconds: float) -> None:
        """Let the time pass that lies between two requests; notice the loss of a reservation meanwhile."""
        if self._connection is not None and self.active:
            if not await self._ends_within(self._connection, min(seconds, self._until - monotonic())):
                if monotonic() >= self._until:
                    self._lose(DeadlineExceeded("the reservation expired before it could be renewed"))
                return
            best = self._host.network.best(self.relay)
            if best is not None and not best.relayed:
                self._connection = best  # another one to the relay, on which it is asked at once
                return
            reason = self._connection.close_reason
            self._lose(ConnectionClosed("the connection to the relay ended", reason=reason))
            seconds = self._retry_delay()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _ends_within(self, connection: Connection, seconds: float) -> bool:
        """Whether a connection ends within so many seconds; returns as soon as it does."""
        try:
            async with asyncio.timeout(seconds):
                await connection.wait_closed()
        except TimeoutError:
            return False
        return True

    async def _ask(self) -> tuple[Connection, Grant, float]:
        """Ask the relay; return the connection, what it grants, and until when by our clock."""
        seconds = self._config.timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                connection = await self._hops.reach(self.relay, tuple(self._known))
                # From here on, so that it is not closed for its idleness while the relay thinks.
                self._host.protect(self.relay, PROTECTION)
                stream, answer = await self._hops.ask(connection, HopMessage(kind=HopKind.RESERVE))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"{self.relay} did not grant a reservation within {seconds:g} s") from error
        stream.finish()
        now_unix = time.time()
        try:
            grant = check_reservation(
                answer.reservation,
                answer.limit,
                relay=self.relay,
                peer=self._host.peer_id,
                reached=self._reached(connection, told=bool(answer.reservation and answer.reservation.addresses)),
                now_unix=now_unix,
                min_lifetime=self._config.min_lifetime,
                max_addresses=self._config.max_addresses,
            )
        except DecodeError as error:
            raise violation(error) from error
        return connection, grant, monotonic() + grant.expires - now_unix

    def _reached(self, connection: Connection, *, told: bool) -> Sequence[Multiaddr]:
        """Return where the relay was dialled; if it dialled us and tells nothing, what is known of it (RELAY-13)."""
        if connection.dialled is not None:
            return (connection.dialled,)
        return () if told else self._host.peerstore.addresses(self.relay, monotonic())

    def _gain(self, connection: Connection, grant: Grant, until: float) -> None:
        """There is a reservation, a new one or the old one longer."""
        former, self._grant = self._grant, grant
        self.made = True
        self._connection, self._until = connection, until
        if former is None:
            self._since = monotonic()
        else:
            self._failures = 0
        if former is None or former.addresses != grant.addresses:
            self._changed()
        self._host.emit(
            ReservationGained(
                relay=self.relay,
                addresses=grant.addresses,
                expires=grant.expires,
                limit=grant.limit,
                renewed=former is not None,
            )
        )
        self._settle(None)

    def _lose(self, reason: P2PError | None) -> None:
        """There is no reservation any more. One that did not last is a failure: it must not be made each second."""
        if self._grant is None:
            return
        lasted = monotonic() - self._since >= self._config.min_lifetime
        self._failures = 1 if lasted else self._failures + 1
        self._grant = None
        logger.debug("the reservation with %s is lost: %s", self.relay, reason)
        self._changed()
        self._host.emit(ReservationLost(relay=self.relay, reason=reason))

    def _settle(self, error: P2PError | None) -> None:
        """Tell those that wait how an attempt has ended."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _renewal_delay(self) -> float:
        share = (self._until - monotonic()) * self._config.renew_at
        return max(self._config.min_renewal, min(share, self._config.max_renewal))

    def _retry_delay(self) -> float:
        """Return the pause after a failure; everybody that a relay has lost must not come back at once."""
        delay = min(self._config.retry_base * 2.0 ** min(self._failures - 1, 30), self._config.retry_max)
        return delay * (1 - random.random() / 2)  # noqa: S311 - jitter is no secret
