"""What goes on in the background: entering the network, refreshing the table, sending again, sweeping (KAD-12)."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Iterable
from time import monotonic

from p2pstack.aio.alarm import NEVER, Alarm
from p2pstack.errors import DeadlineExceeded, DecodeError, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Reason
from p2pstack.kad.keyspace import MAX_MADE_UP
from p2pstack.services.kad.engine import Engine
from p2pstack.services.kad.events import DhtRefreshed
from p2pstack.services.kad.publishing import Publisher
from p2pstack.services.kad.results import Joined, Progress

__all__ = ["Upkeep"]

logger = logging.getLogger("p2pstack.kad")

_ENTROPY = 32 * (MAX_MADE_UP + 1)


class Upkeep:
    """Runs what is due, at its time."""

    def __init__(self, engine: Engine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._news = engine.members.news
        self._random = random.SystemRandom()
        self._sweep_at = NEVER
        self._sending = False

    # -- entering

    async def join(self, addresses: Iterable[str], timeout: float, *, refresh: bool) -> Joined:
        """Connect to ``addresses``, try who is there, and refresh the table by what they tell."""
        until = monotonic() + timeout
        reached, failed = await self._enter_all(addresses, timeout)
        progress = Progress(reason=Reason.STOPPED)
        if refresh:
            now = monotonic()
            self._engine.refresh.handle_timeout(now)  # this one counts
            progress = await self._refresh(until - now)
        return Joined(reached=tuple(reached), failed=failed, size=len(self._engine.table), progress=progress)

    async def _enter_all(self, addresses: Iterable[str], timeout: float) -> tuple[list[PeerId], dict[str, P2PError]]:
        """Enter by all at once; return who was reached, and why others were not."""
        reached: list[PeerId] = []
        failed: dict[str, P2PError] = {
            address: DeadlineExceeded(f"it did not answer within {timeout:g} s") for address in dict.fromkeys(addresses)
        }

        async def enter(address: str) -> None:
            try:
                reached.append(await self._enter(address, timeout))
                del failed[address]
            except P2PError as error:
                failed[address] = error
                logger.info("the DHT was not entered by %s: %s", address, error)

        try:
            async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
                for address in list(failed):
                    group.create_task(enter(address))
        except TimeoutError:
            pass  # with whom there is
        return reached, failed

    async def _enter(self, address: str, timeout: float) -> PeerId:
        """Connect to a bootstrap peer, and get it into the table.

        Raises:
            P2PError: it can't be reached, or is no server of this DHT.
        """
        connection = await self._engine.host.connect(address, timeout=timeout, routed=False)
        if not await self._engine.members.admit(connection, timeout):
            raise DecodeError(f"{connection.peer_id} does not answer as a server of this DHT")
        return connection.peer_id

    async def _dial_bootstrap(self) -> None:
        """Nobody is known: enter anew (KAD-12)."""
        bootstrap = self._engine.config.bootstrap
        count = min(self._engine.config.bootstrap_dials, len(bootstrap))
        timeout = self._engine.config.kad.peer_timeout
        await self._enter_all(self._random.sample(bootstrap, count), timeout)

    # -- refreshing

    async def _refresh(self, timeout: float) -> Progress:
        """Ask who was silent, look the own id up, then an id in each bucket; return how the first lookup went."""
        engine = self._engine
        started = monotonic()
        until = started + timeout
        await asyncio.gather(*(engine.members.try_out(each) for each in self._silent(started)))
        own: Progress | None = None
        lookups = 0
        for target in self._targets():
            left = min(until - monotonic(), engine.config.refresh_timeout)
            if left <= 0:
                break
            try:
                async with engine.lookup(target, left, engine.nearest_query(target)) as lookup:
                    progress = await lookup.wait()
            except DeadlineExceeded:
                break  # others are looked up, which refreshes as well
            lookups += 1
            own = own or progress
        engine.counters["refresh"] += 1
        seconds = monotonic() - started
        engine.host.emit(
            DhtRefreshed(protocol=engine.config.protocol, size=len(engine.table), lookups=lookups, seconds=seconds)
        )
        return own or Progress(reason=Reason.TIMEOUT, seconds=seconds)

    def _silent(self, now: float) -> list[Contact]:
        return self._engine.table.silent(now)[: self._engine.config.max_probes]

    def _targets(self) -> Iterable[bytes]:
        """Yield what to look up. How deep the table is, is seen after the first lookup, which fills it."""
        engine = self._engine
        yield engine.table.own.to_bytes()
        yield from engine.refresh.targets(secrets.token_bytes(_ENTROPY))[1:]

    # -- the loop

    async def run(self) -> None:
        """Do what is due, for ever."""
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop, self._news.set)
        self._sweep_at = monotonic() + self._engine.config.sweep_interval
        try:
            while True:
                self._news.clear()
                await self._do_what_is_due(monotonic())
                alarm.at_latest(self._next())
                await self._news.wait()
        finally:
            alarm.cancel()

    async def _do_what_is_due(self, now: float) -> None:
        engine = self._engine
        if engine.config.refresh and engine.refresh.handle_timeout(now):
            if not len(engine.table):
                await self._dial_bootstrap()
            if len(engine.table):
                await self._refresh(engine.config.kad.query_timeout)
        if self._send_again_at() <= now:
            self._sending = True
            engine.spawn(self._send_again(now))
        if now >= self._sweep_at:
            engine.sweep()
            self._sweep_at = now + engine.config.sweep_interval

    async def _send_again(self, now: float) -> None:
        """Publish again what is due: beside the rest, since it may be thousands of keys."""
        try:
            await self._publisher.republish(now)
        finally:
            self._sending = False
            self._news.set()

    def _send_again_at(self) -> float:
        return NEVER if self._sending else self._publisher.next_timeout() or NEVER

    def _next(self) -> float:
        """Return when something is due."""
        refresh = self._engine.refresh.next_timeout() if self._engine.config.refresh else NEVER
        return min(refresh, self._send_again_at(), self._sweep_at)
