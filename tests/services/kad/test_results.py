"""What operations return."""

from __future__ import annotations

import dataclasses

import pytest

from p2pstack.kad.events import Reason
from p2pstack.services.kad.results import FoundPeers, Progress, Sent


def test_results_can_not_be_changed() -> None:
    found = FoundPeers(peers=(), progress=Progress(reason=Reason.COMPLETE))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.peers = ()  # type: ignore[misc]


def test_nobody_has_refused_by_default() -> None:
    assert Sent(accepted=(), progress=Progress(reason=Reason.COMPLETE)).refused == {}
