from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import Network
from p2pstack.kad.keyspace import common_prefix, position
from p2pstack.kad.table import Admission, RoutingTable
from tests.kad.making import CONFIG, GUARDED, address, contact, contacts, peer, table_of

SMALL = KadConfig(k=3, beta=3, max_replacements=2)
SMALL_GUARDED = replace(GUARDED, k=3, beta=3, max_replacements=2)


def far(count: int, table: RoutingTable, prefix: int = 0) -> list[Contact]:
    """Contacts of one bucket."""
    wanted = (contact(number) for number in range(1, 10_000))
    found = (each for each in wanted if common_prefix(each.position, table.position) == prefix)
    return [next(found) for _ in range(count)]


@pytest.mark.req("KAD-02", "KAD-11")
def test_peers_come_in_until_their_bucket_is_full() -> None:
    table = RoutingTable(peer(0), SMALL)
    first, second, third, fourth = far(4, table)
    assert [table.add(each, 1.0) for each in (first, second, third)] == [Admission.ADDED] * 3
    assert table.add(second, 2.0) is Admission.KNOWN
    assert table.add(fourth, 2.0) is Admission.WAITING
    assert len(table) == 3
    assert second.peer in table
    assert fourth.peer not in table
    assert "a peer" not in table
    assert table.sizes() == {0: 3}
    [near] = far(1, table, 1)
    assert table.add(near, 2.0) is Admission.ADDED
    assert table.deepest == 1
    assert {each.peer for each in table} == {each.peer for each in (first, second, third, near)}


@pytest.mark.req("KAD-02")
def test_the_own_id_never_comes_in() -> None:
    table = RoutingTable(peer(0), CONFIG)
    assert table.add(contact(0), 0.0) is Admission.OWN
    assert len(table) == 0
    assert (table.deepest, table.sizes()) == (0, {})
    assert peer(0) not in table


@pytest.mark.req("KAD-11")
def test_a_peer_that_fails_goes_when_another_waits() -> None:
    table = RoutingTable(peer(0), SMALL)
    first, second, third, fourth, fifth = far(5, table)
    for each in (first, second, third, fourth, fifth):
        table.add(each, 0.0)
    assert table.failed(second.peer, 1.0)
    assert second.peer not in table
    assert fifth.peer in table  # the one that came last
    assert table.failed(first.peer, 1.0)
    assert fourth.peer in table
    assert len(table) == 3


@pytest.mark.req("KAD-11")
def test_with_nobody_waiting_it_goes_after_two_failures_in_a_row() -> None:
    table = RoutingTable(peer(0), SMALL)
    [one] = far(1, table)
    table.add(one, 0.0)
    assert not table.failed(one.peer, 1.0)
    table.heard(one.peer, 2.0)
    assert not table.failed(one.peer, 3.0)
    assert not table.closest(one.position, 20)  # others are not sent to it meanwhile
    assert table.closest(one.position, 20, failing=True) == [one]
    assert table.failed(one.peer, 4.0)
    assert len(table) == 0
    assert not table.failed(one.peer, 5.0)
    table.heard(one.peer, 5.0)
    assert one.peer not in table


@pytest.mark.req("KAD-03")
def test_a_peer_that_stops_to_be_a_server_goes_at_once() -> None:
    table = RoutingTable(peer(0), SMALL)
    first, second, third, fourth = far(4, table)
    [other] = far(1, table, 2)
    for each in (first, second, third, fourth):
        table.add(each, 0.0)
    assert table.remove(first.peer, 1.0)
    assert fourth.peer in table
    assert not table.remove(first.peer, 1.0)
    assert not table.remove(other.peer, 1.0)
    # One that waits does not come in any more, either.
    table.add(first, 2.0)
    assert not table.remove(first.peer, 2.0)
    assert table.remove(second.peer, 2.0)
    assert len(table) == 2


@pytest.mark.req("KAD-11")
def test_who_was_not_heard_of_for_long_is_to_be_asked() -> None:
    table = RoutingTable(peer(0), CONFIG)
    one, other = far(2, table)
    table.add(one, 0.0)
    table.add(other, 100.0)
    assert table.silent(CONFIG.silence - 1) == []
    assert table.silent(CONFIG.silence) == [one]
    table.heard(one.peer, CONFIG.silence)
    assert table.silent(CONFIG.silence + 100) == [other]


def test_new_addresses_take_the_place_of_old_ones() -> None:
    table = table_of(0, [contact(1)])
    moved = Contact(peer(1), (address(2),))
    assert table.add(moved, 1.0) is Admission.KNOWN
    assert table.get(peer(1)) == moved
    table.add(Contact(peer(1)), 2.0)
    assert table.get(peer(1)) == moved
    assert table.get(peer(2)) is None
    assert RoutingTable(peer(0), CONFIG).get(peer(1)) is None


@pytest.mark.req("KAD-13")
def test_a_network_takes_its_own_addresses_alone() -> None:
    table = RoutingTable(peer(0), KadConfig(network=Network.PUBLIC))
    local = parse("/ip4/192.168.1.1/tcp/1")
    assert table.add(Contact(peer(1), (local,)), 0.0) is Admission.FILTERED
    assert table.add(Contact(peer(1), (local, address(1))), 0.0) is Admission.ADDED
    assert table.get(peer(1)) == contact(1)


