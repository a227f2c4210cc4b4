from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given

from p2pstack.errors import ConnectionClosed, RemoteError, StreamReset, YamuxError
from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, pack_header
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Buffer, Stream, StreamState
from tests.vectors import load
from tests.yamux.driving import (
    Frame,
    check,
    client,
    cuts,
    data,
    exchange,
    feed,
    go_away,
    inbound,
    parse,
    ping,
    sent,
    server,
    take,
    update,
    woken,
)


def fault(session: Session, raw: bytes, requirement: str) -> YamuxError:
    """Feed what the session must not accept: it says GoAway(1), ends all streams, and ignores the rest."""
    streams = list(session.streams.values())
    with pytest.raises(YamuxError) as caught:
        session.receive_data(raw, 1.0)
    error = caught.value
    assert (error.requirement, error.code, error.protocol) == (requirement, 1, "yamux")
    assert isinstance(error, RemoteError)
    assert sent(session)[-1] == Frame(GO_AWAY, 0, 0, 1)
    assert session.terminated
    assert session.streams == {}
    for stream in streams:
        assert isinstance(stream.failure, ConnectionClosed)
        assert stream.failure.reason is error
        assert stream in session.readable
    session.receive_data(ping(1) + raw, 1.0)
    assert sent(session) == []
    return error


# -- the frame


@pytest.mark.req("YMX-01")
@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE, PING, GO_AWAY, 4])
def test_another_version_ends_the_session(kind: int) -> None:
    session = server()
    inbound(session)
    fault(session, pack_header(1, kind, 0, 1, 0), "YMX-01")


@pytest.mark.req("YMX-01")
@pytest.mark.parametrize("kind", [4, 5, 255])
def test_an_unknown_type_ends_the_session(kind: int) -> None:
    session = server()
    inbound(session)
    fault(session, pack_header(0, kind, SYN, 1, 0), "YMX-01")


@pytest.mark.req("YMX-02")
def test_unknown_flags_are_ignored() -> None:
    session = server()
    session.receive_data(data(1, b"hello", SYN | 0xFFF0) + update(1, 9, 0x8000) + ping(5, SYN | 0x0100), 0.0)
    [stream] = session.opened
    assert take(stream) == b"hello"
    assert stream.send_window == INITIAL_WINDOW + 9
    assert sent(session) == [Frame(PING, ACK, 0, 5)]


@pytest.mark.req("YMX-02", "YMX-17")
def test_a_ping_without_flags_means_nothing() -> None:
    session = server()
    session.receive_data(ping(5, 0), 0.0)
    assert sent(session) == []


# -- opening


@pytest.mark.req("YMX-03")
@pytest.mark.parametrize("opening", [data, update])
@pytest.mark.parametrize(
    ("side", "stream_id"), [(client, 1), (client, 0), (server, 2), (server, 0), (client, 2**32 - 1)]
)
def test_an_id_that_is_not_the_peers_ends_the_session(side: Any, stream_id: int, opening: Any) -> None:
    fault(side(), opening(stream_id, flags=SYN), "YMX-03")


@pytest.mark.req("YMX-04")
@pytest.mark.parametrize("raw", [data(1, b"", SYN), update(1, 0, SYN), data(1, b"abc", SYN), update(1, 7, SYN)])
def test_a_stream_is_opened_by_either_frame(raw: bytes) -> None:
    session = server()
    session.receive_data(raw, 0.0)
    [stream] = session.opened
    [frame] = parse(raw)
    assert take(stream) == frame.body
    assert stream.send_window == INITIAL_WINDOW + (frame.length if frame.kind == WINDOW_UPDATE else 0)
    check(session, [stream])


@pytest.mark.req("YMX-04")
def test_data_may_follow_before_the_ack() -> None:
    session = server()
    session.receive_data(data(1, b"a", SYN) + data(1, b"b") + data(1, b"c"), 0.0)
    assert take(session.opened[0]) == b"abc"


@pytest.mark.req("YMX-05")
@pytest.mark.parametrize("again", [data(1, b"x", SYN), update(1, 0, SYN), update(1, 0, SYN | RST)])
def test_an_id_in_use_may_not_be_opened_again(again: bytes) -> None:
    session = server()
    inbound(session)
    fault(session, again, "YMX-05")


