from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.host.config import ManagerConfig
from p2pstack.host.manager import ConnectionManager
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId

PEERS = [PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in range(6)]
NOW = 1_000.0


@dataclass(eq=False)
class Fake:
    """What the manager looks at of a connection."""

    peer_id: PeerId
    opened_at: float = 0.0
    last_received: float = 0.0
    streams: list[Any] = field(default_factory=list)


def manager(**options: Any) -> ConnectionManager:
    return ConnectionManager(ManagerConfig(**{"low_water": 2, "high_water": 4, **options}))


def closed(manager: ConnectionManager, fakes: list[Fake], now: float = NOW) -> list[int]:
    """The positions of those that are to go, in order."""
    surplus = cast("list[Fake]", manager.surplus(cast("list[Connection]", fakes), now))
    return [fakes.index(each) for each in surplus]


@pytest.mark.req("GEN-08")
def test_nothing_goes_up_to_the_high_water_mark() -> None:
    few = [Fake(peer) for peer in PEERS[:4]]
    assert closed(manager(), few) == []
    assert not manager().is_due(4, NOW)
    assert manager().is_due(5, NOW)


@pytest.mark.req("GEN-08")
def test_beyond_it_the_idlest_go_down_to_the_low_water_mark() -> None:
    fakes = [
        Fake(PEERS[0], last_received=50.0),
        Fake(PEERS[1], last_received=10.0, streams=[1]),
        Fake(PEERS[2], last_received=70.0),
        Fake(PEERS[3], last_received=90.0, streams=[1, 2]),
        Fake(PEERS[4], last_received=20.0),
    ]
    assert closed(manager(), fakes) == [4, 0, 2], "no streams first, and of those the one silent longest"


@pytest.mark.req("GEN-08")
def test_new_ones_are_spared() -> None:
    fakes = [Fake(peer, opened_at=NOW - 19.9) for peer in PEERS[:5]]
    fakes[3].opened_at = NOW - 20.0
    assert closed(manager(grace=20.0), fakes) == [3]


@pytest.mark.req("GEN-08")
def test_protected_peers_are_spared_until_their_last_tag_goes() -> None:
    fakes = [Fake(peer) for peer in PEERS[:5]]
    one = manager()
    for peer in PEERS[:4]:
        one.protect(peer, "friend")
    one.protect(PEERS[0], "relay")
    assert closed(one, fakes) == [4]
    assert one.unprotect(PEERS[0], "friend") is True
    assert one.is_protected(PEERS[0])
    assert one.unprotect(PEERS[0], "relay") is False
    assert not one.is_protected(PEERS[0])
    assert closed(one, fakes, NOW + 100.0) == [0, 4]


def test_unprotecting_a_stranger_is_no_fault() -> None:
    assert manager().unprotect(PEERS[0], "friend") is False
    assert not manager().is_protected(PEERS[0])


@pytest.mark.req("GEN-08")
def test_rounds_are_so_far_apart() -> None:
    fakes = [Fake(peer) for peer in PEERS[:5]]
    one = manager(silence=10.0)
    assert len(closed(one, fakes)) == 3
    assert closed(one, fakes, NOW + 9.9) == []
    assert not one.is_due(5, NOW + 9.9)
    assert len(closed(one, fakes, NOW + 10.0)) == 3
