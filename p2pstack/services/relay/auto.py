"""Relays without asking for them: a few reservations, for as long as nobody can dial us (specs/relay.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import NamedTuple

from p2pstack.aio.tasks import background
from p2pstack.autonat.reachability import Reachability
from p2pstack.errors import ConfigError, P2PError
from p2pstack.host.events import EventStream
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import is_circuit
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.protocols import HOP
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.events import PeerIdentified
from p2pstack.services.life import HostService
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_config import AutoRelayConfig
from p2pstack.services.relay.client_events import ReservationLost
from p2pstack.services.relay.reservation import RelayReservation

__all__ = ["AutoRelay"]

logger = logging.getLogger("p2pstack.relay")


class _Backoff(NamedTuple):
    until: float
    failures: int


class AutoRelay(HostService):
    """Keeps reservations with ``wanted`` relays, unless the host is publicly reachable.

    Whether it is, the AutoNAT client tells by its events, or the program by :meth:`set_reachability`. It takes
    ``relays`` first, addresses with ``/p2p`` at their end, in this order; then connected peers that say that they are
    relays. When one goes, the next is taken at once. Those that refuse are left alone for a while.

    Make it before the host is started, behind the client, and the host starts and ends it; or use it with ``async
    with``, inside of the client's.
    """

    _label = "the automatic relays"

    def __init__(
        self,
        host: BaseHost,
        client: RelayClient,
        relays: Sequence[str | Multiaddr] = (),
        *,
        config: AutoRelayConfig | None = None,
    ) -> None:
        self.config = config or AutoRelayConfig()
        self.reachability = Reachability.UNKNOWN
        self._host = host
        self._client = client
        self._relays = _read(relays)
        self._own: dict[PeerId, RelayReservation] = {}
        self._attempts: dict[PeerId, asyncio.Task[None]] = {}
        self._backoffs: dict[PeerId, _Backoff] = {}
        self._news = asyncio.Event()
        self._events: EventStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Begin."""
        self._events = self._host.events(PeerIdentified, ReachabilityChanged, ReservationLost)
        self._tasks = [background(self._watch(self._events), self._label), background(self._work(), self._label)]

    async def _end(self) -> None:
        """Give back what is held."""
        if self._events is not None:
            self._events.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._release_all()

    # -- what programs do

    def set_reachability(self, reachability: Reachability) -> None:
        """Say whether others can dial the host. Where they can, all relays are given up; else they are looked for."""
        self.reachability = reachability
        self._news.set()

    @property
    def relays(self) -> list[PeerId]:
        """The relays that pass connections on to us now, as far as this has chosen them."""
        return [relay for relay, reservation in self._own.items() if reservation.active]

    # -- how it works

    async def _watch(self, events: EventStream) -> None:
        """Look again whenever there may be another relay, or one less."""
        async for event in events:
            if isinstance(event, ReachabilityChanged):
                self.reachability = event.reachability
            self._news.set()

    async def _work(self) -> None:
        while True:
            self._news.clear()
            if self.reachability is Reachability.PUBLIC:
                await self._release_all()
                pause = None
            else:
                await self._release_spare()
                now = monotonic()
                self._take(now)
                pause = self._next_retry(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    def _take(self, now: float) -> None:
        """Ask as many relays as are missing, at once."""
        candidates = self._candidates(now)
        for _ in range(self.config.wanted - self._active() - len(self._attempts)):
            relay = next(candidates, None)
            if relay is None:
                return
            self._attempts[relay] = background(self._try(relay), self._label)

    def _active(self) -> int:
        """Return how many relays there are, those included that the program has chosen itself."""
        return sum(reservation.active for reservation in self._client.reservations)

    def _candidates(self, now: float) -> Iterator[PeerId]:
        """Give those that may be asked now, the best first."""
        taken = {reservation.relay for reservation in self._client.reservations}
        speakers = [peer for peer in self._host.network.peers if self._is_relay(peer)]
        if sum(backoff.until > now for backoff in self._backoffs.values()) >= self.config.max_backoffs:
            speakers = []  # enough of them have failed
        for relay in dict.fromkeys([*self._relays, *speakers]):
            backoff = self._backoffs.get(relay)
            resting = backoff is not None and backoff.until > now
            if relay != self._host.peer_id and relay not in taken and relay not in self._attempts and not resting:
                yield relay

    def _is_relay(self, peer: PeerId) -> bool:
        """Whether a connected peer says that it is a relay, and is not behind one itself (RELAY-10)."""
        best = self._host.network.best(peer)
        return best is not None and not best.relayed and self._host.peerstore.speaks(peer, HOP)

    async def _try(self, relay: PeerId) -> None:
        """Ask one relay."""
        try:
            reservation = await self._client.reserve(relay, self._relays.get(relay, ()))
        except P2PError as error:
            logger.debug("%s is left alone for a while: %s", relay, error)
            self._leave_alone(relay)
        else:
            self._own[relay] = reservation
            self._backoffs.pop(relay, None)
        finally:
            del self._attempts[relay]
            self._news.set()

    def _leave_alone(self, relay: PeerId) -> None:
        former = self._backoffs.pop(relay, None)
        failures = former.failures + 1 if former is not None else 1
        seconds = min(self.config.backoff_base * 2.0 ** min(failures - 1, 30), self.config.backoff_max)
        now = monotonic()
        self._backoffs[relay] = _Backoff(now + seconds, failures)
        over = [each for each, backoff in self._backoffs.items() if backoff.until <= now]
        for each in over[: max(0, len(self._backoffs) - self.config.max_backoffs)]:
            del self._backoffs[each]

    def _next_retry(self, now: float) -> float | None:
        """Return in how many seconds the next relay may be asked again, if more are wanted."""
        if self._active() + len(self._attempts) >= self.config.wanted:
            return None
        upcoming = [backoff.until for backoff in self._backoffs.values() if backoff.until > now]
        return min(upcoming) - now if upcoming else None

    async def _release_spare(self) -> None:
        """Give up lost relays once others have taken their place; until then the client goes on asking them.

        Where one has come back meanwhile there is one too many, and the newest goes.
        """
        spare = self._active() - self.config.wanted
        if spare > 0:
            for relay in self.relays[-spare:]:
                await self._release(relay)
        lost = [relay for relay, reservation in self._own.items() if not reservation.active]
        missing = max(0, -spare)
        for relay in lost[: max(0, len(lost) - missing)]:
            await self._release(relay)
            self._leave_alone(relay)

    async def _release_all(self) -> None:
        attempts = list(self._attempts.values())
        for task in attempts:
            task.cancel()
        if attempts:
            await asyncio.wait(attempts)
        for relay in list(self._own):
            await self._release(relay)

    async def _release(self, relay: PeerId) -> None:
        """Give one relay up, unless the program has made another reservation with it meanwhile."""
        reservation = self._own.pop(relay)
        if reservation in self._client.reservations:
            await self._client.release(relay)


def _read(relays: Sequence[str | Multiaddr]) -> dict[PeerId, list[Multiaddr]]:
    """Return the addresses of each relay.

    Raises:
        ConfigError: an address names no peer, or one behind a relay.
        DecodeError: one can't be read.
    """
    found: dict[PeerId, list[Multiaddr]] = {}
    for each in relays:
        address = parse(each)
        peer = peer_id_of(address)
        if peer is None or is_circuit(address):
            raise ConfigError(f"{address} is no relay's: it has to end with /p2p and an id, without a relay before")
        found.setdefault(peer, []).append(address)
    return found