@pytest.mark.req("YMX-05")
@pytest.mark.parametrize("end", [update(1, 0, RST), data(1, b"", RST), update(1, 0, FIN)])
def test_the_id_of_a_stream_that_is_gone_opens_a_new_one(end: bytes) -> None:
    session = server()
    old = inbound(session, 1, data(1, b"old"))
    old.close_write()
    sent(session)
    session.receive_data(end, 0.0)
    new = inbound(session, 1, data(1, b"new"))
    assert new is not old
    assert take(new) == b"new"
    check(session, [old, new])


@pytest.mark.req("YMX-08", "GEN-02")
def test_a_first_body_beyond_the_window_registers_nothing() -> None:
    accepted: list[Stream] = []
    session = server(accept=accepted.append)
    fault(session, pack_header(0, DATA, SYN, 1, INITIAL_WINDOW + 1), "YMX-08")
    assert accepted == []
    assert session.inbound_budget.granted == 0


@pytest.mark.req("YMX-08")
def test_a_first_body_that_fills_the_window_is_taken() -> None:
    session = server()
    session.receive_data(data(1, bytes(INITIAL_WINDOW), SYN), 0.0)
    [stream] = session.opened
    assert (stream.unread, stream.receive_window) == (INITIAL_WINDOW, 0)


@pytest.mark.req("YMX-24")
@pytest.mark.parametrize(
    "opening", [data(1, b"body", SYN | RST), update(1, 5, SYN | RST), data(1, b"", SYN | ACK | RST)]
)
def test_syn_with_rst_makes_no_stream(opening: bytes) -> None:
    session = server()
    session.receive_data(opening + ping(1), 0.0)
    assert (session.opened, session.streams, session.unread) == ([], {}, 0)
    assert sent(session) == [Frame(PING, ACK, 0, 1)]


@pytest.mark.req("YMX-24")
def test_syn_with_fin_makes_a_stream_that_has_ended() -> None:
    session = server()
    session.receive_data(data(1, b"all of it", SYN | FIN), 0.0)
    [stream] = session.opened
    assert (take(stream), stream.eof) == (b"all of it", True)
    session.receive_data(data(3, b"", SYN | FIN | RST), 0.0)
    assert len(session.opened) == 1
    check(session, [stream])


@pytest.mark.req("YMX-20", "YMX-21")
@pytest.mark.parametrize("split", [False, True])
def test_a_stream_that_is_refused_as_it_opens_keeps_nothing(*, split: bool) -> None:
    session = server(accept=lambda stream: stream.reset(0x1002))
    raw = data(1, b"the first body", SYN) + update(3, 0, SYN | FIN) + data(5, bytes(2_000), SYN) + data(1, b"more")
    feed(session, raw, [20, 30, 40] if split else [])
    assert (session.unread, session.streams, session.inbound_budget.granted) == (0, {}, 0)
    assert sent(session) == [Frame(WINDOW_UPDATE, RST, stream_id, 0x1002) for stream_id in (1, 3, 5)]
    assert all(not stream.received for stream in session.readable)


# -- windows


@pytest.mark.req("YMX-06")
def test_a_delta_on_syn_and_ack_comes_on_top() -> None:
    session = server()
    session.receive_data(update(1, 100, SYN), 0.0)
    assert session.opened[0].send_window == INITIAL_WINDOW + 100
    own = session.open()
    session.receive_data(update(own.id, 50, ACK), 0.0)
    assert own.send_window == INITIAL_WINDOW + 50
    assert own.acknowledged


@pytest.mark.req("YMX-06", "YMX-25")
def test_only_bodies_count_against_the_window() -> None:
    session = server()
    stream = inbound(session)
    session.receive_data(data(1) * 1_000 + update(1, 1) * 1_000 + ping(1) * 10, 0.0)
    assert stream.receive_window == INITIAL_WINDOW


