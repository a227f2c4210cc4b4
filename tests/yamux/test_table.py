from __future__ import annotations

import pytest

from p2pstack.errors import ConnectionClosed, LimitExceeded, StreamReset
from p2pstack.yamux.config import INITIAL_WINDOW, MAX_STREAM_ID
from p2pstack.yamux.frames import ACK, FIN, RST, SYN, WINDOW_UPDATE
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from p2pstack.yamux.window import Budget
from tests.yamux.driving import Frame, check, client, data, exchange, inbound, sent, server, take, update, woken


def may_open(session: Session) -> bool:
    return session.can_open


# -- ids


@pytest.mark.req("YMX-03")
def test_the_client_takes_odd_ids_and_the_server_even_ones() -> None:
    assert [client().open().id] == [1]
    for session, ids in ((client(), [1, 3, 5]), (server(), [2, 4, 6])):
        assert [session.open().id for _ in ids] == ids


@pytest.mark.req("YMX-23")
@pytest.mark.parametrize(("session", "last"), [(client(), MAX_STREAM_ID), (server(), MAX_STREAM_ID - 1)])
def test_ids_are_used_up_and_never_wrap(session: Session, last: int) -> None:
    session._next_id = last
    stream = session.open()
    stream.write(b"the last one")
    assert sent(session)[0].stream == last
    for _ in range(2):
        with pytest.raises(LimitExceeded) as caught:
            session.open()
        assert caught.value.name == "yamux.stream_ids"
    check(session, [stream])


# -- how many


@pytest.mark.req("YMX-20")
def test_opens_wait_for_acknowledgements() -> None:
    session = client(max_unacknowledged=3)
    streams = [session.open() for _ in range(3)]
    assert not may_open(session)
    with pytest.raises(LimitExceeded) as caught:
        session.open()
    assert (caught.value.name, caught.value.limit) == ("yamux.max_unacknowledged", 3)
    session.receive_data(update(1, 0, ACK), 0.0)
    session.receive_data(data(1, b"", ACK), 0.0)
    assert may_open(session)
    streams.append(session.open())
    assert not may_open(session)
    streams[1].reset()
    assert may_open(session), "a stream that is over is not waited for"
    check(session, streams)


@pytest.mark.req("YMX-20")
def test_the_default_backlog_is_what_go_and_rust_hold() -> None:
    session = client()
    for _ in range(256):
        session.open().write(b"x")
    assert not may_open(session)
    assert len(sent(session)) == 256


@pytest.mark.req("YMX-20")
def test_opens_wait_for_streams_of_both_directions() -> None:
    session = client(max_streams=3)
    theirs = [inbound(session, 2), inbound(session, 4)]
    session.open()
    assert not may_open(session)
    with pytest.raises(LimitExceeded) as caught:
        session.open()
    assert caught.value.name == "yamux.max_streams"
    theirs[0].reset()
    assert may_open(session)
    session.open()


@pytest.mark.req("YMX-20", "GEN-01")
def test_inbound_streams_beyond_the_limit_are_reset_and_the_connection_stays() -> None:
    session = server(max_inbound_streams=2)
    streams = [inbound(session, 1), inbound(session, 3)]
    for stream_id, raw in ((5, update(5, 0, SYN)), (7, data(7, b"body", SYN)), (9, data(9, b"body", SYN | FIN))):
        session.receive_data(raw, 0.0)
        assert sent(session) == [Frame(WINDOW_UPDATE, RST, stream_id, 0x1002)]
    assert session.opened == []
    session.receive_data(data(5, b"late") + update(5, 0, FIN), 0.0)
    assert sent(session) == []
    session.receive_data(update(1, 0, RST), 0.0)
    streams.append(inbound(session, 11))
    session.receive_data(data(11, b"served"), 0.0)
    assert take(streams[2]) == b"served"
    check(session, streams)


@pytest.mark.req("YMX-20", "GEN-04")
def test_a_common_budget_bounds_the_streams_of_all_sessions() -> None:
    host = Budget(3)
    sessions = [Session(client=False, inbound_budget=host) for _ in range(2)]
    for session in sessions:
        session.receive_data(update(1, 0, SYN) + update(3, 0, SYN), 0.0)
    assert [len(session.streams) for session in sessions] == [2, 1]
    assert sent(sessions[1]) == [Frame(WINDOW_UPDATE, RST, 3, 0x1002)]
    sessions[0].receive_eof(0.0)
    assert host.granted == 1


# -- the end of streams


def test_who_asked_for_it_is_told_of_every_end_once() -> None:
    ended: list[int] = []
    session = Session(client=False, ended=lambda stream: ended.append(stream.id))
    first, second, third = (inbound(session, stream_id) for stream_id in (1, 3, 5))
    first.reset()
    first.reset()
    second.close_write()
    sent(session)
    assert ended == [1]
    session.receive_data(update(3, 0, FIN), 0.0)
    assert ended == [1, 3]
    session.receive_eof(0.0)
    session.receive_eof(0.0)
    assert ended == [1, 3, 5]
    assert third.failure is not None


