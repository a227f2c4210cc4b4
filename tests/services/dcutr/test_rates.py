"""How often peers may have us dial, one and all."""

from __future__ import annotations

import pytest

from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import LimitExceeded
from p2pstack.services.dcutr.rates import Rates
from tests.services.dcutr.behind import key

ONE, TWO, THREE = (key(number).peer_id for number in (1, 2, 3))


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
def test_a_peer_may_cause_a_few_dials_and_then_one_now_and_then() -> None:
    rates = Rates(DcutrConfig(peer_burst=2, peer_interval=10.0))
    rates.take(ONE, 0.0)
    rates.take(ONE, 0.0)
    with pytest.raises(LimitExceeded, match="peer_burst"):
        rates.take(ONE, 9.0)
    rates.take(TWO, 9.0)
    rates.take(ONE, 10.0)
    with pytest.raises(LimitExceeded, match="peer_burst"):
        rates.take(ONE, 10.0)


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
def test_all_peers_together_cause_no_more_than_so_many() -> None:
    rates = Rates(DcutrConfig(burst=2, interval=1.0))
    rates.take(ONE, 0.0)
    rates.take(TWO, 0.0)
    for peer in (ONE, THREE):
        with pytest.raises(LimitExceeded, match=r"dcutr\.burst"):
            rates.take(peer, 0.5)
    rates.take(THREE, 1.0)


@pytest.mark.misbehave
def test_a_refused_dial_does_not_count_and_few_peers_are_remembered() -> None:
    rates = Rates(DcutrConfig(burst=1, interval=1.0, peer_burst=1, peer_interval=100.0, max_remembered=2))
    rates.take(ONE, 0.0)
    with pytest.raises(LimitExceeded):
        rates.take(TWO, 0.0)
    rates.take(TWO, 1.0)
    rates.take(THREE, 2.0)
    assert len(rates) == 2
    rates.take(ONE, 3.0)  # forgotten, so it may again; the count of all is what holds