@pytest.mark.req("YMX-07", "GEN-02")
@pytest.mark.parametrize("first", [0, 1, INITIAL_WINDOW - 1, INITIAL_WINDOW])
def test_a_body_beyond_the_window_is_refused_by_its_header(first: int) -> None:
    session = server()
    stream = inbound(session, 1, data(1, bytes(first)))
    fault(session, pack_header(0, DATA, 0, 1, INITIAL_WINDOW - first + 1), "YMX-07")
    assert len(take(stream)) == first, "what came in time stays readable"


@pytest.mark.req("YMX-07", "YMX-13")
def test_late_data_counts_against_the_window_too() -> None:
    session = server()
    inbound(session, 1, update(1, 0, FIN))
    fault(session, pack_header(0, DATA, 0, 1, INITIAL_WINDOW + 1), "YMX-07")


@pytest.mark.req("YMX-09")
@pytest.mark.parametrize("opened_here", [False, True])
def test_a_send_window_beyond_32_bits_ends_the_session(*, opened_here: bool) -> None:
    session = server()
    stream = session.open() if opened_here else inbound(session)
    session.receive_data(update(stream.id, 2**32 - 1 - INITIAL_WINDOW), 0.0)
    assert stream.send_window == 2**32 - 1
    fault(session, update(stream.id, 1), "YMX-09")


@pytest.mark.req("YMX-09")
def test_a_syn_with_too_large_a_delta_ends_the_session() -> None:
    fault(server(), update(1, 2**32 - 1, SYN), "YMX-09")


@pytest.mark.req("YMX-10")
@pytest.mark.parametrize("end", [update(1, 0, RST), go_away(0), None])
def test_whoever_waits_for_the_window_is_woken_by_every_end(end: bytes | None) -> None:
    session = client()
    stream = session.open()
    stream.write(bytes(INITIAL_WINDOW + 1))
    sent(session)
    woken(session)
    if end is None:
        session.receive_eof(0.0)
    else:
        session.receive_data(end, 0.0)
    assert woken(session) == [stream]
    assert stream.failure is not None
    assert (stream.unsent, stream.unsent_size) == ([], 0)
    assert sent(session) == []


@pytest.mark.req("YMX-10")
def test_an_update_lets_a_blocked_writer_go_on() -> None:
    session = client()
    stream = session.open()
    stream.write(bytes(INITIAL_WINDOW + 9))
    stream.close_write()
    sent(session)
    session.receive_data(update(1, 9), 0.0)
    assert sent(session) == [Frame(DATA, 0, 1, 9, bytes(9)), Frame(WINDOW_UPDATE, FIN, 1, 0)]


# -- the end of a stream


@pytest.mark.req("YMX-13", "GEN-09")
@pytest.mark.parametrize("fin", [update(1, 0, FIN), data(1, b"", FIN), update(1, 77, FIN)])
def test_what_came_before_a_fin_is_delivered_then_the_end(fin: bytes) -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"before"))
    woken(session)
    session.receive_data(fin, 0.0)
    assert woken(session) == [stream]
    assert (take(stream), stream.eof, stream.failure) == (b"before", True, None)
    assert stream.state is StreamState.READ_CLOSED
    stream.write(b"an answer")
    assert sent(session)[-1].body == b"an answer"


@pytest.mark.req("YMX-13", "YMX-24")
def test_fin_on_a_body_comes_behind_it_wherever_it_is_cut() -> None:
    raw = data(1, b"the last bytes", FIN)
    for cut in range(len(raw) + 1):
        session = server()
        stream = inbound(session)
        feed(session, raw, [cut])
        assert (take(stream), stream.eof) == (b"the last bytes", True)
        stream.close_write()
        sent(session)
        check(session, [stream])
        assert session.streams == {}


@pytest.mark.req("YMX-13")
def test_the_end_is_not_told_before_the_body_is_whole() -> None:
    session = server()
    stream = inbound(session)
    raw = data(1, b"the last bytes", FIN)
    session.receive_data(raw[:-1], 0.0)
    assert not stream.eof
    session.receive_data(raw[-1:], 0.0)
    assert stream.eof


