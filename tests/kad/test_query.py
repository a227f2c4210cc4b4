from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Ask, Finished, GiveUp, PeerFound, Reason
from p2pstack.kad.filters import Network
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.query import Query
from tests.kad.lookups import Play, answer
from tests.kad.making import CONFIG, GUARDED, Answers, address, contact, contacts, nearest, peer, table_of

KEY = b"/test/key"
SMALL = KadConfig(k=4, beta=4, alpha=3)


def lookup(*seeds: Contact, key: bytes = KEY, config: KadConfig = CONFIG, own: int = 0) -> Query:
    return Query(own=peer(own), key=key, seeds=seeds, config=config, now=0.0)


def network(count: int, config: KadConfig) -> Answers:
    """Honest peers 1 to ``count`` whose tables know all others that have room in them."""
    everybody = contacts(range(1, count + 1))
    tables = {}

    def answers(asked: Contact) -> Message | None:
        number = everybody.index(asked) + 1
        if number not in tables:
            tables[number] = table_of(number, everybody, config)
        closer = tables[number].closest(position(KEY), config.k, without=(peer(0),))
        return Message(type=MessageType.FIND_NODE, closer=tuple(closer))

    return answers


def chain(count: int) -> Answers:
    """Peers that know their two neighbours alone."""

    def answers(asked: Contact) -> Message | None:
        number = next(each for each in range(1, count + 1) if peer(each) == asked.peer)
        known = [each for each in (number - 1, number + 1) if 1 <= each <= count]
        return Message(type=MessageType.FIND_NODE, closer=tuple(contacts(known)))

    return answers


# -- it finds


@pytest.mark.req("KAD-04")
@pytest.mark.parametrize("config", [CONFIG, SMALL, KadConfig(alpha=3), KadConfig(beta=3), KadConfig(alpha=1)])
def test_a_lookup_finds_the_nearest(config: KadConfig) -> None:
    query = Play(lookup(*contacts(range(1, 4)), config=config), config).to_the_end(network(200, config))
    assert query.reason is Reason.COMPLETE
    assert query.closest() == nearest(KEY, contacts(range(1, 201)), config.k)
    assert query.requests < 100
    assert query.hops() >= 1


@pytest.mark.req("KAD-04")
def test_it_finds_its_way_through_a_sparse_network() -> None:
    query = Play(lookup(contact(1)), CONFIG).to_the_end(chain(40))
    assert query.requests >= 20
    found = Play(lookup(contact(1)), CONFIG).to_the_end(chain(15))
    assert found.closest() == nearest(KEY, contacts(range(1, 16)), 15)
    assert contact(1 + found.hops()) == found.closest()[0]


@pytest.mark.req("KAD-04")
def test_with_a_small_beta_the_rest_of_the_nearest_is_asked_afterwards() -> None:
    config = KadConfig(beta=3, alpha=1)
    seeds = nearest(KEY, contacts(range(1, 100)))
    play = Play(lookup(*seeds, config=config), config)
    beyond = contacts(range(200, 240))
    query = play.to_the_end(lambda asked: answer(play.query, *beyond))
    # Whom the first three name is heard of, whom the others name is not.
    assert query.closest() == nearest(KEY, [*seeds, *beyond])
    assert query.requests == 20


@pytest.mark.req("KAD-17")
def test_without_seeds_it_ends_at_once() -> None:
    query = lookup()
    assert query.events() == [Finished(reason=Reason.COMPLETE)]
    assert (query.closest(), query.hops(), query.next_timeout()) == ([], 0, None)
    query.handle_timeout(1.0)
    query.stop()
    assert query.events() == []


@pytest.mark.req("KAD-04")
def test_failed_peers_are_not_in_the_result() -> None:
    seeds = contacts(range(1, 9))
    dead = {each.peer for each in seeds[::2]}
    play = Play(lookup(*seeds), CONFIG)
    query = play.to_the_end(lambda asked: None if asked.peer in dead else answer(play.query))
    assert query.closest() == nearest(KEY, seeds[1::2])
    assert query.requests == 8
    assert query.hops() == 0


# -- the peer itself


