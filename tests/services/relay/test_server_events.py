"""What the events of a relay say."""

from __future__ import annotations

from p2pstack.host.events import Event
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.relay.server_events import CircuitClosed, ReservationEnd, ReservationEnded
from p2pstack.services.relay.splice import CircuitEnd

PEER, OTHER = (PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in (1, 2))


def test_the_reasons_read_as_sentences() -> None:
    closed: Event = CircuitClosed(initiator=PEER, target=OTHER, sent=1, received=2, reason=CircuitEnd.BYTES)
    ended: Event = ReservationEnded(peer=PEER, reason=ReservationEnd.EXPIRED)
    assert isinstance(closed, CircuitClosed)
    assert closed.reason.value == "more bytes came than may pass"
    assert isinstance(ended, ReservationEnded)
    assert ended.reason.value == "it was not renewed"
