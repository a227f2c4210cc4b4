"""The events of hole punching."""

from __future__ import annotations

from p2pstack.errors import DeadlineExceeded
from p2pstack.host.events import Event
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from tests.services.dcutr.behind import key


def test_a_failure_tells_every_reason() -> None:
    reasons = (DeadlineExceeded("late"), DeadlineExceeded("later"))
    event = HolePunchFailed(peer=key(1).peer_id, attempts=2, reasons=reasons)
    assert event.reasons == reasons
    assert isinstance(event, Event)
    assert issubclass(HolePunched, Event)
