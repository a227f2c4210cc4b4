"""Messages a second of each peer."""

from __future__ import annotations

import pytest

from p2pstack.shinkai.network.rates import Rates


@pytest.mark.req("SHK-73")
def test_each_has_its_own_and_the_quietest_is_forgotten() -> None:
    rates = Rates(1.0, 2, 2)
    assert [rates.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.take("b", 0.0)
    assert not rates.take("a", 0.5)
    assert rates.take("a", 1.0)
    assert rates.take("c", 1.0)
    assert len(rates) == 2
    assert [rates.take("b", 1.0) for _ in range(3)] == [True, True, False]
