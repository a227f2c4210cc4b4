"""Hole punching for a host: starts upgrades, answers those of peers, and ends relayed connections (specs/dcutr.md)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from time import monotonic
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import background
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.dcutr.exchange import Answerer
from p2pstack.dcutr.messages import DCUTR
from p2pstack.errors import (
    DeadlineExceeded,
    HolePunchError,
    HostClosed,
    LimitExceeded,
    LocalError,
    P2PError,
    ProtocolViolation,
)
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.dcutr.addresses import choose, own_addresses
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.services.dcutr.exchange import answer_punch
from p2pstack.services.dcutr.rates import Rates
from p2pstack.services.dcutr.upgrade import Upgrade
from p2pstack.services.standard import Host

__all__ = ["HolePunching"]

logger = logging.getLogger("p2pstack.services")

_STREAMS = 2
"""Exchanges of a peer that are served at once on a connection: one, and the next, whose first bytes may come with the
last of the one before. Further ones are reset."""

_CHECK_EVERY = 1.0
"""Seconds after which a relayed connection that is no longer needed is looked at again."""


class HolePunching:
    """Replaces relayed connections of ``host`` by direct ones, through the NATs on both sides.

    Make it before the host starts. Whoever connects to the host through a relay is then reached directly where that
    can be done, and peers that this host has reached so may ask for it. Both tell how it went by
    :class:`~p2pstack.services.dcutr.events.HolePunched` and ``HolePunchFailed``. New streams use the direct connection
    by themselves.
    """

    def __init__(self, host: Host, config: DcutrConfig | None = None) -> None:
        self.config = config or DcutrConfig()
        self._host = host
        self._rates = Rates(self.config)
        self._upgrades: dict[PeerId, Upgrade] = {}
        self._retiring: set[PeerId] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False
        # Only what leaves from the listening port shows where a NAT lets others in.
        host.reuse_port = True
        host.services.append(self)
        host.handle(DCUTR, self._answer, max_streams=_STREAMS, relayed=True)
        host.network.on_opened.append(self._opened)

    async def start(self) -> None:
        """Begin; called by the host."""
        self._running = True

    async def stop(self) -> None:
        """End all upgrades; called by the host. What was reached stays."""
        self._running = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for upgrade in self._upgrades.values():
            upgrade.finished.set()

    async def upgrade(self, peer: PeerId, *, timeout: float | None = None) -> Connection:
        """Return a direct connection to ``peer``, to which there is a relayed one; joins an upgrade that is under way.

        Where the peer was dialled by us, it is the peer that leads, and this waits for it.

        Raises:
            HolePunchError: none came about, for all the ``reasons`` that it holds, or not within ``timeout`` seconds
                (default: the configuration's).
            LimitExceeded: as many upgrades run as may.
            LocalError: there is no connection to the peer at all.
        """
        direct = self._direct(peer)
        if direct is not None:
            return direct
        upgrade = self._upgrades.get(peer)
        if upgrade is None:
            relayed = self._relayed(peer)
            if not relayed:
                raise LocalError(f"there is no connection to {peer} that could be upgraded")
            leading = next((each for each in relayed if each.direction == "inbound"), None)
            upgrade = self._begin(peer, leading)
        seconds = self.config.upgrade_timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                await upgrade.finished.wait()
        except TimeoutError as error:
            late = DeadlineExceeded(f"no direct connection within {seconds:g} s")
            raise HolePunchError(peer, [*upgrade.reasons, late]) from error
        if upgrade.connection is None:
            raise HolePunchError(peer, upgrade.reasons)
        return upgrade.connection

    # -- what there is

    def _direct(self, peer: PeerId) -> Connection | None:
        return next((each for each in self._host.connections(peer) if not each.relayed and not each.closed), None)

    def _relayed(self, peer: PeerId) -> list[Connection]:
        return [each for each in self._host.connections(peer) if each.relayed and not each.closed]

    # -- beginning

    def _opened(self, connection: Connection) -> None:
        """There is a new connection."""
        peer = connection.peer_id
        upgrade = self._upgrades.get(peer)
        try:
            if not connection.relayed:
                if upgrade is None and peer not in self._retiring and self._relayed(peer):
                    upgrade = self._begin(peer, None)  # the peer has dialled us as we are, or a program the peer
                if upgrade is not None:
                    upgrade.arrive()
            elif connection.direction == "inbound" and upgrade is None and self._direct(peer) is None:
                self._begin(peer, connection)
        except P2PError as error:
            logger.debug("%s: no upgrade: %s", connection, error)

    def _begin(self, peer: PeerId, leading: Connection | None) -> Upgrade:
        """Start an upgrade: led by this side over ``leading``, the peer's relayed connection to us, or by the peer."""
        config = self.config
        if not self._running:
            raise HostClosed("hole punching is not running")
        if len(self._upgrades) >= config.max_active:
            raise LimitExceeded("dcutr.max_active", config.max_active)
        upgrade = self._upgrades[peer] = Upgrade(self._host, peer, config, partial(self._permit, peer))
        self._spawn(self._run(upgrade, leading))
        return upgrade

    def _permit(self, peer: PeerId) -> None:
        self._rates.take(peer, monotonic())

    async def _run(self, upgrade: Upgrade, leading: Connection | None) -> None:
        """Carry an upgrade through, and tell how it has ended."""
        peer, longest = upgrade.peer, self.config.longest_upgrade
        try:
            async with asyncio.timeout(longest):
                connection = await (upgrade.lead(leading) if leading is not None else upgrade.follow())
        except TimeoutError:
            upgrade.reasons.append(DeadlineExceeded(f"no direct connection stayed within {longest:g} s"))
        except HolePunchError:
            pass  # it holds the same reasons
        else:
            upgrade.connection = connection
            seconds = monotonic() - upgrade.started
            self._host.emit(HolePunched(peer=peer, connection=connection, attempts=upgrade.attempts, seconds=seconds))
            self._retiring.add(peer)
            self._spawn(self._retire(peer))
            return
        finally:
            del self._upgrades[peer]
            upgrade.finished.set()
        self._host.emit(HolePunchFailed(peer=peer, attempts=upgrade.attempts, reasons=tuple(upgrade.reasons)))

    # -- answering

    async def _answer(self, stream: Stream) -> None:
        """Do as a peer asks that we have reached through a relay: dial it at the moment that it says (DCUTR-03)."""
        connection = stream.connection
        peer = connection.peer_id
        if not connection.relayed or connection.direction != "outbound":
            message = "a hole punch is asked for on a connection that we have not dialled through a relay"
            raise ProtocolViolation("dcutr", message, requirement="DCUTR-04")
        upgrade = self._upgrades.get(peer)
        if self._direct(peer) is not None or (upgrade is not None and upgrade.leads and self._host.peer_id < peer):
            stream.reset()
            return
        if upgrade is None and len(self._upgrades) >= self.config.max_active:
            raise LimitExceeded("dcutr.max_active", self.config.max_active)
        self._permit(peer)
        answerer = Answerer(
            own_addresses(self._host, connection, self.config), partial(choose, self._host, connection, self.config)
        )
        addresses = await answer_punch(stream, answerer, self.config.exchange_timeout)
        if self._direct(peer) is None:
            (self._upgrades.get(peer) or self._begin(peer, None)).ask(addresses)

    # -- the end of relayed connections

    async def _retire(self, peer: PeerId) -> None:
        """Close what leads to ``peer`` through a relay, once its streams have ended or the grace is over (DCUTR-08)."""
        grace = self.config.relay_grace
        end = monotonic() + grace
        try:
            while relayed := self._relayed(peer):
                await asyncio.sleep(min(_CHECK_EVERY, grace))
                if self._direct(peer) is None:
                    return
                for connection in relayed:
                    if monotonic() >= end or not connection.streams:
                        await connection.close()
        finally:
            self._retiring.discard(peer)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = background(coroutine, "hole punching")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
