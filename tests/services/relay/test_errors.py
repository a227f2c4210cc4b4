"""A refusal names the relay, the wish and the status."""

from __future__ import annotations

import pytest

from p2pstack.errors import DialError, RemoteError
from p2pstack.services.relay.errors import RelayRefused
from tests.services.relay.fakes import SOMEBODY


@pytest.mark.req("RELAY-02")
@pytest.mark.parametrize(("status", "name"), [(204, "NO_RESERVATION (204)"), (999, "status 999")])
def test_the_status_is_named(status: int, name: str) -> None:
    error = RelayRefused(SOMEBODY, "a circuit", status)
    assert isinstance(error, RemoteError)
    assert str(error) == f"relay: {SOMEBODY} refuses a circuit: {name}"
    assert (error.relay, error.status, error.code) == (SOMEBODY, status, status)
    assert name in str(DialError(SOMEBODY, [("/ip4/5.10.0.1/tcp/4001", error)]))
