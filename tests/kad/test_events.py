from __future__ import annotations

from dataclasses import fields
from typing import get_args

from p2pstack.kad.events import Finished, QueryEvent, Reason


def test_every_event_says_when_it_comes_and_is_small() -> None:
    kinds = get_args(QueryEvent)
    assert Finished in kinds
    for kind in kinds:
        assert kind.__doc__
        assert 1 <= len(fields(kind)) <= 2
        assert hasattr(kind, "__slots__")
    assert {each.value for each in Reason} == {"complete", "enough", "timeout", "stopped"}