@pytest.mark.req("YMX-13")
def test_data_behind_a_fin_is_dropped() -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"before") + update(1, 0, FIN))
    feed(session, data(1, b"behind") + data(1, bytes(5_000)) + ping(1), [15, 100])
    assert take(stream) == b"before"
    assert session.unread == 0
    assert sent(session)[0] == Frame(PING, ACK, 0, 1)


@pytest.mark.req("YMX-14")
@pytest.mark.parametrize(
    ("reset", "code"),
    [(update(1, 0, RST), 0), (update(1, 0x1003, RST), 0x1003), (data(1, b"", RST), 0), (data(1, b"body", RST), 0)],
)
def test_a_reset_drops_what_is_unread_and_tells_its_code(reset: bytes, code: int) -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"unread"))
    stream.write(b"unsent")
    window = stream.send_window
    woken(session)
    session.receive_data(reset, 0.0)
    assert woken(session) == [stream]
    assert isinstance(stream.failure, StreamReset)
    assert (stream.failure.code, stream.failure.remote) == (code, True)
    assert (take(stream), stream.unsent_size, stream.eof) == (b"", 0, False)
    assert stream.send_window == window, "a code is no credit"
    assert sent(session) == [], "and there is no answer"
    check(session, [stream])


@pytest.mark.req("YMX-14")
def test_a_reset_on_a_body_comes_behind_it_wherever_it_is_cut() -> None:
    raw = data(1, b"never read", RST)
    for cut in range(len(raw) + 1):
        session = server()
        stream = inbound(session)
        feed(session, raw + data(1, b"stray"), [cut])
        assert isinstance(stream.failure, StreamReset)
        check(session, [stream])
        assert session.unread == 0


@pytest.mark.req("YMX-14")
def test_a_reset_while_its_body_is_under_way_ends_it() -> None:
    session = server()
    stream = inbound(session)
    raw = data(1, bytes(100), FIN)
    session.receive_data(raw[:50], 0.0)
    stream.reset()
    session.receive_data(raw[50:] + ping(3), 0.0)
    assert (session.unread, stream.eof) == (0, False)
    assert Frame(PING, ACK, 0, 3) in sent(session)


@pytest.mark.req("YMX-24")
@pytest.mark.parametrize("twice", [update(1, 0, FIN), data(1, b"", FIN), update(1, 0, RST), data(1, b"", RST)])
def test_a_second_fin_or_reset_is_ignored(twice: bytes) -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"data"))
    session.receive_data(twice, 0.0)
    state = stream.state
    woken(session)
    session.receive_data(twice, 0.0)
    assert (stream.state, woken(session), sent(session)) == (state, [], [])


@pytest.mark.req("YMX-24")
def test_a_reset_behind_a_fin_resets() -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"unread") + update(1, 0, FIN) + update(1, 9, RST))
    assert isinstance(stream.failure, StreamReset)
    assert stream.unread == 0


@pytest.mark.req("YMX-24")
def test_acks_that_nobody_waits_for_are_ignored() -> None:
    session = server()
    stream = inbound(session)
    own = session.open()
    for raw in (update(1, 0, ACK), update(99, 0, ACK), data(98, b"x", ACK), update(own.id, 0, ACK) * 3):
        session.receive_data(raw, 0.0)
    assert session.unacknowledged == 0
    check(session, [stream, own])


@pytest.mark.req("YMX-24")
def test_flags_are_taken_in_order() -> None:
    session = server()
    own = session.open()
    session.receive_data(data(own.id, b"body", ACK | FIN), 0.0)
    assert (own.acknowledged, take(own), own.eof) == (True, b"body", True)
    session.receive_data(data(1, b"body", SYN | ACK | FIN), 0.0)
    [stream] = session.opened
    assert (take(stream), stream.eof) == (b"body", True)
    other = session.open()
    session.receive_data(data(other.id, b"body", ACK | FIN | RST), 0.0)
    assert (other.acknowledged, other.eof, other.state) == (True, False, StreamState.RESET)
    check(session, [own, stream, other])


# -- streams that are gone


