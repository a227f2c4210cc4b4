"""What happens at a point."""

from __future__ import annotations

import dataclasses

import pytest

from p2pstack.rendezvous.events import Expired, PointEvent, Registered, Unregistered
from tests.rendezvous.making import PEERS


def test_events_do_not_change_and_differ_by_kind() -> None:
    event = Registered(peer=PEERS[0], namespace="a", ttl=9, renewed=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.ttl = 1  # type: ignore[misc]
    events: list[PointEvent] = [Expired(peer=PEERS[0], namespace="a"), Unregistered(peer=PEERS[0], namespace="a")]
    assert events[0] != events[1]
