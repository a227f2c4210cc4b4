"""The statuses of circuit relay v2."""

from __future__ import annotations

import pytest

from p2pstack.relay.status import Status, describe


@pytest.mark.req("RELAY-02")
def test_the_numbers_on_the_wire() -> None:
    assert {status.name: int(status) for status in Status} == {
        "UNUSED": 0,
        "OK": 100,
        "RESERVATION_REFUSED": 200,
        "RESOURCE_LIMIT_EXCEEDED": 201,
        "PERMISSION_DENIED": 202,
        "CONNECTION_FAILED": 203,
        "NO_RESERVATION": 204,
        "MALFORMED_MESSAGE": 400,
        "UNEXPECTED_MESSAGE": 401,
    }


def test_a_status_in_words() -> None:
    assert describe(Status.NO_RESERVATION) == "NO_RESERVATION (204)"
    assert describe(204) == "NO_RESERVATION (204)"
    assert describe(299) == "status 299"
