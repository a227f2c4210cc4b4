"""Members of a topic, of any kind, behind the same verbs: go and rust as processes, p2pstack as a host in this one.

``async with member(peers, "go", TOPIC) as node`` gives a :class:`Member` that listens and is subscribed. What differs
between two members of a test is said by :class:`Settings`, which means the same to each kind. Nothing here looks at the
order in which messages arrive: rust sends the last one first.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import MessageId, default_id, rust_id, sha256_id
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.gossipsub.values import Rpc
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.publishing import PublishResult
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription
from p2pstack.services.standard import Host
from tests.interop.addresses import peer_of
from tests.interop.harness import EVENT_SECONDS, Peer, PeerFailed, Peers

__all__ = ["TOPIC", "Member", "Ours", "Process", "Settings", "all_get", "connect", "meet", "member", "ours", "process"]

TOPIC = "weather"
LOOPBACK = "/ip4/127.0.0.1/tcp/0"

Got = tuple[str, str]
"""Who a message is from, and the SHA-256 of its data in hex; nobody is the empty string."""

POLICIES = {
    "strict": SigningPolicy.STRICT_SIGN,
    "anonymous": SigningPolicy.STRICT_NO_SIGN,
    "lax": SigningPolicy.PERMISSIVE,
    "lax-unsigned": SigningPolicy.PERMISSIVE,
}
IDS: dict[str, MessageId] = {"go": default_id, "rust": rust_id, "sha256": sha256_id}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a member takes part; with nothing said, as its library does it by default, but with a quick heartbeat."""

    policy: str = "strict"
    """What is signed: strict, anonymous, lax (signs, takes what is unsigned), lax-unsigned (the same, unsigned)."""
    ids: str | None = None
    """How messages are named: go, rust or sha256."""
    mesh_size: int | None = None
    """D, D_lo and D_hi; with 0 nobody who dials comes into the mesh (rust: but the first)."""
    heartbeat_ms: int = 200
    unsubscribe_backoff: int | None = None
    flood_publish: bool | None = None
    px: bool = False
    """Name others in a PRUNE, and, where it is ours, go to those who are named. Not rust."""
    floodsub: bool = False
    """Speak floodsub alone. Only go."""
    max_transmit: int | None = None
    """The longest RPC. Only rust."""


class Member(ABC):
    """One node; each wait ends with a PeerFailed that says what was waited for."""

    kind: str
    address: str

    @property
    def peer_id(self) -> str:
        """The node's peer id."""
        return peer_of(self.address)

    @abstractmethod
    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until ``condition()``, asked again whenever something happens to the node."""

    @abstractmethod
    async def dial(self, address: str) -> None:
        """Connect to ``address``."""

    @abstractmethod
    def mesh(self, topic: str) -> set[str]:
        """The peers in the node's mesh of ``topic``."""

    @abstractmethod
    def got(self, topic: str) -> Counter[Got]:
        """What the node has received, and how often."""

    @abstractmethod
    async def publish(self, topic: str, data: bytes) -> None:
        """Publish one message."""

    @abstractmethod
    async def burst(self, topic: str, *, size: int, count: int, rate: float) -> None:
        """Publish ``count`` messages of ``size`` bytes, all different, at ``rate`` a second."""

    @abstractmethod
    def subscribe(self, topic: str) -> None:
        """Join ``topic``."""

    @abstractmethod
    def unsubscribe(self, topic: str) -> None:
        """Leave ``topic``."""

    async def gets(self, author: str, data: bytes, topic: str = TOPIC) -> None:
        """Wait until the message has arrived."""
        wanted = (author, sha256(data).hexdigest())
        await self.until(lambda: self.got(topic)[wanted] > 0, f"message of {len(data)} bytes from {author or 'nobody'}")

    async def gets_many(self, count: int, topic: str = TOPIC) -> None:
        """Wait until ``count`` messages have arrived."""
        await self.until(lambda: self.got(topic).total() >= count, f"{count} messages")

    async def meshes_with(self, other: Member, topic: str = TOPIC) -> None:
        """Wait until the other is in this one's mesh."""
        await self.until(lambda: other.peer_id in self.mesh(topic), f"{other.kind} {other.peer_id} in the mesh")


