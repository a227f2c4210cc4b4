from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from p2pstack.errors import DialError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.interface import Route
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.keys import key_of_name
from p2pstack.shinkai.limits.bandwidth import Priority
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.finding import FoundBy
from p2pstack.shinkai.network.gossip import Published
from p2pstack.shinkai.node.acks import make_ack
from p2pstack.shinkai.node.results import SendState
from p2pstack.shinkai.node.ways import HeadWay, SeedWay, WayOutcome, multiaddr_of
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, keys, record

KEY = "cd" * 32


class FakeManager:
    """Answers as it was told."""

    def __init__(
        self, answer: ShinkaiMessage | None = None, *, agent: str = "", topic: int = 1, name: str = ALICE
    ) -> None:
        self.name = ShinkaiName.parse(name)
        self.connected: list[PeerId] = []
        self.answer = answer
        self.agent = agent
        self.topic = topic
        self.dht: object = None
        self.targets: list[tuple[PeerId, list[str]]] = []
        self.found: FoundBy | None = FoundBy.DIRECTORY

    async def send_direct(self, peer: PeerId, _: ShinkaiMessage, *, timeout: float, **__: Any) -> Any:
        assert peer == self.targets[-1][0]
        assert 0 < timeout <= 1.0
        return self.answer

    async def reach(self, peer: PeerId, addresses: list[str], *, timeout: float) -> FoundBy:
        assert timeout == 1.0
        self.targets.append((peer, addresses))
        if self.found is None:
            raise DialError(peer, [])
        return self.found

    async def broadcast(self, topic: str, _: ShinkaiMessage, **__: Any) -> Published:
        return Published(topic=topic, peers=self.topic, network_peers=1, dropped=0)

    def topic_peers(self, _: str) -> list[PeerId]:
        return [key_of_name(ShinkaiName.parse(BOB)).peer_id] if self.topic and self.agent else []

    def peers(self) -> list[PeerId]:
        return [*self.connected, *self.topic_peers("")]

    def agent_of(self, _: PeerId) -> str:
        return self.agent


def message(sender: str = ALICE, recipient: str = BOB, text: str = "x") -> ShinkaiMessage:
    return ShinkaiMessageBuilder(keys(sender), sender, recipient, time=0.0, entropy=bytes).text(text).build()


def ack(sender: str = BOB, key: str = KEY) -> ShinkaiMessage:
    return make_ack(keys(sender), ShinkaiName.parse(sender), ALICE, key, time=0.0, entropy=bytes)


async def deliver(way: HeadWay | SeedWay, route: Route | None = None, **options: Any) -> WayOutcome:
    arguments: dict[str, Any] = {"key": KEY, "relay": None, "address": None, "acknowledged": True, **options}
    return await way.deliver(message(), route or Route(record(BOB)), priority=Priority.NORMAL, timeout=1.0, **arguments)


async def ignore(_: PeerId, __: ShinkaiMessage) -> None:
    return


def head(manager: FakeManager) -> HeadWay:
    return HeadWay(manager, ignore)  # type: ignore[arg-type]


def seed(manager: FakeManager) -> SeedWay:
    return SeedWay(manager)  # type: ignore[arg-type]


def test_addresses() -> None:
    assert multiaddr_of(Endpoint("127.0.0.1", 9)) == "/ip4/127.0.0.1/tcp/9"
    assert multiaddr_of(Endpoint("::1", 9)) == "/ip6/::1/tcp/9"
    assert multiaddr_of(Endpoint("example.com", 9)) == "/dns/example.com/tcp/9"


@pytest.mark.req("SHK-81", "SHK-82")
@pytest.mark.parametrize(
    ("answer", "state", "error"),
    [
        (ack(), SendState.ACKNOWLEDGED, ""),
        (None, None, "has not acknowledged"),
        (ack(key="00" * 32), None, "another message"),
        (ack(CAROL), None, "another node"),
        (message(BOB, ALICE), SendState.ACKNOWLEDGED, ""),
    ],
)
async def test_an_answer_counts_if_the_recipient_signed_it(
    answer: ShinkaiMessage | None, state: SendState | None, error: str
) -> None:
    outcome = await deliver(head(FakeManager(answer)))
    assert outcome.state is state
    assert error in outcome.error
    assert outcome.reached is (state is None)


@pytest.mark.req("SHK-82")
async def test_an_answer_that_is_not_signed_by_the_recipient_counts_for_nothing() -> None:
    forged = ShinkaiMessageBuilder(keys(CAROL), BOB, ALICE, time=0.0, entropy=bytes).ack().build()
    outcome = await deliver(head(FakeManager(forged)))
    assert outcome.state is None
    assert "bad-signature" in outcome.error


async def test_answers_that_say_more_than_ack_are_taken_as_messages() -> None:
    taken: list[str] = []

    async def on_answer(_: PeerId, answer: ShinkaiMessage) -> None:
        taken.append(answer.content)

    await deliver(HeadWay(FakeManager(message(BOB, ALICE, "more")), on_answer))  # type: ignore[arg-type]
    assert taken == ["more"]


@pytest.mark.req("SHK-81")
async def test_a_node_behind_a_relay_is_reached_through_ours() -> None:
    manager = FakeManager(ack())
    behind = Route(record(BOB, routing=True))
    assert "relay" in (await deliver(head(manager), behind)).error
    relay = Route(record(CAROL, "192.0.2.7:9"))
    outcome = await deliver(head(manager), behind, relay=relay)
    assert (outcome.state, outcome.found) == (SendState.ACKNOWLEDGED, "relay")
    assert manager.targets == [(record(CAROL).peer_id, ["/ip4/192.0.2.7/tcp/9"])]


