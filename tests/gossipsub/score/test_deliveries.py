from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.gossipsub.score.deliveries import INVALID, UNKNOWN, Deliveries, Record
from tests.gossipsub.score.driving import A, B, C


@pytest.mark.req("GS11-41")
def test_a_message_has_one_record() -> None:
    deliveries = Deliveries(120.0, 10)
    record = deliveries.begin(b"1", A, 0.0)
    assert (record.message_id, record.sender, record.status, record.others) == (b"1", A, UNKNOWN, None)
    assert deliveries.begin(b"1", B, 119.0) is record
    assert record.sender is A
    assert deliveries.get(b"1") is record
    assert deliveries.get(b"2") is None
    assert len(deliveries) == 1


@pytest.mark.req("GS11-41")
def test_records_go_when_their_time_is_over() -> None:
    deliveries = Deliveries(120.0, 10)
    deliveries.begin(b"1", A, 0.0)
    deliveries.begin(b"2", A, 1.0)
    deliveries.expire(119.9)
    assert len(deliveries) == 2
    deliveries.expire(120.0)
    assert (deliveries.get(b"1"), len(deliveries)) == (None, 1)
    deliveries.expire(1000.0)
    assert (deliveries.get(b"2"), len(deliveries)) == (None, 0)
    deliveries.expire(1000.0)


@pytest.mark.req("GS11-41")
def test_a_message_that_comes_again_after_its_time_is_new() -> None:
    deliveries = Deliveries(120.0, 10)
    old = deliveries.begin(b"1", A, 0.0)
    new = deliveries.begin(b"1", B, 120.0)
    assert new is not old
    deliveries.expire(121.0)
    assert deliveries.get(b"1") is new, "the old record's end does not touch the new one"
    deliveries.expire(240.0)
    assert deliveries.get(b"1") is None
    assert len(deliveries) == 0


@pytest.mark.req("GS11-41")
def test_the_oldest_record_goes_when_there_are_too_many() -> None:
    deliveries = Deliveries(120.0, 2)
    for message_id in (b"1", b"2", b"1", b"3"):
        deliveries.begin(message_id, A, 0.0)
    assert deliveries.get(b"1") is None
    assert deliveries.get(b"2") is not None
    assert deliveries.get(b"3") is not None


def test_a_verdict_returns_the_others_and_forgets_them() -> None:
    record = Record(b"1", A, 120.0)
    record.others = {B, C}
    assert record.settle(INVALID) == {B, C}
    assert (record.status, record.others) == (INVALID, None)
    assert record.settle(INVALID) == set()


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 50)), max_size=60), st.integers(1, 5))
def test_records_are_bounded_and_never_too_old(steps: list[tuple[int, float]], capacity: int) -> None:
    deliveries = Deliveries(100.0, capacity)
    now = 0.0
    for number, pause in steps:
        now += pause
        record = deliveries.begin(bytes([number]), A, now)
        assert record.expires > now
        assert deliveries.get(bytes([number])) is record
        assert len(deliveries) <= capacity
        if number % 3 == 0:
            deliveries.expire(now)
            found = [deliveries.get(bytes([each])) for each in range(10)]
            assert all(each.expires > now for each in found if each is not None)