class Process(Member):
    """The go or rust peer."""

    def __init__(self, kind: str, peer: Peer) -> None:
        self.kind = kind
        self.peer = peer
        self.address = peer.address

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        await self.peer.until(condition, what)

    async def dial(self, address: str) -> None:
        before = self._connections(address)
        self.peer.send("connect", address)
        await self.until(lambda: self._connections(address) > before, f"connection to {address}")

    def _connections(self, address: str) -> int:
        return sum(event["event"] == "connected" and event["peer"] == peer_of(address) for event in self.peer.events)

    def mesh(self, topic: str) -> set[str]:
        members: set[str] = set()
        for event in self.peer.events:
            if event.get("topic") == topic and event["event"] in {"graft", "prune"}:
                (members.add if event["event"] == "graft" else members.discard)(event["peer"])
        return members

    def got(self, topic: str) -> Counter[Got]:
        return Counter(
            (event["from"] or "", event["sha256"])
            for event in self.peer.events
            if event["event"] == "message" and event["topic"] == topic
        )

    async def publish(self, topic: str, data: bytes) -> None:
        before = self.peer.count("published")
        self.peer.send("publish", topic, data.hex() or "-")
        await self.until(lambda: self.peer.count("published") > before, "published event")

    async def burst(self, topic: str, *, size: int, count: int, rate: float) -> None:
        self.peer.send("burst", topic, size, count, rate)
        await self.peer.event("published", topic=topic, count=count, seconds=EVENT_SECONDS + count / rate)

    def subscribe(self, topic: str) -> None:
        self.peer.send("subscribe", topic)

    def unsubscribe(self, topic: str) -> None:
        self.peer.send("unsubscribe", topic)

    async def has_ended_streams(self, times: int) -> None:
        """Wait until go has done what so many ``streams`` commands said."""
        await self.until(lambda: self.peer.count("streams-ended") == times, "end of a stream")

    async def counters(self) -> dict[str, int]:
        """What go has counted so far."""
        before = self.peer.count("counters")
        self.peer.send("counters")
        await self.until(lambda: self.peer.count("counters") > before, "counters event")
        counters: dict[str, int] = [event for event in self.peer.events if event["event"] == "counters"][-1]["counters"]
        return counters


