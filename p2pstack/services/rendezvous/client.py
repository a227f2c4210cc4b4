"""The client of rendezvous points: being found by others, and finding them (specs/rendezvous.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.errors import ConfigError, DecodeError, HostClosed, P2PError, ProtocolViolation
from p2pstack.host.events import AddressesChanged, EventStream
from p2pstack.host.host import Target
from p2pstack.identity.peer_id import PeerId
from p2pstack.rendezvous.messages import Register
from p2pstack.rendezvous.protocols import MAX_TTL, PROTOCOL, check_namespace
from p2pstack.rendezvous.status import Status
from p2pstack.rendezvous.view import RegisteredPeer, View
from p2pstack.services.life import HostService
from p2pstack.services.rendezvous.asking import Asker
from p2pstack.services.rendezvous.client_config import RendezvousClientConfig
from p2pstack.services.rendezvous.errors import RendezvousRefused
from p2pstack.services.rendezvous.events import PeersDiscovered
from p2pstack.services.rendezvous.keeping import Keeper
from p2pstack.services.standard import Host
from p2pstack.services.targets import read_targets

__all__ = ["RendezvousClient"]

READ_AT_ONCE = 4
"""Registrations that are verified before others have their turn: some 0.5 ms, 8 ms where each has 500 addresses."""


class RendezvousClient(HostService):
    """Registers with rendezvous points, and discovers who else has.

    ``points`` are peer ids or addresses with ``/p2p`` at their end. All are used: a registration is made at each of
    them, and a discovery asks each. Make it before the host is started, which starts and ends it then; or use it with
    ``async with``, at any time::

        async with Host(listen=["/ip4/0.0.0.0/tcp/0"]) as host:
            async with RendezvousClient(host, ["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…"]) as rendezvous:
                await rendezvous.register("my-app")
                for found in await rendezvous.discover("my-app"):
                    await host.connect(found.peer, found.addresses)

    Events: NamespaceJoined, NamespaceLost, PeersDiscovered.

    Raises:
        ConfigError: there is no point, or one is not named.
        DecodeError: one can't be read.
    """

    _label = "the rendezvous client"

    def __init__(self, host: Host, points: Sequence[Target], *, config: RendezvousClientConfig | None = None) -> None:
        self.config = config = config or RendezvousClientConfig()
        self.host = host
        self._points = read_targets(points)
        if not self._points or host.peer_id in self._points:
            raise ConfigError("there has to be a point, and it must be another peer than the host")
        self._asker = Asker(host, config)
        self._keepers: dict[str, list[Keeper]] = {}
        self._ending: dict[str, asyncio.Future[list[None]]] = {}
        self._views: dict[tuple[PeerId, str], View] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._events: EventStream | None = None
        self._watcher: asyncio.Task[None] | None = None
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Begin."""
        for point, addresses in self._points.items():
            self.host.remember(point, addresses)
        self._events = self.host.events(AddressesChanged)
        self._watcher = background(self._watch(self._events), self._label)

    async def _end(self) -> None:
        """End all registrations, and tell the points."""
        if self._events is not None:
            self._events.close()
        if self._watcher is not None:
            await self._watcher
        await asyncio.gather(*(self.unregister(namespace) for namespace in list(self._keepers)))

    async def _watch(self, events: EventStream) -> None:
        async for _ in events:
            for keepers in self._keepers.values():
                for keeper in keepers:
                    keeper.moved()

    # -- being found

    async def register(self, namespace: str, *, ttl: int | None = None) -> None:
        """Be found in ``namespace`` from now on until :meth:`unregister`; return once a point has registered us.

        The registrations are renewed in time, and made anew where our addresses change or a point has failed. ``ttl``
        is for how many seconds each is asked for; the points decide where it is None.

        Raises:
            DecodeError: the name is no namespace's (RDV-03).
            ConfigError: ``ttl`` is not from 1 to 259,200.
            P2PError: no point has registered us; the error of one of them. Nothing is kept up then.
            HostClosed: the client is not running, or the registration was given up meanwhile.
        """
        encoded = check_namespace(namespace)
        if ttl is not None and not 1 <= ttl <= MAX_TTL:
            raise ConfigError(f"a ttl is 1 to {MAX_TTL} s, not {ttl}")
        self._running()
        while (ending := self._ending.get(namespace)) is not None:
            await asyncio.wait([ending])  # or the point would hear of the end behind the new beginning
        keepers = self._keepers.get(namespace)
        if keepers is None:
            keepers = self._keepers[namespace] = [
                Keeper(self.host, self._asker, self.config, point, encoded, ttl) for point in self._points
            ]
        await _first_success(keepers)
        if any(keeper.registered for keeper in keepers):
            return
        error = next((keeper.error for keeper in keepers if keeper.error is not None), None)
        if self._keepers.get(namespace) is keepers:
            await self.unregister(namespace)
        raise (error or HostClosed("the registration was given up")).with_traceback(None)

    async def unregister(self, namespace: str) -> None:
        """Be found in ``namespace`` no more, and tell the points that we are connected to."""
        keepers = self._keepers.pop(namespace, None)
        if keepers is None:
            return
        ending = self._ending[namespace] = asyncio.gather(*(keeper.close() for keeper in keepers))
        try:
            await ending
        finally:
            if self._ending.get(namespace) is ending:
                del self._ending[namespace]

    @property
    def registered(self) -> dict[str, list[PeerId]]:
        """The namespaces in which we are to be found, each with the points that have registered us."""
        return {
            namespace: [keeper.point for keeper in keepers if keeper.registered]
            for namespace, keepers in self._keepers.items()
        }

    # -- finding others

    async def discover(self, namespace: str = "") -> list[RegisteredPeer]:
        """Ask the points who is new in ``namespace`` ("": anywhere); return all who are there, as far as we know.

        A point is asked for what it has not told yet, so asking often costs little. Of those who have left without
        a word we know until their time is over. Their addresses are in the host's peerstore.

        Raises:
            DecodeError: the name is no namespace's (RDV-03).
            P2PError: no point has answered; the error of one of them.
            HostClosed: the client is not running.
        """
        if namespace:
            check_namespace(namespace)
        self._running()
        async with self._turns.setdefault(namespace, asyncio.Lock()):
            outcomes = await asyncio.gather(*(self._ask(point, namespace) for point in self._points))
        errors = [error for error in outcomes if error is not None]
        if len(errors) == len(outcomes):
            raise errors[0].with_traceback(None)
        return self.found(namespace)

    def found(self, namespace: str = "") -> list[RegisteredPeer]:
        """Return who is there, as far as the points have told; nobody is asked."""
        now = monotonic()
        newest: dict[PeerId, RegisteredPeer] = {}
        for (_, name), view in self._views.items():
            if name == namespace:
                for each in view.peers(now):
                    known = newest.get(each.peer)
                    if known is None or known.seq < each.seq:
                        newest[each.peer] = each
        return list(newest.values())

    def forget(self, namespace: str = "") -> None:
        """Forget who is there, and how far the points have told."""
        for point in self._points:
            self._views.pop((point, namespace), None)
        turn = self._turns.get(namespace)
        if turn is not None and not turn.locked():
            del self._turns[namespace]

    async def _ask(self, point: PeerId, namespace: str) -> P2PError | None:
        """Ask one point; return what went wrong."""
        view = self._views.get((point, namespace))
        if view is None:
            config = self.config
            view = View(namespace, self.host.peer_id, max_peers=config.max_peers, max_addresses=config.max_addresses)
            self._views[point, namespace] = view
        try:
            try:
                await self._read_pages(point, view)
            except RendezvousRefused as error:
                if error.status != Status.E_INVALID_COOKIE or not view.asked:
                    raise
                view.restart()
                await self._read_pages(point, view)
        except P2PError as error:
            return error
        return None

    async def _read_pages(self, point: PeerId, view: View) -> None:
        """Ask until an answer brings nothing.

        Raises:
            P2PError: the point can't be reached, refuses, or breaks the rules.
        """
        connection = await self.host.connect(point, timeout=self.config.timeout)
        for _ in range(self.config.max_pages):
            answer = await self._asker.discover(connection, view.request(self.config.page))
            found = await self._read(view, answer.registrations[: self.config.page])
            try:
                news = view.accept(answer.cookie, found)
            except DecodeError as error:
                raise ProtocolViolation(PROTOCOL, str(error), requirement=error.requirement) from error
            self._note(point, view.namespace, news)
            if not answer.registrations:
                return

    async def _read(self, view: View, registrations: Sequence[Register]) -> list[RegisteredPeer]:
        """Return who they are of; a point that sends many shall not keep everything else waiting (RDV-10)."""
        found: list[RegisteredPeer] = []
        for start in range(0, len(registrations), READ_AT_ONCE):
            found += view.read(registrations[start : start + READ_AT_ONCE], monotonic())
            await asyncio.sleep(0)
        return found

    def _note(self, point: PeerId, namespace: str, news: list[RegisteredPeer]) -> None:
        """Remember where new peers are, and tell."""
        store = self.host.peerstore
        latest = monotonic() + store.config.address_ttl
        for each in news:
            store.add_addresses(each.peer, each.addresses, min(each.expires, latest))
        if news:
            self.host.emit(PeersDiscovered(point=point, namespace=namespace, peers=tuple(news)))

    def _running(self) -> None:
        if self._events is None or self._stopped is not None:
            raise HostClosed("the rendezvous client is not running")


async def _first_success(keepers: Sequence[Keeper]) -> None:
    """Wait until one of them has registered us, or all have tried."""
    waiting = {asyncio.ensure_future(keeper.tried()) for keeper in keepers}
    try:
        while waiting and not any(keeper.registered for keeper in keepers):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
