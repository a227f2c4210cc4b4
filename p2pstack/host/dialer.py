"""Dialling a peer: one dial at a time, its addresses staggered, every failure kept with its reason (TCP-04)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.runtime import Runtime
from p2pstack.aio.tcp import dial_tcp
from p2pstack.errors import (
    DeadlineExceeded,
    DecodeError,
    DialError,
    GatedError,
    HostClosed,
    LimitExceeded,
    LocalError,
    P2PError,
)
from p2pstack.host.backoff import Backoff
from p2pstack.host.circuits import Circuits
from p2pstack.host.config import DialConfig
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.leaving import is_taken, listener_beside
from p2pstack.host.resolver import Resolver
from p2pstack.identity.circuits import is_circuit, split_circuit
from p2pstack.identity.multiaddrs import Multiaddr, is_public, peer_id_of, tcp_endpoint, without_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["Dialer"]

logger = logging.getLogger("p2pstack.host")

Attempt = tuple[str, BaseException]


class Dialer:
    """Makes connections to peers. ``own_addresses`` returns where this host listens, which is never dialled."""

    def __init__(
        self,
        runtime: Runtime,
        config: DialConfig,
        gate: ConnectionGate,
        resolver: Resolver,
        own_addresses: Callable[[], Iterable[Multiaddr]],
        bound_addresses: Callable[[], Iterable[Multiaddr]],
    ) -> None:
        self._runtime = runtime
        self._config = config
        self._gate = gate
        self.resolver = resolver
        self._own_addresses = own_addresses
        self._bound_addresses = bound_addresses
        self.circuits: Circuits | None = None
        """Who dials addresses behind relays."""
        self.reuse_port = False
        """Whether dials leave from the port of a listener where they can."""
        self._backoff = Backoff(config)
        self._slots = asyncio.Semaphore(config.max_concurrent)
        self._running: dict[object, list[asyncio.Future[Connection | DialError | None]]] = {}
        self._timeouts: set[asyncio.Timeout] = set()
        self._stragglers: set[asyncio.Task[Connection]] = set()
        self._closed = False

    async def dial(
        self, peer: PeerId | None, addresses: Sequence[Multiaddr], timeout: float | None = None
    ) -> Connection:
        """Return a new connection to ``peer`` (None: whoever answers) at one of ``addresses``.

        A dial of the same peer that is under way is joined; who joined takes over where the first caller is cancelled
        or has less time. Nothing is left of a dial that is cancelled.

        Raises:
            DialError: every address failed; it says how.
            DeadlineExceeded: the dial took longer than ``timeout`` seconds.
            HostClosed: the host was closed meanwhile.
        """
        key: object = peer if peer is not None else tuple(addresses)
        seconds = self._config.timeout if timeout is None else timeout
        limit = asyncio.timeout(seconds)
        self._timeouts.add(limit)
        try:
            async with limit:
                while key in self._running:
                    outcome = await self._join(self._running[key])
                    if isinstance(outcome, DialError):
                        raise outcome
                    if outcome is not None:
                        return outcome
                return await self._lead(key, peer, addresses)
        except TimeoutError as error:
            if self._closed:
                raise HostClosed("the host was closed") from error
            raise DeadlineExceeded(f"dialling {peer or addresses[0]} took longer than {seconds:g} s") from error
        finally:
            self._timeouts.discard(limit)

    async def dial_direct(
        self, peer: PeerId, addresses: Sequence[Multiaddr], *, initiator: bool, reuse_port: bool, timeout: float
    ) -> Connection:
        """Return a new connection to ``peer`` by TCP, whatever connections there are; for holes in NATs (DCUTR-07).

        All addresses are dialled at once, though they may have failed before. Where the peer is the initiator, it
        also chooses among the connections that come about: the others are left to it.

        Raises:
            DialError: every address failed; it says how.
            DeadlineExceeded: the dial took longer than ``timeout`` seconds.
            HostClosed: the host was closed meanwhile.
        """
        attempts: list[Attempt] = []
        own = {address.to_bytes() for address in self._own_addresses()}
        plain: dict[Multiaddr, None] = {}
        for address in addresses[: self._config.max_addresses]:
            try:
                tcp_endpoint(without_peer(address))
                plain[self._check(peer, address, own)] = None
            except P2PError as error:
                attempts.append((str(address), error))
        loop = self._runtime.loop
        running = {
            loop.create_task(self._leave(peer, each, initiator=initiator, reuse_port=reuse_port, timeout=timeout)): each
            for each in plain
        }
        limit = asyncio.timeout(timeout)
        self._timeouts.add(limit)
        won = False
        try:
            async with limit:
                connection = await self._first(running, attempts, peer)
                won = True
                return connection
        except TimeoutError as error:
            if self._closed:
                raise HostClosed("the host was closed") from error
            raise DeadlineExceeded(f"{peer} was not reached directly within {timeout:g} s") from error
        finally:
            self._timeouts.discard(limit)
            if initiator or not won:
                await self._end(list(running))
            else:
                for task in running:
                    self._stragglers.add(task)
                    task.add_done_callback(self._straggled)

    async def _first(
        self, running: dict[asyncio.Task[Connection], Multiaddr], attempts: list[Attempt], peer: PeerId
    ) -> Connection:
        """Return the first connection that is through; what still runs stays in ``running``."""
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                address = running.pop(task)
                error = task.exception()
                if error is None:
                    return task.result()
                attempts.append((str(address), error))
        raise DialError(peer, attempts)

    def _straggled(self, task: asyncio.Task[Connection]) -> None:
        """A dial that nobody waits for any more has ended: its connection is open, or its error of no interest."""
        self._stragglers.discard(task)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """End all dials; return when nothing of them is left."""
        self._closed = True
        stragglers = list(self._stragglers)
        for task in stragglers:
            task.cancel()
        if stragglers:
            await asyncio.wait(stragglers)
        while self._timeouts:
            for limit in list(self._timeouts):
                if not limit.expired():
                    limit.reschedule(0.0)
            await asyncio.sleep(0)

    async def _join(self, joined: list[asyncio.Future[Connection | DialError | None]]) -> Connection | DialError | None:
        """Wait for how another caller's dial ends; None: without a verdict."""
        future: asyncio.Future[Connection | DialError | None] = self._runtime.loop.create_future()
        joined.append(future)
        return await future

    async def _lead(self, key: object, peer: PeerId | None, addresses: Sequence[Multiaddr]) -> Connection:
        """Dial, and tell those who join."""
        joined = self._running[key] = []
        outcome: Connection | DialError | None = None
        try:
            outcome = await self._dial(peer, addresses)
        except DialError as error:
            outcome = error
            raise
        finally:
            del self._running[key]
            for future in joined:
                if not future.done():
                    future.set_result(outcome)
        return outcome

    async def _dial(self, peer: PeerId | None, addresses: Sequence[Multiaddr]) -> Connection:
        """Find out what can be dialled, and race it."""
        attempts: list[Attempt] = []
        candidates = await self._candidates(peer, addresses, attempts)
        if not candidates:
            raise DialError(peer or "an unknown peer", attempts)
        if len(candidates) == 1:
            return await self._single(peer, candidates[0], attempts)
        return await self._race(peer, candidates, attempts)

    async def _candidates(
        self, peer: PeerId | None, addresses: Sequence[Multiaddr], attempts: list[Attempt]
    ) -> list[Multiaddr]:
        """Return the addresses worth an attempt, nearest first; note for each other one why it is not."""
        own = {address.to_bytes() for address in self._own_addresses()}
        now = monotonic()
        candidates: dict[Multiaddr, None] = {}
        for address in addresses:
            try:
                resolved = await self.resolver.resolve(address)
            except DialError as error:
                attempts.append((str(address), error))
                continue
            for candidate in resolved:
                try:
                    plain = self._check(peer, candidate, own)
                    refusal = self._backoff.refusal((peer, plain), now)
                    if refusal:
                        raise LocalError(refusal)
                except P2PError as error:
                    attempts.append((str(candidate), error))
                else:
                    candidates[plain] = None
        ordered = sorted(candidates, key=lambda address: (is_circuit(address), is_public(address)))
        for address in ordered[self._config.max_addresses :]:
            attempts.append((str(address), LocalError(f"over the limit of {self._config.max_addresses} addresses")))
        return ordered[: self._config.max_addresses]

    def _check(self, peer: PeerId | None, address: Multiaddr, own: set[bytes]) -> Multiaddr:
        """Return ``address`` without ``/p2p``, or raise why it is not dialled."""
        named = peer_id_of(address)
        if peer is not None and named is not None and named != peer:
            raise DecodeError(f"the address is of another peer, {named}")
        plain = without_peer(address)
        if is_circuit(plain):
            self._check_circuit(peer, plain)
        else:
            tcp_endpoint(plain)
        if plain.to_bytes() in own:
            raise LocalError("the address is this host's own")
        if not self._gate.allow_dial(peer, plain):
            raise GatedError("the connection gate refused the address")
        return plain

    def _check_circuit(self, peer: PeerId | None, address: Multiaddr) -> None:
        """Refuse an address behind a relay that can't be dialled."""
        if self.circuits is None:
            raise LocalError("the host does not pass relays: it has no relay client")
        if peer is None or split_circuit(address).relay == peer:
            raise LocalError("the address does not say whom it leads to behind the relay")

    async def _single(self, peer: PeerId | None, address: Multiaddr, attempts: list[Attempt]) -> Connection:
        """Try the only address there is."""
        try:
            connection = await self._attempt(peer, address)
        except (OSError, P2PError) as error:
            self._failed(peer, address, error, attempts)
            raise DialError(peer or "an unknown peer", attempts) from error
        self._backoff.succeeded((peer, address))
        return connection

    def _failed(self, peer: PeerId | None, address: Multiaddr, error: BaseException, attempts: list[Attempt]) -> None:
        """Note a failed attempt, and leave the address alone for a while, unless it was a limit of our own."""
        attempts.append((str(address), error))
        if not isinstance(error, LimitExceeded):
            self._backoff.failed((peer, address), str(error) or type(error).__name__, monotonic())

    async def _race(self, peer: PeerId | None, candidates: list[Multiaddr], attempts: list[Attempt]) -> Connection:
        """Start an attempt at each address, one after another, until one is through; end the others."""
        loop = self._runtime.loop
        waiting = list(reversed(candidates))
        running: dict[asyncio.Task[Connection], Multiaddr] = {}
        address = waiting[-1]
        try:
            while waiting or running:
                pause = None
                if waiting:
                    address = waiting.pop()
                    running[loop.create_task(self._attempt(peer, address))] = address
                if waiting:
                    pause = self._pause_before(waiting[-1], address)
                done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    tried = running.pop(task)
                    error = task.exception()
                    if error is None:
                        self._backoff.succeeded((peer, tried))
                        return task.result()
                    self._failed(peer, tried, error, attempts)
        finally:
            await self._end(list(running))
        raise DialError(peer or "an unknown peer", attempts)

    def _pause_before(self, upcoming: Multiaddr, last: Multiaddr) -> float:
        """Return the seconds between the starts of two attempts."""
        if is_circuit(upcoming) and not is_circuit(last):
            return self._config.relay_stagger
        return self._config.stagger if is_public(upcoming) else self._config.private_stagger

    async def _attempt(self, peer: PeerId | None, address: Multiaddr) -> Connection:
        """Make one connection."""
        timeout = self._config.address_timeout
        if peer is not None and self.circuits is not None and is_circuit(address):
            # Without a slot: the dial of the relay takes one.
            return await self.circuits.dial(address, peer, self._config.timeout)
        async with self._slots:
            return await self._leave(peer, address, initiator=True, reuse_port=self.reuse_port, timeout=timeout)

    async def _leave(
        self, peer: PeerId | None, address: Multiaddr, *, initiator: bool, reuse_port: bool, timeout: float
    ) -> Connection:
        """Make one connection by TCP; from a listener's port only where that is free for it."""
        endpoint = tcp_endpoint(address)
        local = listener_beside(self._bound_addresses(), endpoint) if reuse_port else None
        dial = functools.partial(
            dial_tcp,
            self._runtime,
            endpoint.host,
            endpoint.port,
            dialled=address,
            expected_peer=peer,
            timeout=timeout,
            initiator=initiator,
        )
        if local is not None:
            try:
                return await dial(local=local)
            except OSError as error:
                if not is_taken(error):
                    raise
        return await dial()

    async def _end(self, tasks: list[asyncio.Task[Connection]]) -> None:
        """Cancel the attempts that lost, and close those that were through at the same moment."""
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                with contextlib.suppress(P2PError):
                    await task.result().close()
