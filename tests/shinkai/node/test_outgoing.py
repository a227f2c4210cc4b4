from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from p2pstack.errors import DialError, LocalError
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.errors import DirectoryUnavailable
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.config import SendConfig
from p2pstack.shinkai.node.outgoing import Outgoing, Parcel, peer_endpoint
from p2pstack.shinkai.node.results import SendState
from p2pstack.shinkai.node.ways import UNACKNOWLEDGED, WayOutcome
from tests.shinkai.node.pairs import ALICE, BOB, QUICK, directory, keys


class FakeWay:
    """A way of which the test knows what comes."""

    def __init__(self, outcome: WayOutcome | Exception, *, separate: bool = False) -> None:
        self.outcome = outcome
        self.separate_acks = separate
        self.tried = 0

    async def deliver(self, *_: Any, **__: Any) -> WayOutcome:
        self.tried += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def parcel(**fields: Any) -> Parcel:
    message = ShinkaiMessageBuilder(keys(ALICE), ALICE, BOB, time=0.0, entropy=bytes).text("x").build()
    return Parcel(key="ef" * 32, recipient=ShinkaiName.parse(BOB), message=message, **fields)


def outgoing(*ways: FakeWay, known: Any = None, **send: Any) -> Outgoing:
    config = replace(QUICK, send=SendConfig(**{"ack_timeout": 0.01, **send}))
    it = Outgoing(known or directory(), config)
    it.ways = list(ways)
    return it


@pytest.mark.req("SHK-81")
async def test_ways_are_tried_in_turn_until_one_works() -> None:
    first = FakeWay(DialError(BOB, []))
    second, third = FakeWay(WayOutcome(SendState.ACKNOWLEDGED)), FakeWay(WayOutcome(SendState.SENT))
    outcome = await outgoing(first, second, third).attempt(parcel())
    assert (outcome.state, outcome.via, len(outcome.attempts)) == (SendState.ACKNOWLEDGED, "libp2p", 1)
    assert third.tried == 0


@pytest.mark.req("SHK-81")
async def test_what_has_been_there_does_not_go_by_tcp_as_well() -> None:
    way = FakeWay(WayOutcome(None, "silent", reached=True))
    outcome = await outgoing(way).attempt(parcel())
    assert (outcome.state, outcome.reason, outcome.unreachable) == (None, UNACKNOWLEDGED, False)
    assert [attempt.way for attempt in outcome.attempts] == ["libp2p"]


@pytest.mark.req("SHK-82")
async def test_a_way_with_acknowledgements_of_their_own_is_waited_for() -> None:
    way = FakeWay(WayOutcome(None, reached=True), separate=True)
    it = outgoing(way)
    outcome = await it.attempt(parcel())
    assert outcome.reason == UNACKNOWLEDGED
    assert "no acknowledgement within" in outcome.error
    assert it.waiters.oldest(BOB) == parcel().key


@pytest.mark.req("SHK-80")
async def test_directories_that_fail_say_so() -> None:
    class Broken:
        async def lookup(self, name: ShinkaiName) -> Any:
            raise DirectoryUnavailable("no answer")

        async def close(self) -> None:
            return

    assert (await outgoing(known=Broken()).attempt(parcel())).reason == "directory-unavailable"
    assert (await outgoing(known=MemoryDirectory()).attempt(parcel())).reason == "unknown-identity"


@pytest.mark.req("SHK-81")
async def test_a_relay_that_is_not_known_holds_up_nobody_who_needs_none() -> None:
    way = FakeWay(WayOutcome(SendState.ACKNOWLEDGED))
    outcome = await outgoing(way).attempt(parcel(), proxy=ShinkaiName.parse("@@nobody.shinkai"))
    assert outcome.state is SendState.ACKNOWLEDGED
    assert [attempt.way for attempt in outcome.attempts] == ["directory"]
    it = outgoing(way)
    it.relay_name = lambda: ShinkaiName.parse("@@nobody.shinkai")
    assert (await it.attempt(parcel())).attempts == ()


async def test_nobody_there_is_unreachable() -> None:
    outcome = await outgoing().attempt(parcel())
    assert outcome.unreachable
    assert [attempt.way for attempt in outcome.attempts] == ["libp2p", "tcp"]


async def test_acknowledgements_go_by_the_way_of_their_message_and_raise_nothing() -> None:
    requests = FakeWay(WayOutcome(SendState.SENT))
    gossip = FakeWay(WayOutcome(SendState.SENT), separate=True)
    it = outgoing(requests, gossip)
    name = ShinkaiName.parse(BOB)
    await it.acknowledge(parcel().message, name, by_libp2p=True)
    assert (requests.tried, gossip.tried) == (0, 1)
    await it.acknowledge(parcel().message, name, by_libp2p=False)
    assert gossip.tried == 1
    await it.acknowledge(parcel().message, ShinkaiName.parse("@@nobody.shinkai"), by_libp2p=True)
    assert gossip.tried == 1


async def test_more_than_the_bandwidth_of_a_peer_is_refused_after_a_while() -> None:
    it = outgoing(bandwidth=BandwidthConfig(per_second=1.0, burst=1), libp2p_timeout=0.01)
    await it.attempt(parcel())
    assert "bandwidth" in (await it.attempt(parcel())).error


@pytest.mark.req("SHK-80")
def test_where_a_program_says_that_a_peer_is() -> None:
    endpoint = Endpoint("127.0.0.1", 9)
    for peer in (
        endpoint,
        "127.0.0.1:9",
        ("127.0.0.1", 9),
        (endpoint, BOB),
        (("127.0.0.1", 9), BOB),
        ("127.0.0.1:9", BOB),
    ):
        assert peer_endpoint(peer) == endpoint
    assert peer_endpoint(None) is None
    for wrong in (7, "nowhere", ("127.0.0.1", 70_000), (1, 2, 3), object()):
        with pytest.raises(LocalError):
            peer_endpoint(wrong)