def test_streams_know_the_owner_of_their_session() -> None:
    class Own(Stream):
        __slots__ = ()

    session = Session(client=False, stream_class=Own, owner="me")
    assert type(inbound(session)) is Own
    assert type(session.open()) is Own
    assert session.streams[1].session.owner == "me"


def test_forgetting_twice_gives_back_once() -> None:
    session = server()
    stream = inbound(session)
    session.forget(stream)
    session.forget(stream)
    check(session, [stream])


def test_what_was_received_before_the_end_stays_readable() -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"received", FIN))
    other = inbound(session, 3, data(3, b"as well"))
    woken(session)
    session.receive_eof(0.0)
    assert {stream.id for stream in woken(session)} == {1, 3}
    assert (take(stream), stream.eof) == (b"received", True)
    assert (take(other), other.eof) == (b"as well", False)
    assert isinstance(other.failure, ConnectionClosed)
    with pytest.raises(ConnectionClosed):
        session.open()


# -- closed, and waiting for the peer


def closed(session: Session, stream: Stream) -> None:
    stream.close_write()
    stream.close_read()


@pytest.mark.req("YMX-27")
def test_a_closed_stream_whose_peer_does_not_end_is_reset_in_time() -> None:
    session = server(close_timeout=10.0, ping_interval=1000.0)
    stream = inbound(session)
    session.ping(0.0)
    session.receive_data(b"", 5.0)
    closed(session, stream)
    assert session.next_timeout() == 10.0
    sent(session)
    session.receive_data(data(1, b"no FIN"), 10.0)
    session.handle_timeout(10.0)
    assert session.next_timeout() == 15.0
    session.handle_timeout(14.9)
    assert sent(session) == []
    session.handle_timeout(15.0)
    assert sent(session) == [Frame(WINDOW_UPDATE, RST, 1, 0)]
    assert isinstance(stream.failure, StreamReset)
    assert not stream.failure.remote
    check(session, [stream])


@pytest.mark.req("YMX-27")
def test_a_fin_in_time_ends_the_wait() -> None:
    session = server()
    stream = inbound(session)
    closed(session, stream)
    sent(session)
    session.receive_data(update(1, 0, FIN), 1.0)
    assert session.next_expiry() is None
    assert stream.failure is None
    assert session.streams == {}


def test_a_fin_ends_the_wait_of_a_stream_that_goes_on_writing() -> None:
    session = server()
    stream = inbound(session)
    stream.close_read()
    session.receive_data(update(1, 0, FIN), 1.0)
    assert session.next_expiry() is None
    stream.write(b"more")
    assert sent(session)[0].body == b"more"


def test_a_closed_stream_that_still_gets_bytes_out_is_not_reset() -> None:
    session = server(close_timeout=10.0)
    stream = inbound(session)
    stream.write(bytes(3 * INITIAL_WINDOW))
    closed(session, stream)
    sent(session)
    for turn in range(1, 3):
        session.receive_data(update(1, INITIAL_WINDOW // 2), 10.0 * turn - 1)
        sent(session)
        session.expire(10.0 * turn)
        assert stream.failure is None
    session.expire(30.0)
    assert stream.failure is not None


def test_a_stream_that_is_only_closed_for_reading_may_go_on_writing() -> None:
    session = server(close_timeout=10.0)
    stream = inbound(session)
    stream.close_read()
    for turn in range(1, 5):
        session.expire(10.0 * turn)
        stream.write(b"still here")
        assert sent(session)[0].body == b"still here"
    stream.close_write()
    session.expire(100.0)
    assert stream.failure is not None


def test_those_that_closed_first_expire_first() -> None:
    session = server(close_timeout=10.0)
    streams = [inbound(session, stream_id) for stream_id in (1, 3)]
    for stream in streams:
        closed(session, stream)
        session.now += 3.0
    session.expire(10.0)
    assert [stream.failure is not None for stream in streams] == [True, False]
    assert session.next_expiry() == 13.0


def test_closing_after_the_peers_fin_waits_for_nothing() -> None:
    a, b = client(), server()
    stream = a.open()
    stream.close_write()
    exchange(a, b)
    other = b.opened.pop()
    assert other.eof
    closed(b, other)
    assert b.next_expiry() is None
    exchange(a, b)
    assert a.streams == b.streams == {}


@pytest.mark.req("YMX-27")
@pytest.mark.parametrize("fin_first", [False, True])
def test_a_closed_stream_whose_peer_has_ended_and_takes_nothing_is_reset_in_time(*, fin_first: bool) -> None:
    session = server(close_timeout=10.0)
    stream = inbound(session)
    stream.write(bytes(INITIAL_WINDOW + 1))
    sent(session)
    if fin_first:
        session.receive_data(update(1, 0, FIN), 2.0)
        assert session.next_expiry() is None
        stream.close_write()
    else:
        stream.close_write()
        assert session.next_expiry() is None
        session.receive_data(update(1, 0, FIN), 2.0)
    assert session.next_expiry() == 12.0
    session.expire(12.0)
    assert isinstance(stream.failure, StreamReset)
    assert sent(session) == [Frame(WINDOW_UPDATE, RST, 1, 0)]
    check(session, [stream])
