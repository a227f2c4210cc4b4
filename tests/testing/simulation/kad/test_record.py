from __future__ import annotations

from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.query import Query
from p2pstack.testing.simulation.kad.identities import simulated_id
from p2pstack.testing.simulation.kad.record import LookupTrace

OWN, *PEERS = (Contact(simulated_id(name)) for name in "abcd")


def query(*seeds: Contact) -> Query:
    key = PEERS[0].peer.to_bytes()
    made = Query(own=OWN.peer, key=key, seeds=seeds, config=KadConfig(), now=0.0)
    for each in seeds:
        made.receive_answer(each.peer, made.request, 1.0)
    return made


def test_what_was_found_is_compared_with_what_is_there() -> None:
    whole = LookupTrace(query(*PEERS), PEERS, 1.0)
    assert (whole.found, whole.recall) == (True, 1.0)
    part = LookupTrace(query(PEERS[0]), PEERS, 1.0)
    assert part.found
    assert 0.3 < part.recall < 0.4
    wrong = LookupTrace(query(PEERS[1]), PEERS[:1], 1.0)
    assert (wrong.found, wrong.recall) == (False, 0.0)
    assert not LookupTrace(query(), PEERS, 1.0).found
    empty = LookupTrace(query(), [], 1.0)
    assert (empty.found, empty.recall) == (False, 1.0)


def test_times_are_counted_from_the_beginning() -> None:
    trace = LookupTrace(query(), [], 1.0)
    assert (trace.heard, trace.seconds) == (None, 0.0)
    trace.heard_of(1.5)
    trace.heard_of(1.75)
    trace.finished(3.0)
    assert (trace.heard, trace.seconds) == (0.5, 2.0)