@pytest.mark.req("KAD-04", "KAD-16")
def test_addresses_of_the_peer_that_is_looked_for_are_told_at_once() -> None:
    key = peer(7).to_bytes()
    play = Play(lookup(contact(1), contact(2), contact(3), key=key), CONFIG)
    both = Contact(peer(7), (address(7), address(8)))
    replies = {
        peer(1): answer(play.query, contact(7)),
        peer(2): answer(play.query, Contact(peer(7)), both),
        peer(3): answer(play.query, both),
    }
    query = play.to_the_end(lambda asked: replies.get(asked.peer))
    found = [each.contact for each in play.events if isinstance(each, PeerFound)]
    assert found[-1] == query.target
    assert sorted(found[-1].addresses, key=str) == sorted(both.addresses, key=str)
    assert 1 <= len(found) <= 2
    assert peer(7) in play.asked  # it is asked as well, and may be a client that does not answer
    assert peer(7) not in [each.peer for each in query.closest()]


@pytest.mark.req("KAD-18")
def test_addresses_of_the_peer_that_is_looked_for_are_bounded() -> None:
    key = peer(7).to_bytes()
    play = Play(lookup(*contacts(range(1, 20)), key=key), CONFIG)
    numbers = iter(range(10_000))

    def lie(asked: Contact) -> Message:
        return answer(play.query, *(Contact(peer(7), (address(next(numbers)),)) for _ in range(40)))

    query = play.to_the_end(lie)
    assert query.target is not None
    assert len(query.target.addresses) == CONFIG.max_addresses
    assert sum(isinstance(each, PeerFound) for each in play.events) <= CONFIG.max_addresses


def test_a_peer_that_was_named_without_addresses_may_get_some() -> None:
    config = KadConfig(alpha=1)
    near, far = nearest(KEY, contacts(range(1, 3)), 2)
    bare, known = Contact(peer(9)), contact(9)
    play = Play(lookup(near, far, config=config), config)
    play.step(lambda _: answer(play.query, bare))
    if peer(9) not in play.asked:
        play.step(lambda _: answer(play.query, known, Contact(peer(9), (address(10),))))
        assert known in [each.contact for each in play.events if isinstance(each, Ask)]


# -- time


@pytest.mark.req("KAD-07", "KAD-17")
def test_a_peer_has_ten_seconds() -> None:
    config = KadConfig(patience=60.0)
    play = Play(lookup(*contacts(range(1, 30)), config=config), config)
    assert len(play.waiting) == CONFIG.alpha
    assert play.query.next_timeout() == 10.0
    play.wait(9.9)
    assert len(play.waiting) == CONFIG.alpha
    first = list(play.waiting)
    assert play.query.waits_for(first[0].peer)
    play.wait(0.1)
    assert [each.contact for each in play.events if isinstance(each, GiveUp)] == first
    assert play.asked[10:] == [each.peer for each in play.waiting]
    # What comes late is ignored.
    assert not play.query.waits_for(first[0].peer)
    play.query.receive_answer(first[0].peer, answer(play.query, *contacts(range(40, 50))), play.now)
    play.query.receive_failure(first[1].peer, play.now)
    play.drain()
    assert len(play.waiting) == CONFIG.alpha
    assert first[0] not in play.query.closest()


@pytest.mark.req("KAD-04", "KAD-17")
def test_the_slow_hold_up_nobody() -> None:
    play = Play(lookup(*contacts(range(1, 60))), CONFIG)
    slow = list(play.waiting)
    assert play.query.next_timeout() == 2.0
    play.wait(2.0)
    assert len(play.waiting) == 2 * CONFIG.alpha  # others are asked beside them
    assert not any(isinstance(each, GiveUp) for each in play.events)
    # What they answer is taken, also late.
    late = slow[0]
    play.waiting.remove(late)
    play.query.receive_answer(late.peer, answer(play.query), play.now)
    while play.query.reason is None:
        play.pick = lambda _: len(play.waiting) - 1
        play.step(lambda _: answer(play.query))
    assert late in play.query.closest()
    assert len(play.query.closest()) == 20
    assert play.now == 2.0  # with twenty answers the others are not waited for


