from __future__ import annotations

import pytest

from p2pstack.errors import YamuxError
from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.frames import ACK, PING, SYN
from p2pstack.yamux.liveness import Liveness
from tests.yamux.driving import Frame, client, data, inbound, parse, ping, sent, server

CONFIG = YamuxConfig(ping_interval=30.0, ping_timeout=10.0)


def asked(frames: list[bytes]) -> list[int]:
    parsed = parse(b"".join(frames))
    assert all((frame.kind, frame.flags, frame.stream) == (PING, SYN, 0) for frame in parsed)
    return [frame.length for frame in parsed]


@pytest.mark.req("YMX-18")
def test_the_first_ping_is_due_at_once_and_the_next_after_the_interval() -> None:
    liveness = Liveness(CONFIG, 100.0)
    assert liveness.next_timeout() == 100.0
    assert asked(liveness.handle_timeout(100.0, 100.0)) == [1]
    assert liveness.next_timeout() == 110.0
    liveness.receive_pong(1, 100.5)
    assert liveness.next_timeout() == 130.0
    assert asked(liveness.handle_timeout(129.0, 100.5)) == []
    assert asked(liveness.handle_timeout(130.0, 100.5)) == [2]


@pytest.mark.req("YMX-18")
def test_only_one_ping_is_under_way() -> None:
    liveness = Liveness(CONFIG, 0.0)
    assert asked(liveness.ping(0.0)) == [1]
    assert liveness.ping(1.0) == []
    assert liveness.next_timeout() == 10.0


@pytest.mark.req("YMX-17")
def test_answers_that_nobody_asked_for_are_ignored() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness.receive_pong(0, 1.0)
    liveness.ping(1.0)
    liveness.receive_pong(2, 2.0)
    assert liveness.round_trip == 0.0
    liveness.receive_pong(1, 1.5)
    liveness.receive_pong(1, 9.0)
    assert liveness.round_trip == 0.5


def test_the_round_trip_follows_the_shortest_trips() -> None:
    liveness = Liveness(CONFIG, 0.0)
    for value, (trip, expected) in enumerate([(0.8, 0.8), (0.4, 0.4), (1.2, 0.5), (0.5, 0.5)], 1):
        liveness.ping(100.0 * value)
        liveness.receive_pong(value, 100.0 * value + trip)
        assert liveness.round_trip == pytest.approx(expected)


@pytest.mark.req("YMX-18")
def test_silence_after_a_ping_is_the_end() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness.ping(0.0)
    assert liveness.handle_timeout(9.99, 0.0) == []
    with pytest.raises(YamuxError, match="10 s") as caught:
        liveness.handle_timeout(10.0, 0.0)
    assert caught.value.requirement == "YMX-18"


@pytest.mark.req("YMX-18")
def test_any_byte_is_a_sign_of_life() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness.ping(0.0)
    assert liveness.handle_timeout(10.0, 3.0) == []
    assert liveness.next_timeout() == 30.0
    liveness.receive_pong(1, 11.0)
    assert liveness.round_trip == 0.0, "it was given up"
    assert asked(liveness.handle_timeout(30.0, 11.0)) == [2]


def test_an_interval_shorter_than_the_timeout_does_not_spin() -> None:
    liveness = Liveness(YamuxConfig(ping_interval=1.0, ping_timeout=10.0), 0.0)
    now, pings = 0.0, 0
    for _ in range(10):
        due = liveness.next_timeout()
        assert due > now or pings == 0
        now = due
        pings += len(liveness.handle_timeout(now, now))
    assert pings == 10


def test_values_wrap_around() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness._value = 0xFFFF_FFFF
    assert asked(liveness.ping(0.0)) == [0]


# -- in a session


@pytest.mark.req("YMX-17", "YMX-18")
def test_two_sessions_measure_the_round_trip() -> None:
    a, b = client(), server()
    a.handle_timeout(0.0)
    [question] = a.data_to_send()
    b.receive_data(question, 0.25)
    [answer] = b.data_to_send()
    a.receive_data(answer, 0.5)
    assert (a.round_trip, b.round_trip) == (0.5, 0.0)


@pytest.mark.req("YMX-18")
def test_a_session_whose_peer_is_silent_ends_with_all_its_streams() -> None:
    session = client()
    stream = session.open()
    session.handle_timeout(0.0)
    assert session.next_timeout() == 10.0
    with pytest.raises(YamuxError, match="no sign of life"):
        session.handle_timeout(10.0)
    assert session.terminated
    assert stream.failure is not None
    assert session.next_timeout() is None
    session.handle_timeout(99.0)
    assert sent(session) == [Frame(PING, SYN, 0, 1)]


@pytest.mark.req("YMX-18")
def test_a_session_with_traffic_stays() -> None:
    session = server()
    inbound(session)
    now = 0.0
    for _ in range(10):
        due = session.next_timeout()
        assert due is not None
        session.receive_data(data(1), due - 0.001)
        session.handle_timeout(due)
        now = due
    assert now > 90.0
    assert not session.terminated


@pytest.mark.req("YMX-17")
def test_a_ping_is_answered_with_its_value_on_stream_0() -> None:
    session = server()
    session.receive_data(ping(0xDEADBEEF), 0.0)
    session.receive_data(ping(1, ACK), 0.0)
    assert sent(session) == [Frame(PING, ACK, 0, 0xDEADBEEF)]
