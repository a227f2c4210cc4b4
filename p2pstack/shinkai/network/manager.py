"""One libp2p host of a Shinkai node, and all that passes through it (SHK-70; specs/shinkai.md).

::

    async with LibP2PManager(name, keys, profile=Profile.HEAD, handler=handler, listen=["/ip4/0.0.0.0/tcp/9552"]) as it:
        task = asyncio.create_task(it.run())                      # works on what comes by the channel
        await it.events.send(AddPeer(address="/ip4/192.0.2.1/tcp/9552"))
        answer = await it.send_direct(peer_id, message)           # or call it
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self

from p2pstack.errors import HostClosed, LocalError, P2PError, ProtocolViolation
from p2pstack.host.events import EventBus, EventStream
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of, with_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.bootstrap import Bootstrap
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.peers.entries import KnownPeer
from p2pstack.services.peers.service import PersistentPeers
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.standard import Host
from p2pstack.shinkai import json_form
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.keys import NodeKeys, key_of_name
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.answering import JobAnswers
from p2pstack.shinkai.network.channel import EventChannel, EventSender
from p2pstack.shinkai.network.config import ManagerConfig
from p2pstack.shinkai.network.direct import DirectMessages
from p2pstack.shinkai.network.events import MessageReceived, Notice, PeerDiscovered, RelayDown, RelayReserved, RelayUp
from p2pstack.shinkai.network.finding import Finder, FoundBy, join_dht, search_lan
from p2pstack.shinkai.network.gossip import GossipMessages, Published
from p2pstack.shinkai.network.handler import Received, ShinkaiMessageHandler
from p2pstack.shinkai.network.links import ReservedRelay, Where, upgrade
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.network.turns import Turns
from p2pstack.shinkai.network.watcher import Watcher
from p2pstack.shinkai.network.work import EventWorker
from p2pstack.storage.database import Database

__all__ = ["LibP2PManager"]


class LibP2PManager:
    """A host with one profile. Use it with ``async with``; a node with both has two of them, and one handler.

    Args:
        name: the node's; in the seed profile its peer id follows from it.
        keys: the node's; in the head profile its peer id is that of the signature key.
        profile: SEED or HEAD.
        handler: where messages go.
        listen: addresses that the host listens on from the start.
        relay: where the relay is, whose connection is kept, or what finds that out for each dial; None for no relay.
        bootstrap: where peers are by which the network is entered, ``/dnsaddr`` lists included (SHK-124).
        database: the node's file, in which peers are remembered; None: only as long as this lives.
        config: limits and habits.

    Raises:
        LocalError: the profile is BOTH.
        DecodeError: an address is none.
        ConfigError: one of ``bootstrap`` can't be dialled.
    """

    def __init__(
        self,
        name: ShinkaiName,
        keys: NodeKeys,
        *,
        profile: Profile,
        handler: ShinkaiMessageHandler,
        listen: Sequence[str | Multiaddr] = (),
        relay: Where | None = None,
        bootstrap: Sequence[str | Multiaddr] = (),
        database: Database | None = None,
        config: ManagerConfig | None = None,
    ) -> None:
        if profile is Profile.BOTH:
            raise LocalError("a manager has one profile: make one for each")
        self.config = config = config or ManagerConfig()
        self.name = name
        self.profile = profile
        self.handler = handler
        self.host = host = Host(
            profile.key(name, keys),
            listen=listen,
            config=profile.host_config(name, config.host),
            services=config.services,
        )
        self.peer_id = host.peer_id
        self._counters: Counter[str] = Counter()
        self._turns = Turns(Bandwidth(config.outgoing), config.direct.max_outbound)
        self._incoming = Bandwidth(config.incoming)
        self._direct = self._make_direct() if profile is Profile.HEAD else None
        self._gossip = self._make_gossip() if profile is Profile.SEED else None
        self._bus = EventBus(config.notice_queue)
        self._watcher = Watcher(host, config.max_identities, self._bus.emit)
        self.known_peers = (
            None if database is None else PersistentPeers(host, database, name=profile.value, config=config.known_peers)
        )
        """Who is remembered; None without a database."""
        self.bootstrap = Bootstrap(host, bootstrap, config=config.bootstrap) if bootstrap else None
        """By whom the network is entered; None where nobody was named."""
        self._circuits: tuple[RelayClient, HolePunching] | None = None
        self.relay = None if relay is None else self._reserved_relay(relay)
        if profile is Profile.HEAD and self._circuits is None:
            self._pass_circuits()
        # As a server where we can be dialled, and so have no relay.
        self.dht = join_dht(host, config.finding, server=self.relay is None) if config.finding.dht else None
        self._finder = Finder(host, config.finding)
        if config.finding.mdns:
            search_lan(host, config.finding)
        self._channel = EventChannel(config.max_events, config.event_timeout)
        self.events = EventSender(self._channel)
        """The channel's end: whoever holds it can ask for what events.py describes."""
        self._tasks: list[asyncio.Task[None]] = []
        self._started = self._stopping = False
        self._stopped = asyncio.Event()

    def _make_direct(self) -> DirectMessages:
        return DirectMessages(
            self.host,
            self.config.direct,
            admit=self.handler.admit,
            answer=JobAnswers(self.handler, self._received).answer,
            turns=self._turns,
            incoming=self._incoming,
            counters=self._counters,
        )

    def _make_gossip(self) -> GossipMessages:
        return GossipMessages(
            self.host,
            self.name,
            self.handler,
            self.config.gossip,
            turns=self._turns,
            incoming=self._incoming,
            counters=self._counters,
            on_received=self._received,
            on_discovered=lambda peer, kind: self._bus.emit(PeerDiscovered(peer=peer, kind=kind)),
        )

    def _pass_circuits(self) -> tuple[RelayClient, HolePunching]:
        """Have the host reach peers behind relays, and connect to them directly where that can be done (SHK-78)."""
        made = self._circuits = RelayClient(self.host), HolePunching(self.host)
        return made

    def _reserved_relay(self, where: Where) -> ReservedRelay:
        client, punching = self._pass_circuits()
        link = ReservedRelay(
            self.host,
            where,
            self.config.links,
            client,
            punching,
            on_up=lambda peer, address: self._bus.emit(RelayUp(peer=peer, address=address)),
            on_down=lambda why, wait: self._bus.emit(RelayDown(address=link.address, reason=why, retry_in=wait)),
            on_reserved=lambda peer, places: self._bus.emit(RelayReserved(peer=peer, addresses=places)),
        )
        return link

    # -- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, and begin to connect to relay, bootstrap peers and those that are known from before.

        Raises:
            OSError: an address can't be listened on; nothing is left behind.
            LocalError: it was started before.
        """
        if self._started:
            raise LocalError("a manager is started once")
        self._started = True
        try:
            self._spawn(self._watcher.run(self._watcher.events()))
            await self.host.start()
            if self._gossip is not None:
                self._gossip.start()
            for each in reversed(self._known()):
                self._watcher.recall(each.peer, each.agent)
            if self.relay is not None:
                self._spawn(self.relay.run())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything: :meth:`run`, the channel, all notices, and the host. Idempotent."""
        if self._stopping:
            await self._stopped.wait()
            return
        self._stopping = True
        try:
            for event in self._channel.close():
                EventWorker.settle(event, error=HostClosed("the manager was stopped"))
            self._turns.close()
            for task in self._tasks[1:]:  # the first one is the watcher, which ends with the host
                task.cancel()
            if self._gossip is not None:
                await self._gossip.stop()
            await self._finder.stop()
            await self.host.close()
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._bus.close()
            self._stopped.set()

    async def run(self) -> None:
        """Work on the events of the channel until the manager is stopped. An event's error never ends it."""
        await EventWorker(self, self._channel, self._counters).run()

    def notices(self, *types: type[Notice]) -> EventStream:
        """Return an async iterator over notices from now on, of the given types or of all. It ends with the manager.

        It may be made before the start. A slow reader loses the oldest notices, which the iterator counts.
        """
        return self._bus.listen(*types)

    # -- what it does

    async def send_direct(
        self,
        peer_id: PeerId,
        message: ShinkaiMessage,
        addresses: Sequence[str | Multiaddr] = (),
        *,
        timeout: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> ShinkaiMessage | None:
        """head: send a request and return the answer, or None for an empty one. Nothing in the answer is verified.

        The peer is dialled if need be, at ``addresses`` and those that are known.

        Raises:
            DialError: the peer can't be reached.
            ProtocolNotSupported: it takes no messages.
            DeadlineExceeded: it took longer than ``timeout`` seconds (default 30), all included.
            StreamError: the connection ended meanwhile; the peer may have got the message, or not.
            ProtocolViolation: what it answers is no message.
            LimitExceeded: the message is too long, or too much waits for the peer.
            LocalError: this is a seed manager.
            HostClosed: the manager was stopped.
        """
        direct = self._direct
        if direct is None:
            raise LocalError("a seed manager sends no requests: it publishes")
        through = () if self.relay is None else self.relay.addresses_of(peer_id)
        answer = await direct.request(
            peer_id, json_form.encode(message), [*addresses, *through], timeout=timeout, priority=priority
        )
        if not answer:
            return None
        try:
            return json_form.decode(answer, max_size=self.config.direct.max_response)
        except MessageError as error:
            self._counters["bad-answer"] += 1
            raise ProtocolViolation("shinkai", f"the answer is no message: {error}", requirement="SHK-71") from error

    async def broadcast(
        self, topic: str, message: ShinkaiMessage, *, timeout: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Published:
        """seed: publish for everybody and in ``topic``; see :func:`~p2pstack.shinkai.network.gossip.topic_of`.

        Raises:
            NotEnoughPeers: nobody at all is known within ``timeout`` seconds (default 5).
            DeadlineExceeded: what waits for this topic took longer.
            LimitExceeded: the message is longer than an RPC may be, or too much waits for the topic.
            LocalError: this is a head manager.
            HostClosed: the manager was stopped.
        """
        if self._gossip is None:
            raise LocalError("a head manager publishes nothing: it sends requests")
        return await self._gossip.publish(topic, json_form.encode(message), timeout=timeout, priority=priority)

    async def ping(self, peer_id: PeerId, *, timeout: float | None = None) -> float:
        """Return the seconds to a peer and back.

        Raises:
            DeadlineExceeded: no echo within ``timeout`` seconds (default 10).
            P2PError: it can't be reached, or breaks the rules.
        """
        return await self.host.ping(peer_id, timeout=timeout)

    async def add_peer(self, address: str | Multiaddr, peer_id: PeerId | None = None) -> PeerId:
        """Connect to an address; return who is there. With ``peer_id`` nobody else is taken.

        Raises:
            DialError: nobody answers there, or somebody else.
            DecodeError: it is no address.
            DeadlineExceeded: it took too long.
        """
        target = parse(address)
        if peer_id is not None and peer_id_of(target) is None:
            target = with_peer(target, peer_id)
        connection = await self.host.connect(target)
        return connection.peer_id

    async def reach(self, peer_id: PeerId, addresses: Sequence[str | Multiaddr] = (), *, timeout: float) -> FoundBy:
        """Be connected to a peer, and return how it was found (SHK-120). ``addresses`` are those of the directory.

        Raises:
            DialError: it can't be reached, there, where it was before, by our relay, or where the DHT says.
            DeadlineExceeded: that took longer than ``timeout`` seconds.
            HostClosed: the manager was stopped.
        """
        through = () if self.relay is None else self.relay.addresses_of(peer_id)
        return await self._finder.reach(peer_id, addresses, through, timeout)

    async def connect_identity(self, identity: str) -> PeerId:
        """Connect to the node of this name, or to a peer by its id as text; return its id.

        In seed the id follows from the name; in head it is that of a peer that said the name of itself, be it to an
        earlier process, which proves nothing. Where the peer is has to be known, or to be found by the DHT.

        Raises:
            InvalidName: it is neither.
            LocalError: no peer has said so.
            DialError: it can't be reached.
            DeadlineExceeded: it took too long.
        """
        connection = await self.host.connect(self._peer_of(identity))
        return connection.peer_id

    def _peer_of(self, identity: str) -> PeerId:
        with contextlib.suppress(P2PError):
            return PeerId.from_string(identity)
        name = ShinkaiName.parse(identity)
        if self.profile is Profile.SEED:
            return key_of_name(name).peer_id
        found = self._watcher.peer_of(name.node_name)
        if found is None:
            raise LocalError(f"peer {identity} not found: nobody has said that name")
        return found

    async def upgrade(self, peer_id: PeerId) -> bool:
        """Try to have a connection to a connected peer that passes no relay; whether there is one."""
        if self.relay is not None:
            return await self.relay.upgrade(peer_id)
        if self._circuits is not None:
            return await upgrade(self._circuits[1], peer_id)
        return bool(self.host.connections(peer_id))

    async def discover(self) -> int:
        """Announce us (seed) and connect to known peers that are not connected; return how many are then."""
        if self._gossip is not None:
            await self._gossip.announce()
        await self._reconnect()
        return len(self.peers())

    async def _reconnect(self) -> None:
        """Dial the peers that are known from before, some at a time; that one is gone is no error."""
        config = self.config.known_peers
        waiting = iter(self._known()[: config.wanted])

        async def work() -> None:
            for each in waiting:
                if not self.host.connections(each.peer):
                    with contextlib.suppress(P2PError):
                        await self.host.connect(each.peer, each.best_addresses())

        await asyncio.gather(*(work() for _ in range(config.dial_parallel)))

    def _known(self) -> list[KnownPeer]:
        return [] if self.known_peers is None else self.known_peers.newest()

    # -- what there is

    @property
    def addresses(self) -> list[Multiaddr]:
        """Where the host listens, with its peer id."""
        return self.host.full_addresses

    def peers(self) -> list[PeerId]:
        """Return the connected peers."""
        return self.host.network.peers

    def agent_of(self, peer_id: PeerId) -> str:
        """Return what a connected peer says of its program, or an empty text.

        A seed node of ours says ``p2pstack/shinkai-node-@@bob.shinkai``: it acknowledges what is published.
        """
        return self._watcher.agent_of(peer_id)

    def topic_peers(self, topic: str) -> list[PeerId]:
        """Return the peers that are subscribed to ``topic``; none in the head profile."""
        return [] if self._gossip is None else self._gossip.pubsub.peers(topic)

    @property
    def counters(self) -> Counter[str]:
        """How often what was refused, dropped or cut short on the way to the handler, which has its own."""
        counters = Counter(self._counters)
        if self._gossip is not None:
            counters["gossip-overflow"] = self._gossip.dropped
            counters.update({f"pubsub.{reason}": count for reason, count in self._gossip.pubsub.counters.items()})
        return counters

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken."""
        usage = {**self.host.usage(), "max_events": Usage(len(self._channel), self.config.max_events)}
        usage["known_peers.max_peers"] = Usage(len(self.known_peers or ()), self.config.known_peers.max_peers)
        usage["max_responses"] = Usage(len(self.handler.responses), self.handler.config.max_responses)
        for part in (self._direct, self._gossip):
            if part is not None:
                usage.update(part.usage())
        if self.dht is not None:
            usage.update({f"dht.{name}": used for name, used in self.dht.usage().items()})
        return usage

    def _received(self, source: PeerId, received: Received) -> None:
        if received.accepted:
            self._bus.emit(MessageReceived(source=source, key=received.key))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))