@pytest.mark.req("KAD-04", "KAD-17")
def test_where_all_are_slow_they_are_waited_for() -> None:
    seeds = contacts(range(1, 8))
    play = Play(lookup(*seeds), CONFIG)
    play.wait(2.0)
    assert play.query.next_timeout() == 10.0
    play.wait(7.9)
    query = play.to_the_end(lambda _: answer(play.query))
    assert query.closest() == nearest(KEY, seeds)
    assert query.reason is Reason.COMPLETE


@pytest.mark.req("KAD-17")
def test_after_sixty_seconds_it_is_over() -> None:
    config = KadConfig(peer_timeout=100.0, patience=100.0)
    play = Play(lookup(*contacts(range(1, 30)), config=config), config)
    play.step(lambda _: answer(play.query))
    assert play.query.next_timeout() == 60.0
    play.wait(60.0)
    assert play.query.reason is Reason.TIMEOUT
    assert len(play.query.closest()) == 1
    waiting = play.waiting[0]
    play.query.receive_answer(waiting.peer, answer(play.query), 61.0)
    play.query.receive_failure(play.waiting[1].peer, 61.0)
    assert play.query.events() == []


@pytest.mark.req("KAD-17")
def test_the_caller_can_stop_it() -> None:
    play = Play(lookup(*contacts(range(1, 30))), CONFIG)
    play.query.stop()
    play.drain()
    assert play.events[-1] == Finished(reason=Reason.STOPPED)
    play.query.receive_failure(play.waiting[0].peer, 0.0)
    assert play.query.events() == []


# -- liars


@pytest.mark.req("KAD-04", "KAD-18")
def test_ourselves_and_the_one_who_answers_are_not_asked_again() -> None:
    play = Play(lookup(contact(1), contact(0), contact(1)), CONFIG)
    play.to_the_end(lambda asked: answer(play.query, contact(0), contact(1), contact(0)))
    assert play.asked == [peer(1)]


@pytest.mark.req("KAD-04", "KAD-18")
def test_of_ten_thousand_peers_in_an_answer_forty_are_heard_of() -> None:
    config = KadConfig(max_from_group=1_000)
    play = Play(lookup(contact(1), config=config), config)
    crowd = tuple(contacts(range(100, 10_100)))
    dead = {each.peer for each in crowd}
    play.to_the_end(lambda asked: None if asked.peer in dead else answer(play.query, *crowd))
    assert len(play.asked) == 41


@pytest.mark.req("KAD-17", "KAD-18")
def test_liars_that_always_name_somebody_nearer_do_not_keep_it_going() -> None:
    order = sorted(contacts(range(1, 8_000)), key=lambda each: each.position ^ position(KEY), reverse=True)
    names = iter(order[1:])
    config = KadConfig(max_from_group=10_000)
    play = Play(lookup(order[0], config=config), config)
    query = play.to_the_end(lambda asked: answer(play.query, *[next(names) for _ in range(20)]))
    assert query.requests == config.max_requests
    assert len(query._candidates) <= config.max_requests + config.max_candidates
    assert query.reason is Reason.COMPLETE


@pytest.mark.req("KAD-21")
def test_one_ip_group_is_asked_eight_times_at_most() -> None:
    sybils = [Contact(peer(number), (parse(f"/ip4/8.8.{number % 250}.1/tcp/1"),)) for number in range(100, 400)]
    play = Play(lookup(*contacts(range(1, 5)), config=GUARDED), GUARDED)
    query = play.to_the_end(lambda asked: answer(play.query, *sybils))
    assert query.requests == 4 + 8
    # Honest ones are in the result, however near the others are.
    assert {each.peer for each in query.closest()} >= {peer(number) for number in range(1, 5)}


@pytest.mark.req("KAD-04")
@pytest.mark.parametrize("kind", [each for each in MessageType if each is not MessageType.FIND_NODE])
def test_an_answer_of_another_type_is_a_failure(kind: MessageType) -> None:
    play = Play(lookup(contact(1)), CONFIG)
    query = play.to_the_end(lambda asked: Message(type=kind, closer=(contact(2),)))
    assert (play.asked, query.closest()) == ([peer(1)], [])


