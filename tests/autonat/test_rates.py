from __future__ import annotations

import pytest

from p2pstack.autonat.config import RateConfig
from p2pstack.autonat.rates import Rates
from p2pstack.identity.keys import PrivateKey

PEERS = [PrivateKey.from_seed(bytes((number,)) * 32).peer_id for number in range(40)]
CONFIG = RateConfig(total=6, per_peer=2, per_ip=4, concurrent=1, window=60.0)


@pytest.mark.req("AUTONAT2-04")
def test_a_peer_may_ask_so_often_in_a_window_that_slides() -> None:
    rates = Rates(CONFIG)
    for now, refusal in ((0.0, ""), (30.0, ""), (59.9, "per_peer"), (60.0, ""), (60.1, "per_peer"), (90.0, "")):
        assert rates.accept(PEERS[0], "a", now) == refusal
        rates.complete(PEERS[0])


@pytest.mark.req("AUTONAT2-04")
def test_a_peer_may_have_so_many_at_once() -> None:
    rates = Rates(CONFIG)
    assert rates.accept(PEERS[0], "a", 0.0) == ""
    assert rates.accept(PEERS[0], "a", 0.0) == "concurrent"
    assert rates.accept(PEERS[1], "a", 0.0) == ""
    rates.complete(PEERS[0])
    assert rates.accept(PEERS[0], "a", 0.0) == ""


def test_many_ids_at_one_ip_get_no_more() -> None:
    rates = Rates(CONFIG)
    assert [rates.accept(peer, "a", 0.0) for peer in PEERS[:5]] == [""] * 4 + ["per_ip"]
    assert rates.accept(PEERS[5], "b", 0.0) == ""


@pytest.mark.req("AUTONAT1-03")
def test_all_together_get_no_more_either_and_nothing_is_kept_of_the_refused() -> None:
    rates = Rates(CONFIG)
    answers = [rates.accept(peer, str(number), 0.0) for number, peer in enumerate(PEERS)]
    assert answers == [""] * 6 + ["total"] * 34
    assert [rates.accept(peer, str(number), 60.0) for number, peer in enumerate(PEERS[6:12])] == [""] * 6
