from __future__ import annotations

from typing import Any

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import ProviderFound, Reason
from p2pstack.kad.filters import Network
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.provider_query import ProviderQuery
from tests.kad.lookups import Play, answer
from tests.kad.making import CONFIG, address, contact, contacts, nearest, peer

KEY = b"\x12\x20" + bytes(32)
PEERS = nearest(KEY, contacts(range(1, 11)))


def lookup(config: KadConfig = CONFIG, **more: Any) -> tuple[Play, ProviderQuery]:
    query = ProviderQuery(own=peer(0), key=KEY, seeds=PEERS, config=config, now=0.0, **more)
    return Play(query, config), query


@pytest.mark.req("KAD-06")
def test_providers_are_collected_to_the_end() -> None:
    play, query = lookup()
    assert query.request == Message(type=MessageType.GET_PROVIDERS, key=KEY)
    told = (contact(50), Contact(peer(51)), contact(0))
    play.to_the_end(lambda asked: answer(query, providers=told))
    assert query.reason is Reason.COMPLETE
    assert query.providers == [contact(50), Contact(peer(51))]
    assert [each.contact for each in play.events if isinstance(each, ProviderFound)] == query.providers
    assert len(play.asked) == 10


@pytest.mark.req("KAD-16")
def test_addresses_that_come_later_are_added() -> None:
    play, query = lookup()
    told = iter([(Contact(peer(50)),), (contact(50),), (Contact(peer(50), (address(51),)),), *[()] * 7])
    play.to_the_end(lambda asked: answer(query, providers=next(told)))
    assert query.providers == [Contact(peer(50), (address(50), address(51)))]


@pytest.mark.req("KAD-06")
def test_it_ends_with_as_many_as_were_asked_for() -> None:
    play, query = lookup(count=2)
    play.to_the_end(lambda asked: answer(query, providers=tuple(contacts(range(50, 60)))))
    assert query.reason is Reason.ENOUGH
    assert query.providers == contacts([50, 51])


@pytest.mark.req("KAD-18")
def test_ten_thousand_providers_are_bounded() -> None:
    play, query = lookup()
    numbers = iter(range(100, 20_000))
    play.to_the_end(lambda asked: answer(query, providers=tuple(Contact(peer(next(numbers))) for _ in range(1_000))))
    assert len(query.providers) == CONFIG.max_found_providers
    assert query.reason is Reason.ENOUGH
    play, query = lookup(count=10**9)
    play.step(lambda asked: answer(query, providers=tuple(contacts(range(100, 1_100)))))
    assert len(query.providers) == CONFIG.max_told_providers


@pytest.mark.req("KAD-13")
def test_addresses_of_another_network_are_left_out() -> None:
    play, query = lookup(KadConfig(network=Network.PUBLIC))
    local = parse("/ip4/10.0.0.1/tcp/1")
    told = (Contact(peer(50), (local,)), Contact(peer(51), (local, address(51))))
    play.to_the_end(lambda asked: answer(query, providers=told))
    assert query.providers == [Contact(peer(50)), contact(51)]
