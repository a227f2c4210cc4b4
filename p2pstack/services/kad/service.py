"""The Kademlia DHT on a host: what programs use (specs/kad.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from p2pstack.autonat.reachability import Reachability
from p2pstack.errors import LocalError
from p2pstack.host.events import ConnectionEnded, EventStream
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.store import Store
from p2pstack.kad.table import RoutingTable
from p2pstack.kad.validators import Validator
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.events import PeerIdentified
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.engine import Engine
from p2pstack.services.kad.errors import LookupFailed
from p2pstack.services.kad.events import DhtModeChanged
from p2pstack.services.kad.finding import ProviderSearch, find_closest, find_peer
from p2pstack.services.kad.publishing import Publisher
from p2pstack.services.kad.results import FoundPeer, FoundPeers, FoundValue, Joined, Sent
from p2pstack.services.kad.upkeep import Upkeep
from p2pstack.services.life import HostService
from p2pstack.services.standard import Host

__all__ = ["Kademlia"]


class Kademlia(HostService):
    """Takes part in a DHT: finds peers by id, keeps small values, and tells who provides what.

    Make it before the host is started, which starts and ends it then; or use it with ``async with``, at any time. A
    host may have several, each with a protocol of its own. ``validators`` say by namespace which values may be stored,
    beside ``/pk/`` and ``/p2pstack/`` (signed records); ``store`` keeps what is held for others, in memory by default.
    The host asks it for peers whose addresses it does not know. Every operation ends within ``timeout`` seconds,
    ``query_timeout`` by default. ::

        config = KademliaConfig.private("/example/kad/1.0.0")
        async with Host(listen=["/ip4/0.0.0.0/tcp/0"]) as host, Kademlia(host, config) as dht:
            await dht.bootstrap(["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…"])
            found = await dht.find_peer(peer_id)
            print(found.addresses)
    """

    _label = "the DHT"

    def __init__(
        self,
        host: Host,
        config: KademliaConfig | None = None,
        *,
        validators: Mapping[str, Validator] | None = None,
        store: Store | None = None,
    ) -> None:
        self.config = config = config or KademliaConfig()
        if any(isinstance(each, Kademlia) and each.config.protocol == config.protocol for each in host.services):
            raise LocalError(f"the host takes part in {config.protocol} already")
        self._host = host
        self._engine = Engine(host, config, validators or {}, store)
        self._publisher = Publisher(self._engine)
        self._upkeep = Upkeep(self._engine, self._publisher)
        self._mode = config.mode
        self._serving = False
        self._events: EventStream | None = None
        super().__init__(host)
        host.routers.append(self)
        if self._mode is Mode.SERVER:
            self._serve(serving=True)

    # -- life

    async def _begin(self) -> None:
        """Begin."""
        engine = self._engine
        engine.running = True
        self._events = self._host.events(PeerIdentified, ConnectionEnded, ReachabilityChanged)
        engine.spawn(self._watch(self._events))
        engine.spawn(self._upkeep.run())
        for connection in self._host.connections():
            info = self._host.identify.info(connection)
            if info is not None:
                engine.members.identified(info, connection)
        if self._mode is Mode.AUTO:
            self._serve(serving=self._is_public())

    async def _end(self) -> None:
        """End all lookups and streams."""
        self._serve(serving=False)
        self._host.routers.remove(self)
        if self._events is not None:
            self._events.close()
        await self._engine.stop()

    async def _watch(self, events: EventStream) -> None:
        """Take peers that speak the protocol, forget connections, and follow reachability."""
        engine = self._engine
        dropped = 0
        async for event in events:
            if isinstance(event, PeerIdentified):
                engine.members.identified(event.info, event.connection)
            elif isinstance(event, ConnectionEnded):
                engine.messenger.forget(event.connection)
            elif isinstance(event, ReachabilityChanged) and self._mode is Mode.AUTO:
                self._serve(serving=event.reachability is Reachability.PUBLIC)
            if events.dropped != dropped:
                dropped = events.dropped
                engine.messenger.forget_the_closed()

    # -- client or server

    @property
    def mode(self) -> Mode:
        """What it was told to be; ``serving`` tells what it is. Can be set."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._serve(serving=mode is Mode.SERVER or (mode is Mode.AUTO and self._is_public()))

    def _is_public(self) -> bool:
        """Whether AutoNAT has found out by now that the host can be reached; it is never known without."""
        clients = [each for each in self._host.services if isinstance(each, AutonatClient)]
        return any(each.reachability is Reachability.PUBLIC for each in clients)

    @property
    def serving(self) -> bool:
        """Whether others are answered now."""
        return self._serving

    def _serve(self, *, serving: bool) -> None:
        """Become a server or a client; peers are told by identify (KAD-03)."""
        if serving is self._serving:
            return
        self._serving = serving
        protocol = self.config.protocol
        if serving:
            self._host.handle(protocol, self._engine.server.serve, max_streams=self.config.max_inbound_streams)
        else:
            self._host.unhandle(protocol)
            self._engine.server.reset()
        self._host.emit(DhtModeChanged(protocol=protocol, server=serving))

    # -- entering

    async def bootstrap(
        self, addresses: Sequence[str | Multiaddr] = (), *, timeout: float | None = None, refresh: bool = True
    ) -> Joined:
        """Enter the network by peers at ``addresses`` and the configured ones, and fill the routing table.

        Without any, those of the table do. It goes on where some or all can't be reached; the result tells. Without
        ``refresh`` nothing is looked up: for whoever has but one question.

        Raises:
            HostClosed: the DHT is not running.
        """
        self._engine.check_running()
        entrances = [*map(str, addresses), *self.config.bootstrap]
        return await self._upkeep.join(entrances, self._seconds(timeout), refresh=refresh)

    # -- finding

    async def find_peer(self, peer: PeerId, *, timeout: float | None = None) -> FoundPeer:
        """Find out where ``peer`` is, and connect to it; where that fails, what others say of it is returned.

        Raises:
            LookupFailed: nobody who was asked knows it.
            DeadlineExceeded: too many other lookups ran all the time.
            HostClosed: the DHT is not running.
        """
        found = await find_peer(self._engine, peer, self._seconds(timeout))
        if not found.connected and not found.addresses:
            raise LookupFailed(f"{peer} was not found", found.progress)
        return found

    async def find_addresses(self, peer: PeerId, timeout: float) -> list[Multiaddr]:
        """Return where ``peer`` can be dialled; for the host (see :class:`PeerRouter`).

        Raises:
            P2PError: as for :meth:`find_peer`.
        """
        return list((await self.find_peer(peer, timeout=timeout)).addresses)

    def __str__(self) -> str:
        return f"the DHT {self.config.protocol}"

    async def closest(self, key: bytes, *, timeout: float | None = None) -> FoundPeers:
        """Return the peers nearest to ``key``, which is what is hashed: a binary peer id, a value's key, a multihash.

        Raises:
            DeadlineExceeded: too many other lookups ran all the time.
            HostClosed: the DHT is not running.
        """
        return await find_closest(self._engine, key, self._seconds(timeout))

    # -- values

    async def put_value(
        self, key: bytes, value: bytes, *, quorum: int = 1, timeout: float | None = None, republish: bool = True
    ) -> Sent:
        """Store ``value`` under ``key``, which is ``/namespace/rest``, here and at the peers nearest to it.

        ``republish`` sends it again from time to time, until :meth:`withdraw`. Rust says yes whether it stores or not:
        read it back where it matters (KAD-09).

        Raises:
            DecodeError: the namespace has no validator, or that refuses the value; or it is too long.
            LocalError: a better value is known here.
            LookupFailed: fewer than ``quorum`` peers have taken it; it is sent again all the same.
            LimitExceeded: too much is published.
            HostClosed: the DHT is not running.
        """
        seconds = self._seconds(timeout)
        return await self._publisher.put_value(key, value, quorum=quorum, timeout=seconds, again=republish)

    async def get_value(self, key: bytes, *, quorum: int = 0, timeout: float | None = None) -> FoundValue:
        """Return the best value of ``key``; near peers that have a worse one are sent it, in the background.

        With ``quorum`` it ends when so many peers, this node included, gave a valid one; with 0 all near ones are
        asked, which finds the newest.

        Raises:
            DecodeError: the namespace has no validator.
            LookupFailed: nobody who was asked has a valid one.
            HostClosed: the DHT is not running.
        """
        return await self._publisher.get_value(key, quorum=quorum, timeout=self._seconds(timeout))

    # -- providers

    async def provide(
        self, key: bytes, *, quorum: int = 1, timeout: float | None = None, republish: bool = True
    ) -> Sent:
        """Tell the peers nearest to ``key``, a multihash, that this host provides it.

        ``republish`` tells it again from time to time, until :meth:`withdraw`.

        Raises:
            LocalError: the key is empty or too long, or the host has no address in this network.
            LookupFailed: fewer than ``quorum`` peers have taken it; it is told again all the same.
            LimitExceeded: too much is provided.
            HostClosed: the DHT is not running.
        """
        return await self._publisher.provide(key, quorum=quorum, timeout=self._seconds(timeout), again=republish)

    def find_providers(self, key: bytes, *, count: int = 20, timeout: float | None = None) -> ProviderSearch:
        """Return an async iterator over providers of ``key``, as they are found; it ends with ``count`` (0: with all).

        Leave it before its end by ``async with``, or by ``aclose``. Its iteration raises DeadlineExceeded where too
        many other lookups ran all the time, and HostClosed where the DHT is not running.
        """
        return ProviderSearch(self._engine, key, count, self._seconds(timeout))

    def withdraw(self, key: bytes) -> None:
        """Send what was published under ``key`` no more; others forget it when its time is over."""
        self._publisher.withdraw(key)

    def _seconds(self, timeout: float | None) -> float:
        return self.config.kad.query_timeout if timeout is None else timeout

    # -- what there is

    @property
    def routing_table(self) -> RoutingTable:
        """The peers that are known; to be looked at only."""
        return self._engine.table

    @property
    def counters(self) -> Counter[str]:
        """Requests by type, ``served.FIND_NODE`` and ``sent.FIND_NODE``, and what was refused or left out."""
        return self._engine.counters

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken."""
        engine, config = self._engine, self.config
        kad = config.kad
        return {
            "max_served_streams": Usage(len(engine.server), config.max_served_streams),
            "max_lookups": Usage(len(engine.lookups), config.max_lookups),
            "max_answer_memory": Usage(engine.messenger.collecting, config.max_answer_memory),
            "max_probes": Usage(len(engine.members), config.max_probes),
            "max_corrections": Usage(self._publisher.corrections, config.max_corrections),
            "max_values": Usage(len(engine.values), kad.max_values),
            "max_provided_keys": Usage(len(engine.providers), kad.max_provided_keys),
            "max_publications": Usage(
                max(len(self._publisher.values), len(self._publisher.provided)), kad.max_publications
            ),
        }
