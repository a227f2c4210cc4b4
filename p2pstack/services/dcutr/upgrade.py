"""One peer's way from a relayed connection to a direct one, seen from either side (DCUTR-02, DCUTR-06, DCUTR-07).

Whoever was dialled through the relay leads: it dials the peer as it is, then punches up to three times. The other one
follows: it dials each time that the leader says so. On either side what counts is that a direct connection opens,
whichever side's dial has made it: a host may have its own dials refused, and find the peer's accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.dcutr.exchange import Opener
from p2pstack.dcutr.messages import DCUTR
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    DialError,
    HolePunchError,
    HostClosed,
    LimitExceeded,
    LocalError,
    P2PError,
    ProtocolNotSupported,
)
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.dcutr.addresses import choose, own_addresses, told_addresses
from p2pstack.services.dcutr.exchange import open_punch
from p2pstack.services.standard import Host

__all__ = ["Upgrade"]

_HOPELESS = (ProtocolNotSupported, ConnectionClosed, LimitExceeded, LocalError)
"""What ends an upgrade, since the next punch would meet it again."""


_TIMER = 0.001
"""Seconds of which a loop's timer may be too early: some count in whole milliseconds."""


class Upgrade:
    """The attempts to reach ``peer`` directly; run by one task, joined by all that want it.

    ``permit`` counts a dial, and raises LimitExceeded where it may not be made. ``leads`` tells whether this side does.
    ``attempts`` and ``reasons`` grow while it goes on; at the end ``finished`` is set, ``connection`` where there is
    one.
    """

    def __init__(self, host: Host, peer: PeerId, config: DcutrConfig, permit: Callable[[], None]) -> None:
        self.peer = peer
        self.started = monotonic()
        self.attempts = 0
        self.leads = False
        self.reasons: list[BaseException] = []
        self.connection: Connection | None = None
        self.finished = asyncio.Event()
        self._host = host
        self._config = config
        self._permit = permit
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Future[None] = self._loop.create_future()
        self._asked: asyncio.Future[list[Multiaddr]] = self._loop.create_future()

    # -- what happens meanwhile

    def arrive(self) -> None:
        """A direct connection is open."""
        if not self._arrived.done():
            self._arrived.set_result(None)

    def ask(self, addresses: list[Multiaddr]) -> None:
        """The peer says to dial ``addresses`` now; what it asked for before it has given up."""
        if self._asked.done():
            self._asked = self._loop.create_future()
        self._asked.set_result(addresses)

    # -- the two sides

    async def lead(self, relayed: Connection) -> Connection:
        """Bring about a direct connection, by way of the ``relayed`` one on which the peer has dialled us.

        Raises:
            HolePunchError: none came about; it has every reason.
        """
        self.leads = True
        outcome = await self._dial_as_told(relayed)
        while not isinstance(outcome, Connection):
            if outcome is not None:
                self.reasons.append(outcome)
            if self._asked.done():
                self.leads = False
                return await self.follow()
            if isinstance(outcome, _HOPELESS) or self.attempts >= self._config.max_attempts:
                raise HolePunchError(self.peer, self.reasons)
            self.attempts += 1
            outcome = await self._race(self._punch(relayed), settle_time=self._config.settle_time)
        return outcome

    async def follow(self) -> Connection:
        """Dial each time that the peer asks for it; return the direct connection.

        Raises:
            HolePunchError: none came about, or the peer has not asked for ``patience`` seconds.
        """
        while await self._wait_for_the_peer():
            if self._arrived.done():
                connection = await self._direct()
                if connection is not None:
                    return connection
                continue
            self.attempts += 1
            outcome = await self._dial_until_asked_again()
            if isinstance(outcome, Connection):
                return outcome
            self.reasons.append(outcome)
            if isinstance(outcome, HostClosed) or self.attempts >= self._config.max_attempts:
                break
        raise HolePunchError(self.peer, self.reasons)

    async def _wait_for_the_peer(self) -> bool:
        """Wait until the peer asks for a dial, or a direct connection opens; False: neither for too long."""
        patience = self._config.patience
        await _first_of({self._asked, self._arrived}, patience)
        if self._asked.done() or self._arrived.done():
            return True
        self.reasons.append(DeadlineExceeded(f"the peer did not ask for a dial within {patience:g} s"))
        return False

    async def _dial_until_asked_again(self) -> Connection | P2PError:
        """Dial as the peer has asked, until it asks anew."""
        addresses = self._asked.result()
        self._asked = self._loop.create_future()
        dial = self._loop.create_task(self._race(self._dial(addresses), settle_time=self._config.settle_time))
        try:
            await _first_of({dial, self._asked})
        finally:
            await _end(dial)
        return DeadlineExceeded("the peer asked for another dial") if dial.cancelled() else dial.result()

    # -- one attempt

    async def _dial_as_told(self, relayed: Connection) -> Connection | P2PError | None:
        """Dial the addresses that the peer tells of itself; None: it has told none of use (DCUTR-02)."""
        config = self._config
        try:
            info = await self._host.identify.wait(relayed, config.exchange_timeout)
        except (ConnectionClosed, HostClosed) as error:
            return error
        except P2PError:
            return None  # a peer may keep to itself who it is
        addresses = told_addresses(self._host, relayed, info.addresses, config)
        return await self._race(self._reach(addresses), settle_time=0.0) if addresses else None

    async def _reach(self, addresses: list[Multiaddr]) -> None:
        """Dial in the ordinary way.

        Not from the listening port: a NAT that refuses this dial would close the way for the punch, too.
        """
        self._permit()
        await self._host.dial_direct(self.peer, addresses, timeout=self._config.direct_timeout)

    async def _punch(self, relayed: Connection) -> None:
        """Agree with the peer on a moment, and dial then, as the one who is dialled (DCUTR-03, DCUTR-07)."""
        host, config = self._host, self._config
        self._permit()
        opener = Opener(own_addresses(host, relayed, config), partial(choose, host, relayed, config))
        told = host.peerstore.speaks(self.peer, DCUTR)
        stream = await relayed.open_stream(DCUTR, lazy=told, timeout=config.exchange_timeout)
        addresses, delay = await open_punch(stream, opener, config.exchange_timeout)
        head_start = config.head_start if self.attempts % 2 == 0 else 0.0
        await asyncio.sleep(delay + head_start + _TIMER)
        timeout = config.dial_timeout
        await host.dial_direct(self.peer, addresses, initiator=False, reuse_port=True, timeout=timeout)

    async def _dial(self, addresses: list[Multiaddr]) -> None:
        """Dial because the peer asks for it; the permit was taken when it did."""
        timeout = self._config.dial_timeout
        await self._host.dial_direct(self.peer, addresses, initiator=True, reuse_port=True, timeout=timeout)

    async def _race(self, attempt: Coroutine[Any, Any, None], *, settle_time: float) -> Connection | P2PError:
        """Make an attempt; return the direct connection that opens, whoever dialled it, or why none did.

        Where our dials fail, the peer's have ``settle_time`` seconds yet.
        """
        task = self._loop.create_task(attempt)
        try:
            while True:
                await _first_of({task, self._arrived})
                await _first_of({self._arrived}, settle_time)
                if not self._arrived.done():
                    break
                connection = await self._direct()
                if connection is not None:
                    return connection
        finally:
            await _end(task)
        try:
            await task
        except P2PError as error:
            return error
        return DialError(self.peer, [], "the direct connection ended at once")

    async def _direct(self) -> Connection | None:
        """Return the direct connection that has opened, or another, once the peer has said something on it.

        Where several have come about at once, one side may drop what the other has chosen. None: none is left.
        """
        self._arrived = self._loop.create_future()
        while (connection := self._host.network.best(self.peer)) is not None and not connection.relayed:
            with contextlib.suppress(P2PError):  # a peer may keep to itself who it is
                await self._host.identify.wait(connection, self._config.exchange_timeout)
            if not connection.closed:
                return connection
        return None


async def _first_of(futures: set[asyncio.Future[Any]], timeout: float | None = None) -> None:
    """Wait for one of ``futures``, for at most ``timeout`` seconds."""
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, if it still runs, and wait for its end; what it has raised was seen."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
