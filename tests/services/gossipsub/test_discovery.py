"""Discovery of topics: hosts that know one address end in one mesh."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from typing import Any

import pytest

from p2pstack.errors import ConfigError, DialError, HostClosed, P2PError
from p2pstack.services.gossipsub.discovery import TopicDiscovery
from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig
from p2pstack.services.gossipsub.discovery_sources import DhtSource, RendezvousSource, TopicPeer, TopicSource
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.rendezvous.client import RendezvousClient
from p2pstack.services.rendezvous.server import RendezvousServer
from p2pstack.services.standard import Host
from tests.host.hosts import closed_address, key
from tests.services.gossipsub.pubsubs import config as pubsub_config
from tests.services.gossipsub.pubsubs import texts
from tests.services.hosts import LOOPBACK, until
from tests.services.rendezvous.points import quick

TOPIC = "news"


class FakeSource:
    """Tells what it is given; ``calls`` counts what was asked of it, by name and topic."""

    def __init__(self, *found: TopicPeer, pause: float = inf, error: P2PError | None = None) -> None:
        self.found = list(found)
        self.pause = pause
        self.error = error
        self.calls: Counter[tuple[str, str]] = Counter()
        self.stuck = asyncio.Event()
        self.stuck.set()

    async def advertise(self, topic: str) -> float:
        self.calls["advertise", topic] += 1
        await self.stuck.wait()
        if self.error is not None:
            raise self.error
        return self.pause

    async def withdraw(self, topic: str) -> None:
        self.calls["withdraw", topic] += 1
        await self.stuck.wait()

    async def find(self, topic: str, count: int) -> AsyncGenerator[TopicPeer, None]:
        self.calls["find", topic] += 1
        for each in self.found[:count]:
            yield each
        await self.stuck.wait()
        if self.error is not None:
            raise self.error


def soon(**changes: Any) -> TopicDiscoveryConfig:
    """A configuration that waits for little."""
    return TopicDiscoveryConfig(**{"poll_interval": 0.01, "max_interval": 0.02, "advertise_retry": 0.01, **changes})


@asynccontextmanager
async def node(*sources: TopicSource, **config: Any) -> AsyncIterator[tuple[Gossipsub, TopicDiscovery]]:
    """Run a host with pubsub and discovery."""
    host = Host(key(1), listen=[LOOPBACK])
    pubsub = Gossipsub(host)
    discovery = TopicDiscovery(pubsub, *sources, config=soon(**config))
    async with host:
        yield pubsub, discovery


@asynccontextmanager
async def subscribers(*numbers: int) -> AsyncIterator[list[TopicPeer]]:
    """Run hosts that are subscribed to the topic; return where they are."""
    async with AsyncExitStack() as stack:
        made = []
        for number in numbers:
            host = await stack.enter_async_context(Host(key(number), listen=[LOOPBACK]))
            pubsub = await stack.enter_async_context(Gossipsub(host))
            await stack.enter_async_context(pubsub.subscribe(TOPIC))
            made.append(TopicPeer(host.peer_id, tuple(host.addresses)))
        yield made


def ids(peers: Sequence[TopicPeer]) -> set[Any]:
    return {each.peer for each in peers}


# -- everything together


def by_rendezvous(host: Host, first: Host) -> TopicSource:
    return RendezvousSource(RendezvousClient(host, [first.full_addresses[0]], config=quick()))


def by_dht(host: Host, first: Host) -> TopicSource:
    known = (str(first.full_addresses[0]),)
    return DhtSource(Kademlia(host, config=KademliaConfig(mode=Mode.SERVER, bootstrap=known)))


@pytest.mark.req("GS10-32", "GS10-33")
@pytest.mark.parametrize("source_of", [by_rendezvous, by_dht])
async def test_ten_hosts_that_know_one_address_are_one_mesh(source_of: Callable[[Host, Host], TopicSource]) -> None:
    router = {"heartbeat_interval": 0.1, "heartbeat_delay": 0.02}
    async with AsyncExitStack() as stack:
        first = Host(key(99), listen=[LOOPBACK])
        RendezvousServer(first)
        Kademlia(first, config=KademliaConfig(mode=Mode.SERVER))
        await stack.enter_async_context(first)
        pubsubs, readers = [], []
        for number in range(1, 11):
            host = Host(key(number), listen=[LOOPBACK])
            pubsub = Gossipsub(host, config=pubsub_config(router=router))
            TopicDiscovery(pubsub, source_of(host, first), config=soon(max_interval=0.1))
            await stack.enter_async_context(host)
            readers.append(await stack.enter_async_context(pubsub.subscribe(TOPIC)))
            pubsubs.append(pubsub)
        await until(lambda: all(len(each.peers(TOPIC)) >= 6 for each in pubsubs), 20.0)
        await until(lambda: all(each.mesh(TOPIC) for each in pubsubs), 20.0)
        for number, pubsub in enumerate(pubsubs):
            await pubsub.publish(TOPIC, b"from %d" % number)
        wanted = {b"from %d" % number for number in range(10)}
        for reader in readers:
            assert set(await texts(reader, 10)) == wanted


# -- finding


async def test_peers_of_a_topic_are_connected_to_as_many_as_are_wanted() -> None:
    async with subscribers(2, 3, 4, 5) as found:
        source = FakeSource(*found)
        by_hand = {"poll_interval": 3_600.0, "max_interval": 3_600.0}
        async with node(source, wanted=2, **by_hand) as (pubsub, discovery), pubsub.subscribe(TOPIC):
            discovery._look()
            await until(lambda: len(pubsub.peers(TOPIC)) == 2)
            assert ids(found[:2]) == set(pubsub.peers(TOPIC)), "the first ones; there was no need to hear of more"
            topic = discovery._topics[TOPIC]
            await until(lambda: topic.search is not None and topic.search.done())
            topic.next_search = 0.0
            discovery._look()
            assert topic.search is not None
            assert topic.search.done(), "with the topic full nobody is asked"
            assert (source.calls["find", TOPIC], discovery.counters["dialled"]) == (1, 2)


async def test_what_is_wanted_is_what_a_mesh_is_filled_up_to() -> None:
    async with node(FakeSource(), wanted=None) as (_, discovery):
        assert discovery.wanted == 6


async def test_where_somebody_leaves_another_one_is_looked_for() -> None:
    source = FakeSource()
    rarely = {"wanted": 2, "max_interval": 3_600.0}
    async with subscribers(3) as staying, node(source, **rarely) as (pubsub, discovery), pubsub.subscribe(TOPIC):
        async with subscribers(2) as leaving:
            source.found = leaving
            await until(lambda: pubsub.peers(TOPIC) == [leaving[0].peer])
            topic = discovery._topics[TOPIC]
            topic.next_search += 3_600.0
            source.found = staying
        await until(lambda: pubsub.peers(TOPIC) == [staying[0].peer])


async def test_a_network_that_is_small_is_asked_more_and_more_rarely() -> None:
    source = FakeSource()
    async with node(source, max_interval=100.0) as (pubsub, discovery), pubsub.subscribe(TOPIC):
        await until(lambda: discovery.counters["searched"] == 3)
        assert discovery._topics[TOPIC].interval == pytest.approx(0.08)


@pytest.mark.misbehave
async def test_peers_that_are_not_there_are_left_alone_for_a_while() -> None:
    gone = [TopicPeer(key(number).peer_id, (closed_address(),)) for number in (5, 6)]
    async with (
        subscribers(2) as found,
        node(FakeSource(*gone, *found), wanted=1) as (pubsub, discovery),
        pubsub.subscribe(TOPIC),
    ):
        await until(lambda: set(pubsub.peers(TOPIC)) == ids(found))
        assert discovery.counters["dial-failed"] <= 2
        assert discovery.counters["dialled"] == 1


@pytest.mark.misbehave
async def test_few_are_dialled_at_once() -> None:
    crowd = [TopicPeer(key(number).peer_id, (closed_address(),)) for number in range(2, 40)]
    most = 0

    async with node(FakeSource(*crowd), wanted=30, max_dials=3) as (pubsub, discovery), pubsub.subscribe(TOPIC):
        begin = discovery._dial

        async def counted(found: TopicPeer) -> None:
            nonlocal most
            most = max(most, len(discovery._dials))
            await begin(found)

        discovery._dial = counted  # type: ignore[method-assign]
        await until(lambda: discovery.counters["dial-failed"] == 38)
    assert 0 < most <= 3


@pytest.mark.misbehave
async def test_we_ourselves_and_who_is_connected_are_not_dialled() -> None:
    async with subscribers(2) as found, Host(key(3), listen=[LOOPBACK]) as silent:
        told = [TopicPeer(key(1).peer_id), TopicPeer(silent.peer_id, tuple(silent.addresses)), *found]
        async with node(FakeSource(*told), wanted=3) as (pubsub, discovery), pubsub.subscribe(TOPIC):
            await until(lambda: discovery.counters["dialled"] == 2)
            searches = discovery.counters["searched"]
            await until(lambda: discovery.counters["searched"] > searches + 1)
            assert discovery.counters["dialled"] == 2


@pytest.mark.misbehave
async def test_a_source_that_fails_or_hangs_does_not_hold_up_the_others() -> None:
    failing, hanging, good = FakeSource(error=DialError("x", [])), FakeSource(), FakeSource()
    hanging.stuck.clear()
    short = {"find_timeout": 0.02, "close_timeout": 0.02}
    async with (
        subscribers(2) as good.found,
        node(failing, hanging, good, **short) as (pubsub, discovery),
        pubsub.subscribe(TOPIC),
    ):
        await until(lambda: set(pubsub.peers(TOPIC)) == ids(good.found))
        assert discovery.counters["search-failed"] >= 2


# -- being found


async def test_a_topic_is_announced_while_it_is_subscribed_to() -> None:
    source = FakeSource(pause=0.01)
    async with node(source) as (pubsub, _):
        async with pubsub.subscribe(TOPIC):
            await until(lambda: source.calls["advertise", TOPIC] == 3)
            assert not source.calls["withdraw", TOPIC]
        await until(lambda: source.calls["withdraw", TOPIC])
        announced = source.calls["advertise", TOPIC]
        async with pubsub.subscribe("other"):
            await until(lambda: source.calls["advertise", "other"] == 3)
        assert source.calls["advertise", TOPIC] == announced


async def test_one_announcement_may_be_enough() -> None:
    source = FakeSource(pause=inf)
    async with node(source) as (pubsub, discovery), pubsub.subscribe(TOPIC):
        await until(lambda: discovery.counters["searched"] == 3)
        assert source.calls["advertise", TOPIC] == 1


@pytest.mark.misbehave
async def test_an_announcement_that_fails_is_made_again() -> None:
    source = FakeSource(error=DialError("x", []))
    async with node(source) as (pubsub, discovery), pubsub.subscribe(TOPIC):
        await until(lambda: discovery.counters["advertise-failed"] == 2)
        source.error = None
        await until(lambda: discovery.counters["advertised"] == 1)


@pytest.mark.misbehave
async def test_an_announcement_that_hangs_has_a_deadline() -> None:
    source = FakeSource()
    source.stuck.clear()
    async with node(source, advertise_timeout=0.02, close_timeout=0.02) as (pubsub, discovery), pubsub.subscribe(TOPIC):
        await until(lambda: discovery.counters["advertise-failed"] == 1)


async def test_a_topic_that_is_joined_again_at_once_is_not_withdrawn() -> None:
    source = FakeSource(pause=0.01)
    async with node(source) as (pubsub, discovery):
        subscription = pubsub.subscribe(TOPIC)
        await until(lambda: source.calls["advertise", TOPIC])
        subscription.close()
        discovery._look()
        again = pubsub.subscribe(TOPIC)
        discovery._look()
        async with again:
            announced = source.calls["advertise", TOPIC]
            await until(lambda: source.calls["advertise", TOPIC] > announced + 1)
            assert not source.calls["withdraw", TOPIC]


# -- topics that are only published in


async def test_who_only_publishes_finds_peers_and_is_not_announced() -> None:
    source = FakeSource()
    async with subscribers(2) as source.found, node(source) as (pubsub, discovery):
        discovery.seek(TOPIC)
        result = await pubsub.publish(TOPIC, b"x", timeout=10.0)
        assert result.peers == 1
        assert pubsub.peers(TOPIC) == [source.found[0].peer]
        assert pubsub.topics == []
    assert {name for name, _ in source.calls} == {"find"}


async def test_a_topic_that_is_sought_is_announced_while_it_is_subscribed_to() -> None:
    source = FakeSource(pause=0.01)
    async with node(source) as (pubsub, discovery):
        discovery.seek(TOPIC)
        await until(lambda: source.calls["find", TOPIC])
        assert not source.calls["advertise", TOPIC]
        async with pubsub.subscribe(TOPIC):
            await until(lambda: source.calls["advertise", TOPIC] == 3)
            assert not source.calls["withdraw", TOPIC]
        await until(lambda: source.calls["withdraw", TOPIC])
        announced = source.calls["advertise", TOPIC]
        searches = discovery.counters["searched"]
        await until(lambda: discovery.counters["searched"] > searches + 1)
        assert source.calls["advertise", TOPIC] == announced


async def test_what_is_sought_may_not_have_been_searched_for_yet() -> None:
    source = FakeSource()
    async with subscribers(2) as source.found, node(source, wanted=1) as (pubsub, discovery):
        await pubsub.host.connect(source.found[0].peer, source.found[0].addresses)
        await until(lambda: len(pubsub.peers(TOPIC)) == 1)
        discovery.seek(TOPIC)
        discovery._look()
        assert discovery._topics[TOPIC].search is None
    assert not source.calls


# -- life


async def test_it_can_come_and_go_while_the_host_runs() -> None:
    source = FakeSource()
    async with Host(key(1), listen=[LOOPBACK]) as host, Gossipsub(host) as pubsub, pubsub.subscribe(TOPIC):
        async with TopicDiscovery(pubsub, source, config=soon()) as discovery:
            await discovery.start()
            await until(lambda: source.calls["find", TOPIC])
            assert discovery in host.services
        assert source.calls["withdraw", TOPIC] == 1
        assert discovery not in host.services
        await discovery.stop()
        with pytest.raises(HostClosed):
            await discovery.start()


async def test_without_a_source_there_is_nothing_to_do() -> None:
    with pytest.raises(ConfigError):
        TopicDiscovery(Gossipsub(Host(key(1))))


async def test_what_was_never_started_can_be_stopped() -> None:
    discovery = TopicDiscovery(Gossipsub(Host(key(1))), FakeSource())
    await discovery.stop()