@pytest.mark.req("SHK-81")
async def test_a_node_behind_a_relay_of_its_own_is_reached_through_that() -> None:
    manager = FakeManager(ack())
    behind = Route(record(BOB, CAROL), record(CAROL, "192.0.2.8:9"))
    assert (await deliver(head(manager), behind)).state is SendState.ACKNOWLEDGED
    manager.connected = [record(BOB).peer_id]
    assert (await deliver(head(manager), behind)).state is SendState.ACKNOWLEDGED
    through, direct = manager.targets
    assert through == (record(CAROL).peer_id, ["/ip4/192.0.2.8/tcp/9"])
    assert direct[0] == record(BOB).peer_id


@pytest.mark.req("SHK-79")
async def test_a_node_without_a_name_sends_by_its_relay_whose_word_counts() -> None:
    local = FakeManager(ack(CAROL), name="@@localhost.sep-shinkai")
    assert "needs a relay" in (await deliver(head(local))).error
    relay = Route(record(CAROL, "192.0.2.7:9"))
    assert (await deliver(head(local), relay=relay)).state is SendState.ACKNOWLEDGED
    assert local.targets == [(record(CAROL).peer_id, ["/ip4/192.0.2.7/tcp/9"])]
    # Bob can't know whom his own one would be for; and alice takes no relay's.
    assert (await deliver(head(FakeManager(ack(BOB), name="@@localhost.sep-shinkai")), relay=relay)).state is None
    assert (await deliver(head(FakeManager(ack(CAROL))), relay=relay)).state is None


@pytest.mark.req("SHK-120")
@pytest.mark.parametrize("listed", [(), ("",), ("no:where:at all",)])
async def test_a_node_without_an_address_in_the_directory_is_to_be_found_otherwise(listed: tuple[str, ...]) -> None:
    manager = FakeManager(ack())
    manager.found = FoundBy.DHT
    nowhere = replace(record(BOB), address_or_proxy_nodes=listed)
    outcome = await deliver(head(manager), Route(nowhere))
    assert (outcome.state, outcome.found) == (SendState.ACKNOWLEDGED, "dht")
    await deliver(head(manager), Route(nowhere), address=Endpoint("192.0.2.7", 9))
    assert [addresses for _, addresses in manager.targets] == [[], ["/ip4/192.0.2.7/tcp/9"]]


@pytest.mark.req("SHK-120")
async def test_without_a_relay_a_node_behind_one_is_asked_of_the_dht() -> None:
    manager = FakeManager(ack())
    manager.dht = object()
    manager.found = FoundBy.DHT
    behind = Route(replace(record(BOB), routing=True, address_or_proxy_nodes=()))
    outcome = await deliver(head(manager), behind)
    assert (outcome.state, outcome.found) == (SendState.ACKNOWLEDGED, "dht")
    assert manager.targets == [(record(BOB).peer_id, [])]


@pytest.mark.req("SHK-120")
async def test_a_seed_node_is_found_by_the_id_that_follows_from_its_name() -> None:
    manager = FakeManager(agent="p2pstack/x", topic=0)
    manager.found = FoundBy.DHT
    topics = iter([[], [key_of_name(ShinkaiName.parse(BOB)).peer_id]])
    manager.topic_peers = lambda _: next(topics)  # type: ignore[method-assign]
    manager.topic = 1
    outcome = await deliver(seed(manager), Route(replace(record(BOB), address_or_proxy_nodes=())))
    assert (outcome.reached, outcome.found) == (True, "dht")
    assert manager.targets == [(key_of_name(ShinkaiName.parse(BOB)).peer_id, [])]


async def test_what_needs_no_acknowledgement_is_sent() -> None:
    assert (await deliver(head(FakeManager()), acknowledged=False)).state is SendState.SENT
    assert (await deliver(seed(FakeManager(agent="p2pstack/x")), acknowledged=False)).state is SendState.SENT


@pytest.mark.req("SHK-82")
@pytest.mark.parametrize(
    ("agent", "topic", "state", "reached"),
    [
        ("rust-libp2p/0.44.2", 1, SendState.SENT, False),
        ("p2pstack/shinkai-node-@@bob.shinkai", 1, None, True),
    ],
)
async def test_an_original_of_the_seed_era_is_not_waited_for(
    agent: str, topic: int, state: SendState | None, reached: bool
) -> None:
    outcome = await deliver(seed(FakeManager(agent=agent, topic=topic)))
    assert (outcome.state, outcome.reached) == (state, reached)


async def test_where_nobody_is_in_the_topic_its_node_is_dialled() -> None:
    manager = FakeManager(agent="", topic=0)
    manager.found = None
    with pytest.raises(Exception, match="can't be dialled"):
        await deliver(seed(manager), address=Endpoint("192.0.2.7", 9))
    assert manager.targets == [(key_of_name(ShinkaiName.parse(BOB)).peer_id, ["/ip4/192.0.2.7/tcp/9"])]
    silent = FakeManager(agent="p2pstack/x", topic=1)
    silent.topic_peers = lambda _: [key_of_name(ShinkaiName.parse(BOB)).peer_id]  # type: ignore[method-assign]
    silent.topic = 0
    assert "nobody is in" in (await deliver(seed(silent))).error