@pytest.mark.req("YMX-15")
def test_frames_of_unknown_streams_are_ignored() -> None:
    session = server()
    raw = b"".join(
        (
            data(1, b"body"), data(4, b"body", FIN), data(4, b"", RST), update(5, 2**32 - 1), update(5, 1, FIN),
            update(5, 1, RST), data(0, b"zero"), update(0, 1), data(7, bytes(300_000)), ping(9),
        )
    )  # fmt: skip
    feed(session, raw, [5, 17, 40, 100_000])
    assert (session.streams, session.unread) == ({}, 0)
    assert sent(session) == [Frame(PING, ACK, 0, 9)]


@pytest.mark.req("YMX-15", "GEN-02")
def test_a_long_stray_body_is_drained_without_being_kept() -> None:
    session = server()
    length = session.config.max_body
    session.receive_data(pack_header(0, DATA, 0, 1, length), 0.0)
    segment = bytes(65_519)
    while length > 0:
        session.receive_data(segment[:length], 0.0)
        length -= len(segment)
        assert session._header == b""
    session.receive_data(ping(1), 0.0)
    assert sent(session) == [Frame(PING, ACK, 0, 1)]


@pytest.mark.req("YMX-16", "GEN-02")
@pytest.mark.parametrize("length", [16 * 1024 * 1024 + 1, 2**32 - 1])
def test_a_stray_body_of_any_length_is_a_fault(length: int) -> None:
    fault(server(), pack_header(0, DATA, 0, 1, length), "YMX-16")


# -- the session


@pytest.mark.req("YMX-19")
def test_a_normal_go_away_ends_the_session_without_an_error() -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"read me"))
    own = session.open()
    own.write(b"never sent")
    session.receive_data(go_away(0) + data(1, b"behind") + update(3, 0, SYN), 0.0)
    assert (session.remote_go_away, session.terminated, session.opened) == (0, True, [])
    assert take(stream) == b"read me"
    for each in (stream, own):
        assert isinstance(each.failure, ConnectionClosed)
        assert each.failure.reason is None
    assert sent(session) == []
    with pytest.raises(ConnectionClosed):
        session.open()


@pytest.mark.req("YMX-19")
@pytest.mark.parametrize("code", [1, 2, 3, 0x1000, 0x1002, 2**32 - 1])
def test_a_go_away_with_a_code_is_an_error(code: int) -> None:
    session = server()
    stream = inbound(session)
    with pytest.raises(YamuxError) as caught:
        session.receive_data(go_away(code), 0.0)
    assert (caught.value.code, session.remote_go_away, session.terminated) == (code, code, True)
    assert stream.failure is not None
    assert sent(session) == [], "no GoAway is answered"


@pytest.mark.req("YMX-19")
def test_an_own_end_says_go_away_once() -> None:
    session = server()
    stream = inbound(session)
    session.go_away()
    session.terminate(ConnectionClosed("closed here"))
    session.terminate(ConnectionClosed("again"))
    assert sent(session) == [Frame(GO_AWAY, 0, 0, 0)]
    assert str(stream.failure) == "closed here"


@pytest.mark.req("YMX-26")
def test_the_end_of_tcp_is_an_eof_only_for_streams_with_a_fin() -> None:
    session = server()
    ended = inbound(session, 1, data(1, b"whole", FIN))
    cut = inbound(session, 3, data(3, b"a part"))
    session.receive_eof(1.0)
    session.receive_eof(2.0)
    assert (ended.eof, cut.eof) == (True, False)
    assert (take(ended), take(cut)) == (b"whole", b"a part")
    assert isinstance(cut.failure, ConnectionClosed)
    assert session.next_timeout() is None


# -- floods


@pytest.mark.req("YMX-17", "YMX-22", "GEN-04")
def test_a_ping_flood_is_answered_as_often_as_go_does() -> None:
    session = server()
    feed(session, ping(7) * 20_000, [65_519] * 4)
    assert len(session.control) == 32
    assert sent(session) == [Frame(PING, ACK, 0, 7)] * 32


