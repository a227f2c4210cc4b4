from __future__ import annotations

import pytest

from p2pstack.kad.records import Record
from p2pstack.kad.selection import Selection
from p2pstack.kad.validators import Validators
from tests.kad.making import contacts, peer
from tests.kad.test_validators import Longest

VALIDATORS = Validators({"test": Longest()})


def record(value: bytes, key: bytes = b"/test/key") -> Record:
    return Record(key=key, value=value)


@pytest.mark.req("KAD-05")
def test_the_best_is_taken_and_the_others_are_to_be_told() -> None:
    selection = Selection(b"/test/key", VALIDATORS)
    assert selection.outdated(contacts(range(6))) == []
    given = [b"long", b"x", b"bad", b"long", b"longest"]
    assert [selection.add(peer(number), record(value)) for number, value in enumerate(given)] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert selection.best == record(b"longest")
    assert (selection.count, selection.invalid) == (4, 1)
    assert selection.outdated(contacts(range(6))) == contacts([0, 1, 2, 3, 5])
    assert not selection.add(peer(5), record(b"longest"))
    assert selection.outdated(contacts(range(6))) == contacts([0, 1, 2, 3])


@pytest.mark.req("KAD-05", "KAD-14")
def test_values_that_no_validator_knows_are_as_if_nothing_had_come() -> None:
    selection = Selection(b"/unknown/key", VALIDATORS)
    assert not selection.add(peer(1), record(b"value", b"/unknown/key"))
    assert (selection.best, selection.count, selection.invalid) == (None, 0, 1)
