"""A refusal names the point, the wish and the status."""

from __future__ import annotations

import pytest

from p2pstack.errors import RemoteError
from p2pstack.services.rendezvous.errors import RendezvousRefused
from tests.host.hosts import key


@pytest.mark.req("RDV-02")
@pytest.mark.parametrize(("status", "text", "said"), [(400, "full", "E_UNAVAILABLE (400): full"), (9, "", "status 9")])
def test_the_status_is_named(status: int, text: str, said: str) -> None:
    error = RendezvousRefused(key(1).peer_id, "a registration", status, text)
    assert isinstance(error, RemoteError)
    assert str(error) == f"rendezvous: {key(1).peer_id} refuses a registration: {said}"
    assert (error.point, error.status, error.code) == (key(1).peer_id, status, status)
