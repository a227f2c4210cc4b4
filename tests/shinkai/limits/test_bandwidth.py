"""Bytes to a peer."""

from __future__ import annotations

import pytest

from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.limits.config import BandwidthConfig

CONFIG = BandwidthConfig(per_second=1_000, burst=1_000, control_share=0.1, max_peers=4)


@pytest.mark.req("SHK-51")
def test_bytes_are_spread_over_time() -> None:
    bandwidth = Bandwidth(CONFIG)
    sent, now = 0, 0.0
    while now < 10.0:
        wait = bandwidth.take("bob", 90, Priority.BULK, now)
        if wait == 0.0:
            sent += 90
        else:
            now += wait
    assert 900 + 10 * 900 - 180 <= sent <= 900 + 10 * 900 + 180


@pytest.mark.req("SHK-51")
def test_control_passes_what_bulk_owes() -> None:
    bandwidth = Bandwidth(CONFIG)
    assert bandwidth.take("bob", 50_000, Priority.BULK, 0.0) == 0.0
    assert bandwidth.take("bob", 1, Priority.NORMAL, 0.0) > 50
    assert bandwidth.take("bob", 100, Priority.CONTROL, 0.0) == 0.0
    assert bandwidth.take("bob", 100, Priority.CONTROL, 0.0) == pytest.approx(1.0)
    assert bandwidth.take("bob", 100, Priority.CONTROL, 1.01) == 0.0
    assert bandwidth.take("carol", 900, Priority.BULK, 0.0) == 0.0


@pytest.mark.req("SHK-51")
def test_control_takes_of_the_rest_when_its_share_is_used_up() -> None:
    bandwidth = Bandwidth(CONFIG)
    assert sum(bandwidth.take("bob", 100, Priority.CONTROL, 0.0) == 0.0 for _ in range(20)) == 10


@pytest.mark.req("SHK-53")
def test_the_quietest_peer_is_forgotten() -> None:
    bandwidth = Bandwidth(CONFIG)
    for number in range(100):
        bandwidth.take(number, 1, Priority.BULK, 0.0)
    assert len(bandwidth) == 4
