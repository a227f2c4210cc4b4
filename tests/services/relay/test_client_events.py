"""The events of a relay's client are values that listeners can keep."""

from __future__ import annotations

import dataclasses

import pytest

from p2pstack.host.events import Event
from p2pstack.relay.messages import Limit
from p2pstack.services.relay.client_events import ReservationGained, ReservationLost
from tests.services.relay.fakes import SOMEBODY


def test_a_reservation_is_a_new_one_unless_it_says_so() -> None:
    event = ReservationGained(relay=SOMEBODY, addresses=(), expires=1, limit=Limit())
    assert isinstance(event, Event)
    assert not event.renewed


def test_events_do_not_change() -> None:
    event = ReservationLost(relay=SOMEBODY, reason=None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.reason = None  # type: ignore[misc]
