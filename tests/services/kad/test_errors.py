"""What the errors of the DHT say."""

from __future__ import annotations

from p2pstack.errors import P2PError
from p2pstack.kad.events import Reason
from p2pstack.services.kad.errors import LookupFailed
from p2pstack.services.kad.results import Progress


def test_a_failed_lookup_tells_how_far_it_got() -> None:
    progress = Progress(reason=Reason.TIMEOUT, requests=7, failures=3)
    error = LookupFailed("no value was found", progress)
    assert isinstance(error, P2PError)
    assert error.progress is progress
    assert str(error) == "no value was found (lookup timeout: 7 requests, 3 failed)"
