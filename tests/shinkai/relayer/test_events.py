"""What a relay tells."""

from __future__ import annotations

import pytest

from p2pstack.shinkai.relayer.events import NodeRegistered, NodeUnregistered, RegistrationRefused, RelayerEvent
from tests.shinkai.relayer.people import ALICE, registration

PEER = registration(ALICE).peer


@pytest.mark.parametrize(
    "event",
    [
        NodeRegistered(peer=PEER, name=ALICE),
        NodeUnregistered(peer=PEER, name=ALICE, reason="disconnected"),
        RegistrationRefused(peer=PEER, name=ALICE, reason="wrong-key"),
    ],
)
def test_every_event_names_its_peer(event: RelayerEvent) -> None:
    assert event.peer == PEER
