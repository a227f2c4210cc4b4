"""Who is remembered, and who goes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pstack.identity.peer_id import PeerId
from p2pstack.services.peers.attempts import Verdict
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.entries import KnownPeer
from p2pstack.services.peers.events import ForgetReason
from p2pstack.services.peers.ledger import Ledger
from tests.services.peers.known import DAY, NOW, address, entry, info, peer

CONFIG = PeersConfig(max_peers=3, max_addresses=3, max_failures=3, max_batch=2)


def ledger(*connected: int, **changes: float) -> Ledger:
    return Ledger(replace(CONFIG, **changes), {peer(each) for each in connected})  # type: ignore[arg-type]


def known(book: Ledger, number: int) -> KnownPeer:
    found = book.get(peer(number))
    assert found is not None
    return found


# -- learning


@pytest.mark.req("PEERS-01")
def test_what_a_peer_tells_is_remembered_with_its_age() -> None:
    book = ledger(1)
    assert book.connected(peer(1), address(1), NOW) == []
    assert book.identified(info(1, 1, 2, record=b"r"), NOW + 1) == []
    found = known(book, 1)
    assert (found.first_seen, found.last_seen, found.last_success) == (NOW, NOW + 1, NOW)
    assert (found.protocols, found.agent, found.protocol_version, found.record) == (("/a",), "agent", "version", b"r")
    assert (found.addresses[address(1)].first_seen, found.addresses[address(1)].last_success) == (NOW, NOW)
    assert (found.addresses[address(2)].first_seen, found.addresses[address(2)].last_success) == (NOW + 1, 0.0)
    book.disconnected(peer(1), NOW + 9)
    assert known(book, 1).last_seen == NOW + 9
    book.disconnected(peer(2), NOW)
    assert peer(2) not in book


@pytest.mark.req("PEERS-01")
def test_who_came_to_us_was_not_reached() -> None:
    book = ledger(1)
    book.connected(peer(1), None, NOW)
    assert (known(book, 1).last_success, known(book, 1).addresses) == (0.0, {})


@pytest.mark.req("PEERS-04")
def test_what_is_told_no_more_goes_unless_it_has_worked() -> None:
    book = ledger(1)
    book.connected(peer(1), address(1), NOW)
    book.identified(info(1, 2), NOW)
    book.identified(info(1, 3), NOW + 5)
    assert set(known(book, 1).addresses) == {address(1), address(3)}
    book.identified(info(1, 3), NOW + 9)
    assert (known(book, 1).addresses[address(3)].first_seen, known(book, 1).addresses[address(3)].last_told) == (
        NOW + 5,
        NOW + 9,
    )
    book.identified(info(1), NOW + 10)
    assert set(known(book, 1).addresses) == {address(1), address(3)}


@pytest.mark.req("PEERS-02")
def test_addresses_protocols_and_records_are_bounded() -> None:
    book = ledger(1, max_protocols=2, max_record=3)
    book.connected(peer(1), address(9), NOW)
    book.identified(info(1, 1, 2, 3, 4, protocols=("/a", "/b", "/c"), record=b"long"), NOW)
    found = known(book, 1)
    assert len(found.addresses) == 3
    assert address(9) in found.addresses, "the one that has worked"
    assert found.protocols == ("/a", "/b")
    assert found.record is None


# -- room


@pytest.mark.req("PEERS-02")
def test_strangers_do_not_push_out_who_we_reached() -> None:
    book = ledger(1, 2, 3)
    book.connected(peer(1), address(1), NOW)
    for number in (2, 3):
        book.connected(peer(number), None, NOW + number)
    for number in range(4, 20):
        (forgotten,) = book.connected(peer(number), None, NOW + number)
        assert forgotten[1] is ForgetReason.ROOM
        assert peer(1) in book
        assert len(book) == 3
    assert peer(3) in book, "who is connected goes after who is not"


@pytest.mark.req("PEERS-02")
def test_room_is_made_for_several_at_once() -> None:
    book = ledger(max_peers=128)
    for number in range(1, 129):
        assert book.connected(peer(number), None, NOW + number) == []
    assert [each for each, _ in book.connected(peer(999), None, NOW + 999)] == [peer(1), peer(2)]
    assert book.connected(peer(998), None, NOW + 999) == []
    assert len(book) == 128


@pytest.mark.req("PEERS-02")
def test_a_file_with_more_peers_than_may_be_is_cut() -> None:
    book = ledger()
    forgotten = book.restore([entry(number, number, at=NOW - number) for number in range(1, 10)], NOW)
    assert {each for each, _ in forgotten} == {peer(number) for number in range(4, 10)}
    assert {reason for _, reason in forgotten} == {ForgetReason.ROOM}
    assert len(book) == 3


# -- ageing


@pytest.mark.req("PEERS-03", "PEERS-04")
def test_what_is_over_by_the_clock_on_the_wall_is_not_restored() -> None:
    book = ledger()
    old = entry(1, 1, at=NOW - 31 * DAY)
    bare = entry(2, 2, at=NOW - 8 * DAY)
    half = entry(3, 3, 4, at=NOW - 8 * DAY)
    half.addresses[address(4)].last_success = NOW - 6 * DAY
    assert book.restore([old, bare, half], NOW) == [
        (peer(1), ForgetReason.AGE),
        (peer(2), ForgetReason.ADDRESSES),
    ]
    assert list(known(book, 3).addresses) == [address(4)]
    assert book.pending == 3


@pytest.mark.req("PEERS-03")
def test_times_that_lie_ahead_count_as_now() -> None:
    book = ledger()
    book.restore([entry(1, 1, at=NOW + DAY, last_success=NOW + DAY, failures=1, retry_at=NOW + 90 * DAY)], NOW)
    found = known(book, 1)
    assert (found.first_seen, found.last_seen, found.last_success) == (NOW, NOW, NOW)
    assert found.retry_at == NOW + CONFIG.backoff_max
    assert found.addresses[address(1)].last_told == NOW


@pytest.mark.req("PEERS-04")
def test_who_is_connected_is_not_forgotten_for_its_age() -> None:
    book = ledger(1)
    book.connected(peer(1), address(1), NOW)
    assert book.sweep(NOW + 99 * DAY) == []
    assert set(known(book, 1).addresses) == {address(1)}


# -- failures


@pytest.mark.req("PEERS-05")
def test_failures_are_backed_off_and_the_last_one_is_the_end() -> None:
    book = ledger()
    book.restore([entry(1, 1)], NOW)
    now = NOW
    for failures in (1, 2):
        assert book.failed(peer(1), {address(1): Verdict.FAILED}, now, online=True) is None
        assert book.failed(peer(1), {}, now + 1, online=True) is None, "counted once within its back-off"
        assert known(book, 1).failures == failures
        assert book.candidates(now + CONFIG.backoff(failures) - 1) == []
        assert book.next_candidate(now) == CONFIG.backoff(failures)
        now += CONFIG.backoff(failures)
        assert [each.peer for each in book.candidates(now)] == [peer(1)]
    assert book.failed(peer(1), {}, now, online=True) == (peer(1), ForgetReason.FAILURES)
    assert peer(1) not in book
    assert book.failed(peer(1), {}, now, online=True) is None
    assert book.next_candidate(now) is None


@pytest.mark.req("PEERS-05")
def test_a_machine_without_a_network_forgets_nobody() -> None:
    book = ledger()
    book.restore([entry(1, 1, 2)], NOW)
    now = NOW
    for _ in range(50):
        assert book.failed(peer(1), {address(1): Verdict.FAILED}, now, online=False) is None
        now += CONFIG.backoff_max
    assert known(book, 1).failures == CONFIG.max_failures - 1
    assert known(book, 1).addresses[address(1)].failures == 0
    assert book.failed(peer(1), {}, now, online=True) == (peer(1), ForgetReason.FAILURES)


@pytest.mark.req("PEERS-05")
def test_success_makes_good_for_failures() -> None:
    book = ledger()
    book.restore([entry(1, 1)], NOW)
    again = NOW + CONFIG.backoff_base
    for now in (NOW, again):
        book.failed(peer(1), {address(1): Verdict.FAILED}, now, online=True)
    book.connected(peer(1), address(1), again)
    found = known(book, 1)
    assert (found.failures, found.addresses[address(1)].failures) == (0, 0)
    assert book.candidates(again + CONFIG.backoff_base) == [found], "long before the failures would let it"


@pytest.mark.req("PEERS-05")
def test_an_address_that_fails_again_and_again_goes_before_the_peer() -> None:
    book = ledger()
    book.restore([entry(1, 1, 2)], NOW)
    now = NOW
    for _ in range(CONFIG.max_failures):
        book.failed(peer(1), {address(1): Verdict.FAILED, address(7): Verdict.FAILED}, now, online=True)
        book.connected(peer(1), address(2), now)
        now += DAY / 100
    assert set(known(book, 1).addresses) == {address(2)}


@pytest.mark.req("PEERS-05")
def test_where_somebody_else_lives_the_address_goes_at_once() -> None:
    book = ledger()
    book.restore([entry(1, 1, 2)], NOW)
    assert book.failed(peer(1), {address(1): Verdict.WRONG_PEER}, NOW, online=True) is None
    assert set(known(book, 1).addresses) == {address(2)}
    later = NOW + DAY
    assert book.failed(peer(1), {address(2): Verdict.WRONG_PEER}, later, online=True) == (
        peer(1),
        ForgetReason.ADDRESSES,
    )


@pytest.mark.req("PEERS-05")
def test_who_is_connected_has_not_failed() -> None:
    book = ledger(1)
    book.connected(peer(1), address(1), NOW)
    assert book.failed(peer(1), {address(1): Verdict.FAILED}, NOW, online=True) is None
    assert known(book, 1).failures == 0


# -- dialling


@pytest.mark.req("PEERS-06")
def test_the_best_candidates_come_first() -> None:
    book = ledger(9, max_peers=10)
    entries = [
        entry(1, 1, last_success=NOW - 50),
        entry(2, 2, last_success=NOW - 10, failures=1),
        entry(3, 3),
        entry(4, 4, at=NOW - 9),
        entry(5, 5, last_success=NOW - 20),
        entry(9, 9),
        entry(8, 8, failures=1, retry_at=NOW + 5),
    ]
    book.restore(entries, NOW)
    assert [each.peer for each in book.candidates(NOW)] == [peer(number) for number in (5, 1, 3, 4, 2)]
    assert book.next_candidate(NOW) == 0.0


@pytest.mark.req("PEERS-06")
def test_who_accepts_and_drops_is_not_dialled_again_at_once_but_by_the_next_process() -> None:
    book = ledger()
    book.connected(peer(1), address(1), NOW)
    book.disconnected(peer(1), NOW)
    assert book.candidates(NOW) == []
    assert book.next_candidate(NOW) == CONFIG.backoff_base
    found = known(book, 1)
    assert book.candidates(NOW + CONFIG.backoff_base) == [found]
    after = ledger()
    after.restore([found], NOW)
    assert after.candidates(NOW) == [found]


@pytest.mark.req("PEERS-06")
def test_who_was_not_tried_is_left_alone_without_a_failure() -> None:
    book = ledger()
    book.restore([entry(1, 1)], NOW)
    book.postpone(peer(1), NOW)
    book.postpone(peer(2), NOW)
    assert book.candidates(NOW + CONFIG.backoff_base - 1) == []
    assert [each.peer for each in book.candidates(NOW + CONFIG.backoff_base)] == [peer(1)]
    assert known(book, 1).failures == 0


@pytest.mark.req("PEERS-03")
def test_a_clock_that_is_set_back_leaves_nobody_alone_for_ever() -> None:
    book = ledger()
    book.restore([entry(1, 1)], NOW)
    book.failed(peer(1), {}, NOW, online=True)
    assert [each.peer for each in book.candidates(NOW - 900 * DAY)] == [peer(1)]


# -- writing


@pytest.mark.req("PEERS-07")
def test_what_changed_is_drained_once_in_bounded_parts() -> None:
    book = ledger(1, 2, 3)
    for number in (1, 2, 3):
        book.connected(peer(number), address(number), NOW)
        book.identified(info(number, number), NOW)
    assert book.pending == 3
    assert book.forget(peer(3))
    assert not book.forget(peer(3))
    changed, gone = book.drain(2)
    assert ([each.peer for each in changed], gone) == ([peer(1)], [peer(3)])
    assert [each.peer for each in book.drain(2)[0]] == [peer(2)]
    assert book.drain(2) == ([], [])
    book.put_back(changed, gone)
    assert book.pending == 2
    assert book.drain(9) == (changed, gone)


@pytest.mark.req("PEERS-07")
def test_what_could_not_be_written_is_written_as_it_is_by_then() -> None:
    book = ledger()
    book.connected(peer(1), address(1), NOW)
    changed, gone = book.drain(9)
    book.forget(peer(1))
    book.put_back(changed, gone)
    assert book.drain(9) == ([], [peer(1)])
    book.connected(peer(1), address(1), NOW)
    book.put_back([], [peer(1)])
    changed, gone = book.drain(9)
    assert ([each.peer for each in changed], gone) == ([peer(1)], [])


@pytest.mark.req("PEERS-02")
def test_what_is_to_be_removed_is_bounded_too() -> None:
    book = ledger()
    for number in range(1, 30):
        book.connected(peer(number), None, NOW + number)
        book.forget(peer(number))
    assert book.pending == CONFIG.max_peers


class Ageing(RuleBasedStateMachine):
    """Whatever happens: the caps hold, and what a file would hold after each drain is what is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.connected: set[PeerId] = set()
        self.book = Ledger(CONFIG, self.connected)
        self.now = NOW
        self.file: set[PeerId] = set()

    numbers = st.integers(1, 6)

    @rule(number=numbers, dialled=st.none() | st.integers(1, 5))
    def connect(self, number: int, dialled: int | None) -> None:
        self.connected.add(peer(number))
        self.book.connected(peer(number), None if dialled is None else address(dialled), self.now)

    @rule(number=numbers, told=st.lists(st.integers(1, 9), max_size=6))
    def identify(self, number: int, told: list[int]) -> None:
        self.book.identified(info(number, *told), self.now)

    @rule(number=numbers)
    def disconnect(self, number: int) -> None:
        self.connected.discard(peer(number))
        self.book.disconnected(peer(number), self.now)

    @rule(number=numbers, failed=st.sets(st.integers(1, 9)), verdict=st.sampled_from(Verdict), online=st.booleans())
    def fail(self, number: int, failed: set[int], verdict: Verdict, online: bool) -> None:
        self.book.failed(peer(number), {address(each): verdict for each in failed}, self.now, online=online)

    @rule(seconds=st.sampled_from([1.0, 60.0, DAY, 8 * DAY, 31 * DAY, -DAY]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.book.sweep(self.now)

    @rule(limit=st.integers(1, 4), written=st.booleans())
    def drain(self, limit: int, written: bool) -> None:
        changed, gone = self.book.drain(limit)
        assert len(changed) + len(gone) <= limit
        if written:
            self.file = (self.file | {each.peer for each in changed}) - set(gone)
        else:
            self.book.put_back(changed, gone)

    def teardown(self) -> None:
        changed, _ = self.book.drain(self.book.pending or 1)
        assert {each.peer for each in self.book.peers()} <= self.file | {each.peer for each in changed}

    @invariant()
    def bounded(self) -> None:
        assert len(self.book) <= CONFIG.max_peers
        assert all(len(each.addresses) <= CONFIG.max_addresses for each in self.book.peers())
        assert not {each.peer for each in self.book.candidates(self.now)} & self.connected
        assert self.book.pending <= 2 * CONFIG.max_peers


Ageing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgeing = Ageing.TestCase
