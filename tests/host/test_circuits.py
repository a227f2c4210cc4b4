"""The relay client is what the host expects of whoever passes relays."""

from __future__ import annotations

import inspect

import pytest

from p2pstack.host.circuits import Circuits
from p2pstack.services.relay.client import RelayClient


@pytest.mark.parametrize("name", ["dial", "listen"])
def test_the_relay_client_can_be_called_as_the_host_calls_it(name: str) -> None:
    wanted, given = inspect.signature(getattr(Circuits, name)), inspect.signature(getattr(RelayClient, name))
    assert list(given.parameters) == list(wanted.parameters)
    assert inspect.iscoroutinefunction(getattr(RelayClient, name))
