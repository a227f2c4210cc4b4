from __future__ import annotations

from p2pstack.host.events import Event
from p2pstack.services.port_mapping.events import PortMapped, PortMappingFailed


def test_they_are_events_of_the_host() -> None:
    assert issubclass(PortMapped, Event)
    assert issubclass(PortMappingFailed, Event)
    assert PortMappingFailed(ports=(1,), reasons=("a",)) == PortMappingFailed(ports=(1,), reasons=("a",))
