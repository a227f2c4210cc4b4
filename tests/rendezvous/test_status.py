"""What a point answers, as people read it."""

from __future__ import annotations

import pytest

from p2pstack.rendezvous.status import Status, describe


@pytest.mark.req("RDV-02")
def test_the_numbers_on_the_wire() -> None:
    assert [int(each) for each in Status] == [0, 100, 101, 102, 103, 200, 300, 400]


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (0, "", "OK (0)"),
        (102, "too long", "E_INVALID_TTL (102): too long"),
        (999, "", "status 999"),
    ],
)
def test_statuses_are_described(status: int, text: str, said: str) -> None:
    assert describe(status, text) == said
