"""What the known peers tell."""

from __future__ import annotations

from p2pstack.errors import LocalError
from p2pstack.host.events import Event
from p2pstack.services.peers.events import ForgetReason, PeerForgotten, PeersLoaded, PeersUnavailable
from tests.services.peers.known import peer


def test_they_are_events_with_what_there_is_to_say() -> None:
    error = LocalError("closed")
    events: list[Event] = [
        PeersLoaded(peers=1, skipped=2),
        PeersUnavailable(error=error),
        PeerForgotten(peer=peer(1), reason=ForgetReason.AGE),
    ]
    assert len(set(events)) == 3
    assert {reason.value for reason in ForgetReason} == {"failures", "age", "addresses", "room"}