@pytest.mark.req("KAD-13")
def test_addresses_that_are_not_of_the_network_are_not_asked() -> None:
    config = KadConfig(network=Network.PUBLIC)
    local = parse("/ip4/10.0.0.1/tcp/1")
    play = Play(lookup(contact(1), Contact(peer(2), (local,)), config=config), config)
    named = (Contact(peer(3), (local, address(3))), Contact(peer(4), (local,)), Contact(peer(5)))
    play.to_the_end(lambda asked: answer(play.query, *named))
    asked = [each.contact for each in play.events if isinstance(each, Ask)]
    assert asked == [contact(1), contact(3)]


# -- disjoint paths


@pytest.mark.req("KAD-20")
def test_disjoint_paths_find_the_nearest_too_and_share_nobody() -> None:
    config = KadConfig(paths=4)
    play = Play(lookup(*contacts(range(1, 21)), config=config), config)
    query = play.to_the_end(network(200, config))
    wanted = nearest(KEY, contacts(range(1, 201)))
    assert len({each.peer for each in query.closest()} & {each.peer for each in wanted}) >= 18
    members = [{each.contact.peer for each in path} for path in query._paths]
    assert sum(map(len, members)) == len(set().union(*members))


@pytest.mark.req("KAD-20")
def test_a_liar_misleads_its_own_path_alone() -> None:
    order = nearest(KEY, contacts(range(1, 2_000)), 2_000)
    sybils, honest = order[:100], order[1_000:1_400]
    liar = sybils[0]
    false = {each.peer for each in sybils}
    found = {}
    for paths in (1, 4):
        config = KadConfig(paths=paths, max_from_group=1_000)
        play = Play(lookup(liar, *honest[-3:], config=config), config)
        query = play.to_the_end(
            lambda asked, query=play.query: answer(  # type: ignore[misc]
                query, *(sybils[:40] if asked.peer in false else honest[:20])
            )
        )
        found[paths] = {each for each in play.asked if each not in false}
        assert query.reason is Reason.COMPLETE
    assert found[4] >= {each.peer for each in honest[:20]}


# -- properties


@pytest.mark.req("KAD-17", "KAD-18")
@given(st.data())
@settings(max_examples=80)
def test_every_lookup_ends_whatever_is_answered(data: Any) -> None:
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    k = data.draw(st.sampled_from([1, 2, 5, 20]))
    config = KadConfig(
        k=k,
        beta=chance.randint(1, k),
        alpha=4,
        paths=data.draw(st.integers(1, 4)),
        max_requests=data.draw(st.sampled_from([1, 3, 50, 256])),
        max_candidates=data.draw(st.sampled_from([1, 5, 320])),
        max_closer=data.draw(st.sampled_from([1, 8])),
        max_from_group=chance.choice([1, 1_000]),
    )
    population = chance.choice([3, 30, 3_000])
    seeds = contacts(chance.randrange(population) for _ in range(chance.randrange(10)))
    play = Play(lookup(*seeds, config=config), config, chance.randrange)

    def answers(asked: Contact) -> Message | None:
        mood = chance.random()
        if mood < 0.1:
            return None
        if mood < 0.2:
            return Message(type=chance.choice(list(MessageType)))
        closer = [contact(chance.randrange(population)) for _ in range(chance.randrange(30))]
        if chance.random() < 0.2:
            closer = [Contact(each.peer) for each in closer]
        return answer(play.query, *closer)

    while play.query.reason is None:
        if chance.random() < 0.1:
            play.wait(chance.choice([0.0, 1.0, 10.0, 60.0]))
        else:
            play.step(answers)
        members = [each for path in play.query._paths for each in path]
        assert len(members) <= config.max_requests + config.paths * config.max_candidates
        assert len(play.query._candidates) <= 10 + config.max_requests * config.max_closer
    assert len(play.query.closest()) <= config.k
    assert peer(0) not in play.asked
    distances = [each.position ^ position(KEY) for each in play.query.closest()]
    assert distances == sorted(distances)


@pytest.mark.req("KAD-17")
@given(st.integers(1, 40), st.floats(0.0, 30.0))
def test_a_lookup_among_the_silent_ends_in_time(count: int, late: float) -> None:
    play = Play(lookup(*contacts(range(1, count + 1))), CONFIG)
    calls = 0
    while (timeout := play.query.next_timeout()) is not None:
        play.now = timeout
        play.wait(late)
        calls += 1
    assert play.now <= 60.0 + late
    assert calls <= 70
    assert play.query.closest() == []
