from __future__ import annotations

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.kad.publications import Publications
from tests.kad.making import CONFIG


@pytest.mark.req("KAD-06", "KAD-15")
def test_what_is_published_is_due_again() -> None:
    values = Publications(CONFIG.value_interval, CONFIG.max_publications)
    assert values.next_timeout() is None
    assert values.handle_timeout(0.0) is None
    values.add(b"a", 0.0)
    values.add(b"b", 10.0)
    hours = CONFIG.value_interval
    assert values.next_timeout() == hours == 22 * 3_600
    assert values.handle_timeout(hours - 1) is None
    assert values.handle_timeout(hours) == b"a"
    assert values.handle_timeout(hours) is None
    assert values.handle_timeout(hours + 60) == b"b"
    assert values.next_timeout() == 2 * hours
    values.add(b"a", hours + 70)  # published again by hand: later by that
    assert values.next_timeout() == 2 * hours + 60
    values.remove(b"b")
    values.remove(b"c")
    assert b"a" in values
    assert b"b" not in values
    assert len(values) == 1


def test_there_is_an_end_to_it() -> None:
    values = Publications(10.0, 2)
    values.add(b"a", 0.0)
    values.add(b"b", 0.0)
    values.add(b"a", 1.0)
    with pytest.raises(LimitExceeded) as caught:
        values.add(b"c", 1.0)
    assert (caught.value.name, caught.value.limit) == ("max_publications", 2)
