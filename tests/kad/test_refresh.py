from __future__ import annotations

import pytest

from p2pstack.kad.keyspace import common_prefix, position
from p2pstack.kad.refresh import Refresh
from tests.kad.making import CONFIG, contacts, peer, table_of

ENTROPY = bytes(range(256)) * 2


@pytest.mark.req("KAD-12")
def test_a_refresh_is_due_at_once_and_then_every_ten_minutes() -> None:
    refresh = Refresh(table_of(0, contacts(range(1, 30))), CONFIG, 5.0)
    assert refresh.next_timeout() == 5.0
    assert not refresh.handle_timeout(4.9)
    assert refresh.handle_timeout(5.0)
    assert not refresh.handle_timeout(5.0)
    assert refresh.next_timeout() == 605.0
    refresh.peer_added(6.0)
    assert refresh.next_timeout() == 605.0
    assert refresh.handle_timeout(700.0)
    assert refresh.next_timeout() == 1_300.0


@pytest.mark.req("KAD-12")
def test_a_small_table_is_refreshed_sooner_but_never_without_end() -> None:
    refresh = Refresh(table_of(0, contacts(range(1, 5))), CONFIG, 0.0)
    refresh.peer_added(-1.0)
    assert refresh.next_timeout() == -1.0
    assert refresh.handle_timeout(0.0)
    assert refresh.next_timeout() == 120.0
    refresh.peer_added(1.0)
    assert refresh.next_timeout() == 10.0
    refresh.peer_added(2.0)
    assert refresh.next_timeout() == 10.0
    refreshes = 0
    for second in range(2, 62):
        refresh.peer_added(float(second))
        refreshes += refresh.handle_timeout(float(second))
    assert refreshes == 6


@pytest.mark.req("KAD-12")
def test_the_own_id_and_one_id_for_each_bucket_are_looked_up() -> None:
    table = table_of(0, contacts(range(1, 200)))
    own, *others = Refresh(table, CONFIG, 0.0).targets(ENTROPY)
    assert own == peer(0).to_bytes()
    assert [common_prefix(table.position, position(each)) for each in others] == list(range(table.deepest + 1))
    assert len(Refresh(table, CONFIG, 0.0).targets(ENTROPY[:64])) == 3
    assert Refresh(table_of(0, []), CONFIG, 0.0).targets(ENTROPY) == [peer(0).to_bytes()]
