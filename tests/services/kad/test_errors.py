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
    progress = Progress(reason=Reason.COMPLETE, requests=1, failures=1, failure=P2PError("it is gone"))
    assert str(LookupFailed("no value was found", progress)) == (
        "no value was found (lookup complete: 1 requests, 1 failed, the last one: it is gone)"
    )


def test_a_lookup_without_anybody_to_ask_says_so() -> None:
    error = LookupFailed("no value was found", Progress(reason=Reason.COMPLETE))
    assert str(error) == "no value was found (no peer of the DHT is known that could be asked)"