@pytest.mark.req("YMX-25", "GEN-04")
def test_a_flood_of_empty_frames_leaves_nothing_behind() -> None:
    session = server()
    stream = inbound(session)
    session.receive_data(data(1, b"", 0x10) * 10, 0.0)
    flood = data(1) * 5_000 + data(99) * 5_000 + data(1, b"", ACK) * 5_000
    gc.collect()
    before = len(gc.get_objects())
    session.receive_data(flood, 0.0)
    gc.collect()
    assert len(gc.get_objects()) - before < 20
    assert (stream.received, stream.marked, session.readable, session.control) == ([], False, [], [])


@pytest.mark.req("YMX-21", "GEN-04")
def test_opening_and_resetting_leaves_nothing_behind() -> None:
    session = server()
    for number in range(1, 20_001, 2):
        session.receive_data(data(number, b"hello", SYN) + update(number, 0, RST), 0.0)
        [stream] = woken(session)
        session.opened.clear()
        check(session, [stream])
    assert (session.streams, session.control, session.fresh, session.turns) == ({}, [], [], [])


@pytest.mark.req("YMX-20", "YMX-22", "GEN-04")
def test_a_syn_flood_opens_no_more_than_the_limit_and_pauses_reading() -> None:
    session = server()
    flood = b"".join(update(number, 0, SYN) for number in range(1, 8_001, 2))
    session.receive_data(flood, 0.0)
    assert len(session.streams) == len(session.opened) == 512
    assert len(session.control) == 4_000 - 512
    overloaded = [session.overloaded]
    assert len(sent(session)) == 4_000 - 512
    overloaded.append(session.overloaded)
    assert overloaded == [True, False], "reading pauses until the peer has read what was refused"


@pytest.mark.req("YMX-22", "GEN-04")
def test_control_frames_that_wait_pause_reading() -> None:
    session = server(max_control=3)
    overloaded = []
    for _ in range(5):
        session.control.append(ping(1))
        overloaded.append(session.overloaded)
    assert overloaded == [False, False, False, True, True]


@pytest.mark.req("YMX-11", "YMX-22", "GEN-04")
def test_unread_data_of_all_streams_pauses_reading() -> None:
    session = server(max_unread=100_000)
    streams = [inbound(session, stream_id, data(stream_id, bytes(40_000))) for stream_id in (1, 3, 5)]
    overloaded = []
    for size in (0, 19_999, 1):
        streams[0].take_bytes(size)
        overloaded.append(session.overloaded)
    assert overloaded == [True, True, False]
    check(session, streams)


@pytest.mark.req("YMX-22", "GEN-04")
def test_a_flood_of_faults_is_one_fault() -> None:
    session = server()
    fault(session, pack_header(9, 9, 9, 9, 9) * 1_000, "YMX-01")
    for _ in range(100):
        session.receive_data(pack_header(9, 9, 9, 9, 9), 0.0)
    assert session.control == []


# -- cuts


SCRIPT = b"".join(
    (
        ping(1), data(1, b"hello", SYN), update(3, 500, SYN), data(1, bytes(range(200))), data(3, b"x" * 70, FIN),
        data(1, b""), update(1, 0, FIN), data(5, b"y", SYN), update(5, 0x1001, RST), data(77, b"stray" * 9), ping(2),
    )
)  # fmt: skip


def outcome(session: Session) -> list[object]:
    streams = [
        (stream.id, take(stream), stream.eof, str(stream.failure), stream.send_window, stream.receive_window)
        for stream in session.opened
    ]
    return [*streams, *sent(session)]


def test_a_cut_at_any_byte_changes_nothing() -> None:
    whole = server()
    whole.receive_data(SCRIPT, 0.0)
    expected = outcome(whole)
    for cut in range(len(SCRIPT) + 1):
        session = server()
        feed(session, SCRIPT, [cut])
        assert outcome(session) == expected
    session = server()
    feed(session, SCRIPT, [1] * len(SCRIPT))
    assert outcome(session) == expected


@given(cuts)
def test_any_cuts_change_nothing(sizes: list[int]) -> None:
    whole, session = server(), server()
    whole.receive_data(SCRIPT, 0.0)
    feed(session, SCRIPT, sizes)
    assert outcome(session) == outcome(whole)