# -- IP groups


def crowd(count: int, table: RoutingTable, prefix: int, group: str = "8.8") -> list[Contact]:
    """Peers of one IP group in one bucket."""
    return [
        Contact(each.peer, (parse(f"/ip4/{group}.{number}.1/tcp/1"),))
        for number, each in enumerate(far(count, table, prefix))
    ]


@pytest.mark.req("KAD-21")
def test_one_ip_group_gets_two_places_in_a_bucket_and_three_in_the_table() -> None:
    table = RoutingTable(peer(0), GUARDED)
    outcomes = [table.add(each, 0.0) for prefix in (0, 1, 2) for each in crowd(4, table, prefix)]
    added = [number for number, each in enumerate(outcomes) if each is Admission.ADDED]
    assert added == [0, 1, 4]
    assert set(outcomes) == {Admission.ADDED, Admission.CROWDED}
    assert table.add(crowd(1, table, 2, "8.9")[0], 0.0) is Admission.ADDED
    # A place is free again when one of them goes.
    table.remove(crowd(1, table, 1)[0].peer, 1.0)
    assert table.add(crowd(2, table, 2)[1], 1.0) is Admission.ADDED


@pytest.mark.req("KAD-21")
def test_no_id_moves_into_a_full_group_later() -> None:
    table = RoutingTable(peer(0), GUARDED)
    one, other, third = crowd(3, table, 0)
    for each in (one, other):
        table.add(each, 0.0)
    elsewhere = Contact(third.peer, (address(9),))
    assert table.add(elsewhere, 0.0) is Admission.ADDED
    assert table.add(third, 1.0) is Admission.KNOWN
    assert table.get(third.peer) == elsewhere
    # Within its own group an id may move.
    moved = Contact(one.peer, (parse("/ip4/8.8.99.99/tcp/1"),))
    table.add(moved, 1.0)
    assert table.get(one.peer) == moved


@pytest.mark.req("KAD-21")
def test_who_waits_comes_in_only_while_its_group_has_room() -> None:
    table = RoutingTable(peer(0), SMALL_GUARDED)
    sybils = crowd(4, table, 0)
    honest = far(8, table)[4:7]
    for each in (*honest, sybils[0], sybils[1]):
        table.add(each, 0.0)
    for each in crowd(3, table, 1):
        table.add(each, 0.0)
    far_ones = crowd(1, table, 2)
    table.add(far_ones[0], 0.0)
    assert table.sizes() == {0: 3, 1: 2, 2: 1}
    assert table.failed(honest[0].peer, 1.0)  # both that wait are of a group that is full by now
    assert table.sizes() == {0: 2, 1: 2, 2: 1}


# -- properties

steps = st.lists(st.tuples(st.sampled_from("aaaahfr"), st.integers(1, 150)), max_size=150)


@pytest.mark.req("KAD-02", "KAD-11", "KAD-21")
@given(steps, st.booleans())
@settings(max_examples=60)
def test_whatever_happens_the_table_keeps_its_bounds(steps: list[tuple[str, int]], crowded: bool) -> None:
    table = RoutingTable(peer(0), SMALL_GUARDED)
    for now, (action, number) in enumerate(steps):
        one = contact(number)
        if crowded:
            one = Contact(one.peer, (address(number % 5, number),))
        if action == "a":
            table.add(one, now)
        elif action == "h":
            table.heard(one.peer, now)
        elif action == "f":
            table.failed(one.peer, now)
        else:
            table.remove(one.peer, now)
    everybody = list(table)
    assert len(table) == len(everybody) == len({each.peer for each in everybody}) == sum(table.sizes().values())
    for each in everybody:
        assert each.peer in table
        assert table.get(each.peer) == each
    assert all(size <= SMALL.k for size in table.sizes().values())
    prefixes = Counter(common_prefix(table.position, each.position) for each in everybody)
    assert prefixes == table.sizes()
    groups = Counter(group for each in everybody for group in each.groups)
    assert all(count <= SMALL_GUARDED.max_group_in_table for count in groups.values())
    assert groups == table._groups
    assert all(len(bucket.replacements) <= SMALL.max_replacements for bucket in table._buckets.values())
    assert not any(peer in bucket.entries for bucket in table._buckets.values() for peer in bucket.replacements)


@pytest.mark.req("KAD-04")
@given(st.sets(st.integers(1, 400)), st.integers(0, 400), st.integers(1, 25), st.sets(st.integers(1, 400)))
@settings(max_examples=60)
def test_the_closest_are_the_closest(known: set[int], target: int, count: int, without: set[int]) -> None:
    table = table_of(0, contacts(known), KadConfig(k=200, beta=20))
    wanted = position(peer(target).to_bytes())
    left_out = {peer(number) for number in without}
    found = table.closest(wanted, count, without=left_out)
    assert (
        found
        == sorted((each for each in table if each.peer not in left_out), key=lambda each: each.position ^ wanted)[
            :count
        ]
    )
