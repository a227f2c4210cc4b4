from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import DATA, SYN, WINDOW_UPDATE
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from p2pstack.yamux.window import GROWTH_ROUND_TRIPS, Budget
from tests.yamux.driving import Frame, check, client, data, exchange, inbound, ping, sent, server, take

HALF = INITIAL_WINDOW // 2


def with_round_trip(session: Session, seconds: float) -> None:
    session.ping(session.now)
    [asked] = [frame for frame in sent(session) if frame.flags & SYN]
    session.receive_data(ping(asked.length, 2), session.now + seconds)


def fill(session: Session, stream: Stream, size: int, now: float) -> None:
    """The peer sends ``size`` bytes and the reader takes them at once."""
    while size:
        piece = min(size, 50_000)
        session.receive_data(data(stream.id, bytes(piece)), now)
        size -= len(take(stream))


def growth(session: Session) -> int:
    """What the window updates that wait give beyond what was consumed."""
    return sum(frame.length for frame in sent(session) if frame.kind == WINDOW_UPDATE)


def test_a_budget_gives_what_it_has() -> None:
    budget = Budget(10)
    assert budget.take(7)
    assert not budget.take(4)
    assert budget.take(3)
    budget.give_back(5)
    assert budget.granted == 5


def test_a_nested_budget_takes_from_all_or_none() -> None:
    host = Budget(10)
    one, other = Budget(8, host), Budget(8, host)
    assert one.take(8)
    assert not other.take(3), "the host has no room"
    assert (one.granted, other.granted, host.granted) == (8, 0, 8)
    assert not one.take(1), "the session has no room"
    assert host.granted == 8
    one.give_back(8)
    assert other.take(8)
    assert host.granted == 8


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=60))
def test_budgets_never_pass_their_limits(steps: list[tuple[int, int]]) -> None:
    host = Budget(20)
    budgets = [Budget(10, host), Budget(15, host), host]
    taken = [0, 0, 0]
    for which, amount in steps:
        if taken[which] >= amount and amount % 2:
            budgets[which].give_back(amount)
            taken[which] -= amount
        elif budgets[which].take(amount):
            taken[which] += amount
        assert host.granted == sum(taken) <= 20
        assert [budget.granted for budget in budgets[:2]] == taken[:2]
        assert taken[0] <= 10
        assert taken[1] <= 15


@pytest.mark.req("YMX-11")
def test_half_a_window_is_given_back_once_it_was_consumed_and_not_before() -> None:
    session = server()
    stream = inbound(session)
    sent(session)
    session.receive_data(data(1, bytes(HALF)), 0.0)
    assert sent(session) == [], "nothing was read yet"
    stream.take_bytes(HALF - 1)
    assert sent(session) == []
    stream.take_bytes(1)
    assert sent(session) == [Frame(WINDOW_UPDATE, 2, 1, HALF)]
    assert stream.receive_window == INITIAL_WINDOW


@pytest.mark.req("YMX-11", "YMX-07")
def test_unread_data_holds_the_sender_back() -> None:
    a, b = client(), server()
    stream = a.open()
    stream.write(bytes(3 * INITIAL_WINDOW))
    exchange(a, b)
    [other] = b.opened
    assert other.unread == INITIAL_WINDOW
    assert (stream.send_window, other.receive_window) == (0, 0)
    assert stream.unsent_size == 2 * INITIAL_WINDOW
    other.take()
    exchange(a, b)
    assert other.unread == INITIAL_WINDOW
    check(a, [stream])
    check(b, [other])


@pytest.mark.req("YMX-12")
def test_a_window_that_is_used_up_within_four_round_trips_doubles() -> None:
    session = server()
    stream = inbound(session)
    with_round_trip(session, 0.1)
    fill(session, stream, HALF, session.now + GROWTH_ROUND_TRIPS * 0.1 - 0.15)
    assert stream.window == 2 * INITIAL_WINDOW
    assert growth(session) == HALF + INITIAL_WINDOW
    assert session.budget.granted == INITIAL_WINDOW
    check(session, [stream])


@pytest.mark.req("YMX-12")
def test_a_slower_reader_keeps_its_window() -> None:
    session = server()
    stream = inbound(session)
    with_round_trip(session, 0.1)
    fill(session, stream, 3 * INITIAL_WINDOW, 10.0)
    first = stream.window
    for turn in range(1, 6):
        fill(session, stream, first // 2, 10.0 + turn)
    assert stream.window == first


@pytest.mark.req("YMX-12")
def test_without_a_known_round_trip_no_window_grows() -> None:
    session = server()
    stream = inbound(session)
    fill(session, stream, 10 * INITIAL_WINDOW, 0.0)
    assert stream.window == INITIAL_WINDOW
    assert session.budget.granted == 0


@pytest.mark.req("YMX-12")
def test_windows_grow_to_the_limit_and_no_further() -> None:
    session = server(max_window=1 << 20, max_window_growth=64 << 20)
    stream = inbound(session)
    with_round_trip(session, 1.0)
    for _ in range(20):
        fill(session, stream, stream.window, session.now)
    assert stream.window == 1 << 20
    check(session, [stream])


@pytest.mark.req("YMX-12", "GEN-04")
def test_all_windows_together_grow_as_far_as_the_budgets_allow() -> None:
    host = Budget(3 * INITIAL_WINDOW)
    sessions = [server(budget=host, max_window_growth=2 * INITIAL_WINDOW) for _ in range(2)]
    streams = [[inbound(session, stream_id) for stream_id in (1, 3, 5)] for session in sessions]
    for session in sessions:
        with_round_trip(session, 1.0)
    for _ in range(5):
        for session, its in zip(sessions, streams, strict=True):
            for stream in its:
                fill(session, stream, stream.window, session.now)
            check(session, its)
    assert [session.budget.granted for session in sessions] == [2 * INITIAL_WINDOW, INITIAL_WINDOW]
    assert host.granted == host.limit
    for stream in streams[0]:
        stream.reset()
    assert host.granted == INITIAL_WINDOW, "a stream that ends gives back what it had"
    fill(sessions[1], streams[1][2], 4 * INITIAL_WINDOW, sessions[1].now)
    assert sessions[1].budget.granted == 2 * INITIAL_WINDOW
    for session in sessions:
        session.receive_eof(1.0)
    assert host.granted == 0


@pytest.mark.req("YMX-11")
def test_a_stream_that_has_ended_is_given_no_credit() -> None:
    session = server()
    stream = inbound(session)
    session.receive_data(data(1, bytes(200_000), 4), 0.0)
    sent(session)
    assert stream.eof
    assert len(take(stream)) == 200_000
    assert sent(session) == []


def test_a_grown_window_may_be_used_in_full() -> None:
    session = server()
    stream = inbound(session)
    with_round_trip(session, 1.0)
    fill(session, stream, HALF, session.now)
    session.receive_data(b"".join(data(1, bytes(65_536)) for _ in range(8)), session.now)
    assert stream.unread == 2 * INITIAL_WINDOW
    assert stream.receive_window == 0
    assert all(frame.kind != DATA for frame in sent(session))
