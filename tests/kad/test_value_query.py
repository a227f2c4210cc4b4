from __future__ import annotations

from typing import Any

import pytest

from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Reason, ValueFound
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.records import Record
from p2pstack.kad.validators import Validators
from p2pstack.kad.value_query import ValueQuery
from tests.kad.lookups import Play, answer
from tests.kad.making import CONFIG, contact, contacts, nearest, peer
from tests.kad.test_validators import Longest

KEY = b"/test/key"
VALIDATORS = Validators({"test": Longest()})
PEERS = nearest(KEY, contacts(range(1, 31)), 30)


def lookup(**more: Any) -> Play:
    query = ValueQuery(own=peer(0), key=KEY, seeds=PEERS, config=CONFIG, now=0.0, validators=VALIDATORS, **more)
    return Play(query, CONFIG)


def value(text: bytes, key: bytes = KEY) -> Record:
    return Record(key=key, value=text)


@pytest.mark.req("KAD-05")
def test_the_request_is_get_value_of_the_key() -> None:
    assert lookup().query.request == Message(type=MessageType.GET_VALUE, key=KEY)


@pytest.mark.req("KAD-05")
def test_all_values_are_looked_at_and_the_best_is_taken() -> None:
    play = lookup()
    query = play.query
    assert isinstance(query, ValueQuery)
    texts = {PEERS[0].peer: b"old", PEERS[1].peer: b"newest", PEERS[2].peer: b"bad", PEERS[3].peer: b"newest"}

    def answers(asked: Contact) -> Message:
        text = texts.get(asked.peer)
        return answer(query, record=None if text is None else value(text))

    play.to_the_end(answers)
    assert query.reason is Reason.COMPLETE
    assert query.best == value(b"newest")
    assert (query.values, query.invalid) == (3, 1)
    holders = {PEERS[1], PEERS[3]}
    assert query.outdated() == [each for each in PEERS[:20] if each not in holders]
    found = [each.record.value for each in play.events if isinstance(each, ValueFound)]
    assert found == [b"old", b"newest"]


@pytest.mark.req("KAD-05")
def test_with_a_quorum_it_ends_early() -> None:
    play = lookup(quorum=3)
    query = play.to_the_end(lambda asked: answer(play.query, record=value(b"x")))
    assert query.reason is Reason.ENOUGH
    assert len(play.asked) - len(play.waiting) == 3
    assert isinstance(query, ValueQuery)
    assert query.values == 3


@pytest.mark.req("KAD-05")
def test_what_we_have_ourselves_counts() -> None:
    play = lookup(own_record=value(b"ours"), quorum=1)
    query = play.query
    assert isinstance(query, ValueQuery)
    assert (query.requests, query.best, query.values) == (0, value(b"ours"), 1)
    play = lookup(own_record=value(b"bad"), quorum=1)
    assert play.query.requests > 0
    play = lookup(own_record=value(b"ours"))
    query = play.to_the_end(lambda asked: answer(play.query, record=value(b"x")))
    assert isinstance(query, ValueQuery)
    assert query.best == value(b"ours")
    assert len(query.outdated()) == 20


@pytest.mark.req("KAD-05")
def test_a_value_of_another_key_is_a_failure() -> None:
    play = lookup()
    query = play.to_the_end(lambda asked: answer(play.query, contact(99), record=value(b"x", b"/test/other")))
    assert isinstance(query, ValueQuery)
    assert (query.best, query.closest(), query.requests) == (None, [], 30)


@pytest.mark.req("KAD-14")
def test_values_without_a_validator_are_none() -> None:
    query = ValueQuery(
        own=peer(0), key=b"/none/key", seeds=PEERS[:3], config=CONFIG, now=0.0, validators=VALIDATORS, quorum=1
    )
    Play(query, CONFIG).to_the_end(lambda asked: answer(query, record=value(b"x", b"/none/key")))
    assert (query.best, query.invalid, query.reason) == (None, 3, Reason.COMPLETE)
    assert query.outdated() == []
