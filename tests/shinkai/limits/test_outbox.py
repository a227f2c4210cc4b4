"""What waits for peers."""

from __future__ import annotations

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.limits.outbox import Outbox

CONFIG = BandwidthConfig(
    per_second=1_000, burst=1_000, control_share=0.1, max_peers=2, max_waiting=3, max_waiting_bytes=2_000
)


def outbox() -> Outbox[str]:
    return Outbox(Bandwidth(CONFIG))


@pytest.mark.req("SHK-52")
def test_control_goes_first_then_messages_then_bulk() -> None:
    box = outbox()
    box.push("bob", "file", 900, Priority.BULK)
    box.push("bob", "hello", 10)
    box.push("bob", "ACK", 10, Priority.CONTROL)
    assert box.pop("bob", 0.0) == ("ACK", 0.0)
    assert box.pop("bob", 0.0) == ("hello", 0.0)
    item, wait = box.pop("bob", 0.0)
    assert (item, wait) == (None, pytest.approx(10 / 900))
    box.push("bob", "Pong", 10, Priority.CONTROL)
    assert box.pop("bob", 0.0) == ("Pong", 0.0)
    assert box.pop("bob", 0.02) == ("file", 0.0)
    assert box.pop("bob", 0.02) == (None, float("inf"))
    assert len(box) == 0


@pytest.mark.req("SHK-53")
@pytest.mark.parametrize(("sizes", "limit"), [([1, 1, 1, 1], "waiting"), ([1_000, 1_001], "waiting_bytes")])
def test_what_waits_for_a_peer_is_bounded(sizes: list[int], limit: str) -> None:
    box = outbox()
    for size in sizes[:-1]:
        box.push("bob", "x", size)
    with pytest.raises(LimitExceeded) as caught:
        box.push("bob", "x", sizes[-1])
    assert caught.value.name == limit
    assert len(box) == len(sizes) - 1


@pytest.mark.req("SHK-53")
def test_the_peers_for_whom_something_waits_are_bounded() -> None:
    box = outbox()
    box.push("bob", "x", 1)
    box.push("carol", "x", 1)
    with pytest.raises(LimitExceeded) as caught:
        box.push("dave", "x", 1)
    assert caught.value.name == "waiting_peers"
    assert box.peers == ["bob", "carol"]
    with pytest.raises(LimitExceeded):
        outbox().push("bob", "x", 2_001)


def test_what_is_given_up_comes_back_in_order() -> None:
    box = outbox()
    box.push("bob", "file", 1, Priority.BULK)
    box.push("bob", "ACK", 1, Priority.CONTROL)
    assert box.drop("bob") == ["ACK", "file"]
    assert box.drop("bob") == []