class Ours(Member):
    """A host of this process with pubsub. ``sent`` and ``received`` hold every RPC, with the peer at its other end."""

    kind = "p2pstack"

    def __init__(self, host: Host, pubsub: Gossipsub) -> None:
        self.host = host
        self.pubsub = pubsub
        self.address = str(host.full_addresses[0])
        self.sent: list[tuple[str, Rpc]] = []
        self.received: list[tuple[str, Rpc]] = []
        self.opened: Counter[str] = Counter()
        """How many streams we have opened to each peer, by what begins them: the hello."""
        self._news = asyncio.Event()
        self._got: dict[str, Counter[Got]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._listen_in()

    def _listen_in(self) -> None:
        """Stand between the router and the streams: what passes there is what the peers see."""
        router: Any = self.pubsub._engine.router
        receive, give, greet = router.receive_rpc, router.data_to_send, router.hello
        add, remove = router.add_peer, router.remove_peer

        def received(peer: PeerId, rpc: Rpc, *arguments: Any, **options: Any) -> Any:
            self.received.append((str(peer), rpc))
            self._news.set()
            return receive(peer, rpc, *arguments, **options)

        def sent() -> list[tuple[PeerId, Rpc]]:
            given: list[tuple[PeerId, Rpc]] = give()
            if given:
                self.sent += [(str(peer), rpc) for peer, rpc in given]
                self._news.set()
            return given

        def telling(method: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: Any, **options: Any) -> None:
                method(*arguments, **options)
                self._news.set()

            return call

        def greeting(peer: PeerId) -> Rpc:
            self.opened[str(peer)] += 1
            self._news.set()
            given: Rpc = greet(peer)
            return given

        router.receive_rpc, router.data_to_send, router.hello = received, sent, greeting
        router.add_peer, router.remove_peer = telling(add), telling(remove)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            counters, got = dict(self.pubsub.counters), {topic: len(each) for topic, each in self._got.items()}
            raise PeerFailed(f"p2pstack: no {what}; counters {counters}, received {got}") from None

    async def dial(self, address: str) -> None:
        await self.host.connect(address)

    def mesh(self, topic: str) -> set[str]:
        return {str(peer) for peer in self.pubsub.mesh(topic)}

    def got(self, topic: str) -> Counter[Got]:
        return self._got.get(topic, Counter())

    async def publish(self, topic: str, data: bytes) -> None:
        await self.send(topic, data)

    async def send(self, topic: str, data: bytes, *, peers: int = 1) -> PublishResult:
        """Publish, and return the result."""
        return await self.pubsub.publish(topic, data, peers=peers)

    async def burst(self, topic: str, *, size: int, count: int, rate: float) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in range(count):
            due = loop.create_future()
            loop.call_at(begin + number / rate, due.set_result, None)
            await due
            result = await self.send(topic, number.to_bytes(size, "big"))
            assert result.dropped == 0

    def subscribe(self, topic: str) -> None:
        subscription = self._subscriptions[topic] = self.pubsub.subscribe(topic)
        self._readers.append(asyncio.get_running_loop().create_task(self._read(subscription)))

    def unsubscribe(self, topic: str) -> None:
        self._subscriptions.pop(topic).close()

    async def _read(self, subscription: Subscription) -> None:
        counter = self._got.setdefault(subscription.topic, Counter())
        async for message in subscription:
            if message.peer != self.host.peer_id:
                counter[str(message.author or ""), sha256(message.data).hexdigest()] += 1
                self._news.set()

    async def close(self) -> None:
        """Let the readers end; to be called once pubsub has stopped."""
        if self._readers:
            await asyncio.wait(self._readers)

    async def has_opened(self, peer: Member, count: int) -> None:
        """Wait until we have opened ``count`` streams to ``peer``, or given it up."""
        await self.until(
            lambda: self.opened[peer.peer_id] >= count or self.pubsub.counters["given-up"] > 0, "new stream"
        )

    def control_to(self, peer: Member, name: str) -> list[Any]:
        """All entries of one kind, by the name of the field of :class:`Rpc`, that we have sent to ``peer``."""
        return [entry for to, rpc in self.sent if to == peer.peer_id for entry in getattr(rpc, name)]

    def control_of(self, peer: Member, name: str) -> list[Any]:
        """All entries of one kind that ``peer`` has sent to us."""
        return [entry for sender, rpc in self.received if sender == peer.peer_id for entry in getattr(rpc, name)]


def _options(kind: str, settings: Settings) -> list[object]:
    """The options of the peers for ``settings``."""
    options: list[object] = ["--gossip-events", "--policy", settings.policy, "--heartbeat-ms", settings.heartbeat_ms]
    values = {
        "--ids": settings.ids,
        "--mesh-size": settings.mesh_size,
        "--unsubscribe-backoff": settings.unsubscribe_backoff,
        "--max-transmit": settings.max_transmit,
    }
    for name, value in values.items():
        if value is not None:
            options += [name, value]
    if kind == "rust":
        options += ["--gossip-profile", "default", "--heartbeat-delay-ms", 100]
        options += ["--no-flood-publish"] if settings.flood_publish is False else []
    else:
        flags = {"--flood-publish": settings.flood_publish, "--px": settings.px, "--floodsub": settings.floodsub}
        options += [name for name, wanted in flags.items() if wanted]
    return options


def _config(settings: Settings) -> PubsubConfig:
    """Our configuration for ``settings``."""
    router: dict[str, Any] = {"heartbeat_interval": settings.heartbeat_ms / 1000, "peer_exchange": settings.px}
    if settings.mesh_size is not None:
        router |= {"d": settings.mesh_size, "d_low": settings.mesh_size, "d_high": settings.mesh_size}
        router |= {"d_out": 0, "d_score": 0}
    if settings.unsubscribe_backoff is not None:
        router["unsubscribe_backoff"] = float(settings.unsubscribe_backoff)
    if settings.flood_publish is not None:
        router["flood_publish"] = settings.flood_publish
    return PubsubConfig(
        router=GossipsubConfig(**router),
        policy=POLICIES[settings.policy],
        author=False if settings.policy in {"anonymous", "lax-unsigned"} else None,
        message_id=IDS[settings.ids] if settings.ids is not None else None,
    )


@contextlib.asynccontextmanager
async def process(
    peers: Peers, kind: str, *topics: str, settings: Settings | None = None, options: tuple[object, ...] = ()
) -> AsyncIterator[Process]:
    """A go or rust node that is subscribed to ``topics``."""
    words = [word for topic in topics for word in ("--topic", topic)]
    async with peers.listen(kind, *words, *_options(kind, settings or Settings()), *options) as peer:
        yield Process(kind, peer)


@contextlib.asynccontextmanager
async def ours(*topics: str, settings: Settings | None = None) -> AsyncIterator[Ours]:
    """A node of ours that is subscribed to ``topics``."""
    async with Host(listen=[LOOPBACK]) as host:
        async with Gossipsub(host, config=_config(settings or Settings())) as pubsub:
            node = Ours(host, pubsub)
            for topic in topics:
                node.subscribe(topic)
            yield node
        await node.close()


@contextlib.asynccontextmanager
async def member(peers: Peers, kind: str, *topics: str, settings: Settings | None = None) -> AsyncIterator[Member]:
    """A node of any kind that is subscribed to ``topics``."""
    if kind == "p2pstack":
        async with ours(*topics, settings=settings) as own:
            yield own
    else:
        async with process(peers, kind, *topics, settings=settings) as other:
            yield other


async def connect(dialer: Member, listener: Member) -> None:
    """Have ``dialer`` dial ``listener``."""
    await dialer.dial(listener.address)


async def meet(dialer: Member, listener: Member, topic: str = TOPIC) -> None:
    """Connect two, and wait until each is in the other's mesh."""
    await connect(dialer, listener)
    await dialer.meshes_with(listener, topic)
    await listener.meshes_with(dialer, topic)


async def all_get(sender: Member, others: list[Member], data: bytes, *, signed: bool = True) -> None:
    """``sender`` publishes ``data``; wait until each of the others has it, from it."""
    await sender.publish(TOPIC, data)
    for other in others:
        await other.gets(sender.peer_id if signed else "", data)