@pytest.mark.req("YMX-01")
def test_no_more_than_a_header_is_held_back() -> None:
    session = server()
    for byte in SCRIPT:
        session.receive_data(bytes((byte,)), 0.0)
        assert len(session._header) < 12


# -- gates


def test_a_gate_sees_bytes_and_end_before_the_reader() -> None:
    seen: list[bytes] = []

    def gate(stream: Stream, piece: Buffer) -> Buffer:
        seen.append(bytes(piece))
        return piece[1:]

    session = server()
    stream = inbound(session)
    stream.gate = gate
    feed(session, data(1, b"abc") + data(1, b"d") + data(1, b"efgh", FIN) + data(1, b"late"), [14, 20, 19])
    assert b"".join(seen) == b"abcdefgh"
    assert seen[-1] == b""
    assert take(stream) == b"".join(piece[1:] for piece in seen)
    assert stream.eof


def test_a_gate_that_resets_its_stream_at_the_end_leaves_no_eof() -> None:
    def gate(stream: Stream, piece: Buffer) -> Buffer:
        if not len(piece):
            stream.reset(5)
        return b""

    session = server()
    stream = inbound(session)
    stream.gate = gate
    stream.close_write()
    sent(session)
    session.receive_data(data(1, b"x", FIN), 0.0)
    assert (stream.eof, stream.state) == (False, StreamState.RESET)
    assert sent(session) == [Frame(WINDOW_UPDATE, RST, 1, 5)]
    check(session, [stream])


def test_a_gate_that_resets_its_stream_in_the_middle_ends_the_feeding() -> None:
    def gate(stream: Stream, piece: Buffer) -> Buffer:
        stream.reset()
        return piece

    for cut in (12, 15, 17):
        session = server()
        stream = inbound(session)
        stream.gate = gate
        feed(session, data(1, b"hello") + data(1, b"again"), [cut])
        check(session, [stream])
        assert session.unread == 0


def test_a_gate_goes_on_when_reading_is_closed_and_the_reader_gets_nothing() -> None:
    seen: list[bytes] = []

    def gate(stream: Stream, piece: Buffer) -> Buffer:
        seen.append(bytes(piece))
        return piece

    session = server()
    stream = inbound(session)
    stream.gate = gate
    stream.close_read()
    feed(session, data(1, b"hello") + data(1, b"again"), [14])
    assert b"".join(seen) == b"helloagain"
    assert (stream.unread, session.unread) == (0, 0)


# -- traces and vectors


def test_frames_that_come_in_are_traced() -> None:
    seen: list[tuple[str, int, int, int, int]] = []
    session = Session(client=False, trace=lambda *frame: seen.append(frame))
    feed(session, data(1, b"abc", SYN) + ping(4), [5, 9])
    assert seen == [("in", DATA, SYN, 1, 3), ("in", PING, SYN, 0, 4)]


@pytest.mark.req("YMX-01", "YMX-02", "YMX-04", "YMX-13", "YMX-14")
@pytest.mark.parametrize("vector", load("yamux")["frames"], ids=lambda vector: vector["note"])
def test_each_frame_of_a_go_peer_is_understood(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["hex"])
    session = server()
    stream = None if vector["flags"] & SYN else inbound(session)
    if vector["type"] == GO_AWAY:
        with pytest.raises(YamuxError) as caught:
            session.receive_data(raw, 0.0)
        assert caught.value.code == vector["length"]
        return
    session.receive_data(raw, 0.0)
    if vector["type"] == PING:
        assert [frame.length for frame in sent(session)] == ([7] if vector["flags"] & SYN else [])
        return
    stream = stream or session.opened[0]
    assert stream.eof == bool(vector["flags"] & FIN)
    assert (stream.state is StreamState.RESET) == bool(vector["flags"] & RST)
    if isinstance(stream.failure, StreamReset):
        assert stream.failure.code == vector["length"]
    elif vector["type"] == DATA:
        assert take(stream) == raw[12:]
    else:
        assert stream.send_window == INITIAL_WINDOW + vector["length"]


def writes(section: list[dict[str, str]], who: str) -> bytes:
    return b"".join(bytes.fromhex(write["hex"]) for write in section if write["from"] == who)


