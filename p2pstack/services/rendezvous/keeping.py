"""A registration at one point: made, renewed in time, and anew when our addresses change (RDV-05, RDV-12, RDV-13)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.tasks import background
from p2pstack.errors import HostClosed, LocalError, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.rendezvous.messages import Register, Unregister
from p2pstack.services.identify_message import fitting_addresses
from p2pstack.services.rendezvous.asking import Asker
from p2pstack.services.rendezvous.client_config import RendezvousClientConfig
from p2pstack.services.rendezvous.events import NamespaceJoined, NamespaceLost
from p2pstack.services.scope import scope_of, suitable
from p2pstack.services.standard import Host

__all__ = ["Keeper"]

logger = logging.getLogger("p2pstack.rendezvous")


class Keeper:
    """Keeps us registered in ``namespace`` at ``point``. Made by :meth:`RendezvousClient.register`."""

    def __init__(
        self,
        host: Host,
        asker: Asker,
        config: RendezvousClientConfig,
        point: PeerId,
        namespace: bytes,
        ttl: int | None,
    ) -> None:
        self.point = point
        self.error: P2PError | None = None
        """Why the last attempt failed; None while there is none, and where it succeeded."""
        self._host = host
        self._asker = asker
        self._config = config
        self._namespace = namespace
        self._ttl = ttl
        self._until = 0.0
        self._seq = 0
        self._failures = 0
        self._moved = asyncio.Event()
        self._tried = asyncio.Event()
        self._task = background(self._keep(), "the rendezvous client")

    @property
    def registered(self) -> bool:
        """Whether the point tells others of us, as far as we know."""
        return self._until > monotonic()

    async def tried(self) -> None:
        """Wait until the first attempt has succeeded or failed."""
        await self._tried.wait()

    def moved(self) -> None:
        """Our addresses are others: register anew."""
        self._moved.set()

    async def close(self) -> None:
        """End it, and tell the point if we are connected to it, in ``close_timeout`` seconds at most."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.error is None and not self._tried.is_set():
            self.error = HostClosed("the registration was given up")
        self._tried.set()
        connection = self._host.network.best(self.point)
        if self.registered and connection is not None:
            self._until = 0.0
            with contextlib.suppress(P2PError, TimeoutError):
                async with asyncio.timeout(self._config.close_timeout):
                    await self._asker.unregister(connection, Unregister(self._namespace))

    # -- the life of a registration

    async def _keep(self) -> None:
        while True:
            self._moved.clear()
            try:
                ttl = await self._register()
            except P2PError as error:
                await self._after_failure(error)
            else:
                await self._after_success(ttl)

    async def _register(self) -> int:
        """Register; return for how many seconds.

        Raises:
            LocalError: we have no address that is of use to the point's network.
            P2PError: the point can't be reached, or refuses.
        """
        connection = await self._host.connect(self.point, timeout=self._config.timeout)
        record = self._record(connection)
        return await self._asker.register(connection, Register(self._namespace, record, self._ttl))

    def _record(self, connection: Connection) -> bytes:
        """Return our signed addresses, those that suit the network in which the point is (IDN-08)."""
        host = self._host
        found = suitable(host.identify.addresses, scope_of(connection.remote_address))
        addresses = fitting_addresses(found)[: self._config.max_addresses]
        if not addresses:
            raise LocalError("the host has no address at which others could find it")
        self._seq = max(self._seq + 1, time.time_ns())
        return PeerRecord(host.peer_id, self._seq, addresses).seal(host.key, legacy=True).to_bytes()

    async def _after_success(self, ttl: int) -> None:
        """Wait until it is time to renew, or our addresses have changed."""
        self._failures = 0
        self.error = None
        self._until = monotonic() + ttl
        self._tried.set()
        self._host.emit(NamespaceJoined(point=self.point, namespace=self._namespace.decode(), ttl=ttl))
        soonest = self._config.min_renewal
        await asyncio.sleep(soonest)
        await self._wait(max(0.0, ttl * self._config.renew_at - soonest))

    async def _after_failure(self, error: P2PError) -> None:
        """Wait until it is time to try again."""
        self._failures += 1
        delay = self._config.retry_delay(self._failures) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        logger.debug("not registered at %s, again in %.1f s: %s", self.point, delay, error)
        self.error = error
        self._tried.set()
        self._host.emit(
            NamespaceLost(point=self.point, namespace=self._namespace.decode(), error=error, retry_in=delay)
        )
        # A change of addresses is a reason to try at once only where there was none.
        if isinstance(error, LocalError):
            await self._wait(delay)
        else:
            await asyncio.sleep(delay)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