@pytest.mark.req("YMX-04", "YMX-13")
@pytest.mark.parametrize(
    "section", [load("yamux")["echo_exchange"]["writes"], load("yamux_rust")["echo_exchange"]], ids=["go", "rust"]
)
@given(cuts)
def test_an_exchange_with_go_and_with_rust_from_either_side(section: list[dict[str, str]], sizes: list[int]) -> None:
    """The session stands in for each side in turn: it reads what the other wrote, and says the same in its own way."""
    listener = server()
    feed(listener, writes(section, "dialer"), sizes)
    [stream] = listener.opened
    assert (take(stream), stream.eof) == (b"hello", True)
    stream.write(b"world")
    stream.close_write()
    assert sent(listener) == [Frame(DATA, ACK, 1, 5, b"world"), Frame(WINDOW_UPDATE, FIN, 1, 0)]
    assert listener.streams == {}

    dialer = client()
    stream = dialer.open()
    stream.write(b"hello")
    stream.close_write()
    assert sent(dialer) == [Frame(DATA, SYN, 1, 5, b"hello"), Frame(WINDOW_UPDATE, FIN, 1, 0)]
    feed(dialer, writes(section, "listener"), sizes)
    assert (take(stream), stream.eof, stream.acknowledged) == (b"world", True, True)
    assert dialer.streams == {}


@pytest.mark.req("YMX-17", "YMX-18")
@pytest.mark.parametrize("section", [load("yamux")["start"]["writes"], load("yamux_rust")["start"]], ids=["go", "rust"])
def test_the_pings_of_a_start_are_answered_as_the_other_did(section: list[dict[str, str]]) -> None:
    for who, side in (("listener", client()), ("dialer", server())):
        other = "dialer" if who == "listener" else "listener"
        side.receive_data(writes(section, who), 0.0)
        answers = [frame for frame in parse(writes(section, other)) if frame.flags == ACK]
        assert sent(side) == answers


@pytest.mark.req("YMX-14")
def test_the_resets_of_go_and_rust() -> None:
    session = client()
    own = [session.open() for _ in range(2)]
    session.receive_data(writes(load("yamux")["reset_with_code"]["writes"], "listener"), 0.0)
    assert isinstance(own[1].failure, StreamReset)
    assert own[1].failure.code == 0x1002

    dropped = load("yamux_rust")["listener_drops_open_stream"]
    session = client()
    own = [session.open() for _ in range(2)]
    session.receive_data(writes(dropped, "listener"), 0.0)
    assert own[1].state is StreamState.RESET
    listener = server()
    listener.receive_data(writes(dropped, "dialer"), 0.0)
    assert take(listener.opened[0]) == b"x"


@pytest.mark.req("YMX-19")
def test_the_end_of_a_rust_connection_is_an_orderly_one() -> None:
    session = server()
    session.receive_data(writes(load("yamux_rust")["dialer_closes_connection"], "dialer"), 0.0)
    assert (session.terminated, session.remote_go_away) == (True, 0)


@pytest.mark.req("YMX-11")
def test_the_window_update_of_go_is_ours_too() -> None:
    section = load("yamux")["window_exchange"]["writes"]
    session = server()
    session.receive_data(update(3, 0, SYN), 0.0)
    [stream] = session.opened
    updates = []
    for write in section:
        if write["from"] == "dialer":
            session.receive_data(bytes.fromhex(write["header"]) + bytes(write["body_bytes"]), 0.0)
            take(stream)
            updates += sent(session)
    [expected] = parse(writes([write for write in section if "hex" in write], "listener"))
    assert updates == [expected._replace(flags=ACK)]


def test_two_sessions_carry_an_exchange() -> None:
    a, b = client(), server()
    stream = a.open()
    stream.write(b"question" * 100_000)
    stream.close_write()
    exchange(a, b)
    [other] = b.opened
    received = b""
    while not other.eof:
        received += take(other)
        exchange(a, b)
    assert received + take(other) == b"question" * 100_000
    other.close_write()
    exchange(a, b)
    assert (stream.eof, a.streams, b.streams) == (True, {}, {})
