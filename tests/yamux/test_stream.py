from __future__ import annotations

import array
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConnectionClosed, LimitExceeded, LocalError, StreamClosed, StreamReset
from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import ACK, DATA, FIN, RST, SYN, WINDOW_UPDATE
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Buffer, Stream, StreamState, discard
from tests.yamux.driving import Frame, check, client, data, exchange, feed, inbound, sent, server, take, update, woken


def pair() -> tuple[Session, Session, Stream, Stream]:
    """Two sessions with one stream between them; silent."""
    a, b = client(), server()
    stream = a.open()
    stream.write(b"first")
    exchange(a, b)
    other = b.opened.pop()
    assert take(other) == b"first"
    return a, b, stream, other


# -- writing


@pytest.mark.req("YMX-04")
def test_syn_travels_on_the_first_frame_and_only_there() -> None:
    session = client()
    stream = session.open()
    assert sent(session) == []
    stream.write(b"one")
    assert sent(session) == [Frame(DATA, SYN, 1, 3, b"one")]
    stream.write(b"two")
    assert sent(session) == [Frame(DATA, 0, 1, 3, b"two")]


@pytest.mark.req("YMX-04")
def test_ack_travels_on_the_first_frame_back() -> None:
    session = server()
    stream = inbound(session)
    assert sent(session) == []
    stream.write(b"hello")
    stream.close_write()
    assert sent(session) == [Frame(DATA, ACK, 1, 5, b"hello"), Frame(WINDOW_UPDATE, FIN, 1, 0)]


@pytest.mark.req("YMX-04")
def test_a_stream_that_only_ends_says_so_in_one_frame() -> None:
    session = client()
    session.open().close_write()
    assert sent(session) == [Frame(WINDOW_UPDATE, SYN | FIN, 1, 0)]


def test_writes_of_one_turn_leave_in_one_frame() -> None:
    session = client()
    stream = session.open()
    pieces: list[Buffer] = [b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3], b""]
    for piece in pieces:
        stream.write(piece)
    assert sent(session) == [Frame(DATA, SYN, 1, 6, b"abcdef")]


def test_a_view_of_larger_items_is_sent_as_its_bytes() -> None:
    numbers = array.array("I", range(40_000))
    session = client()
    stream = session.open()
    stream.write(memoryview(numbers))
    stream.write(memoryview(array.array("I")))
    assert stream.unsent_size == 160_000
    assert b"".join(frame.body for frame in sent(session)) == numbers.tobytes()


def test_nothing_written_says_nothing() -> None:
    session = client()
    stream = session.open()
    stream.write(b"")
    assert not session.pending
    assert not stream.queued


@pytest.mark.req("YMX-10", "YMX-22")
def test_a_program_that_never_drains_is_refused_at_a_limit() -> None:
    session = client(max_unsent=1_000, drain_mark=0)
    stream = session.open()
    stream.write(bytes(1_001))
    with pytest.raises(LimitExceeded) as caught:
        stream.write(b"x")
    assert (caught.value.name, caught.value.limit) == ("yamux.max_unsent", 1_000)
    assert stream.unsent_size == 1_001
    sent(session)
    stream.write(b"x")


@pytest.mark.req("GEN-09")
def test_closing_the_write_side_leaves_the_read_side_open() -> None:
    a, b, stream, other = pair()
    stream.write(b"question")
    stream.close_write()
    stream.close_write()
    with pytest.raises(StreamClosed):
        stream.write(b"more")
    exchange(a, b)
    assert take(other) == b"question"
    assert (other.eof, other.state) == (True, StreamState.READ_CLOSED)
    assert (stream.eof, stream.state) == (False, StreamState.WRITE_CLOSED)
    other.write(b"answer")
    other.close_write()
    exchange(a, b)
    assert take(stream) == b"answer"
    assert (stream.eof, stream.state, other.state) == (True, StreamState.CLOSED, StreamState.CLOSED)
    assert not a.streams
    assert not b.streams


@pytest.mark.req("YMX-10", "YMX-13")
def test_fin_waits_for_the_window_like_the_bytes_before_it() -> None:
    a, b, stream, other = pair()
    stream.write(bytes(INITIAL_WINDOW))
    stream.close_write()
    exchange(a, b)
    assert (stream.unsent_size, stream.fin_sent, other.eof) == (5, False, False)
    other.take()
    exchange(a, b)
    assert (stream.unsent_size, stream.fin_sent, other.eof) == (0, True, True)


# -- reset


@pytest.mark.req("YMX-14", "GEN-09")
def test_a_reset_ends_both_directions_and_carries_its_code() -> None:
    a, b, stream, other = pair()
    stream.write(b"lost")
    other.write(b"lost as well")
    exchange(a, b)
    stream.write(b"never sent")
    stream.reset(0x1004)
    assert sent(a) == [Frame(WINDOW_UPDATE, RST, 1, 0x1004)]
    b.receive_data(update(1, 0x1004, RST), 0.0)
    for end, remote in ((stream, False), (other, True)):
        assert end.state is StreamState.RESET
        assert isinstance(end.failure, StreamReset)
        assert (end.failure.code, end.failure.remote) == (0x1004, remote)
        assert (end.unread, end.unsent_size, take(end), end.eof) == (0, 0, b"", False)
        with pytest.raises(StreamReset):
            end.write(b"x")
    assert stream in woken(a)
    assert other in woken(b)
    check(a, [stream])
    check(b, [other])


@pytest.mark.req("YMX-24")
def test_a_second_reset_and_one_after_the_end_say_nothing() -> None:
    a, b, stream, other = pair()
    stream.reset(1)
    stream.reset(2)
    assert len(sent(a)) == 1
    stream.close_write()
    stream.close_read()
    assert sent(a) == []

    a, b, stream, other = pair()
    stream.close_write()
    other.close_write()
    exchange(a, b)
    stream.reset()
    assert stream.failure is None
    assert sent(a) == []


def test_a_reset_before_the_first_frame_gives_the_place_back() -> None:
    session = client()
    stream = session.open()
    stream.write(b"x")
    stream.reset(7)
    assert sent(session) == [Frame(WINDOW_UPDATE, RST, 1, 7)]
    check(session, [stream])


# -- reading


@pytest.mark.req("YMX-27", "YMX-15")
def test_closing_the_read_side_drops_what_is_there_and_what_comes() -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"unread"))
    stream.close_read()
    stream.close_read()
    assert (session.unread, stream.unread, stream.received) == (0, 0, [])
    assert sent(session) == [], "the peer is not told"
    for _ in range(4):
        session.receive_data(data(1, bytes(60_000)), 0.0)
    assert (session.unread, take(stream)) == (0, b"")
    assert sent(session) == [], "no credit for what nobody reads: the sender stalls"
    stream.write(b"still writing")
    assert sent(session)[0].body == b"still writing"


def test_the_names_of_streams_tell_them_apart() -> None:
    stream = client().open()
    assert repr(stream) == "<Stream 1 None open>"
    assert stream.outbound
    other = inbound(server())
    assert not other.outbound
    other.close_read()
    assert other.state is StreamState.READ_CLOSED
    other.protocol = "/x"
    assert repr(other) == "<Stream 1 /x read-closed>"


def test_discard_gives_the_reader_nothing() -> None:
    assert discard(client().open(), b"late") == b""


@given(st.lists(st.binary(max_size=60), max_size=30), st.lists(st.integers(0, 100), max_size=60))
def test_bytes_are_taken_in_any_sizes_and_in_order(pieces: list[bytes], sizes: list[int]) -> None:
    session = server()
    stream = inbound(session)
    for piece in pieces:
        session.receive_data(data(1, piece), 0.0)
    expected = b"".join(pieces)
    for size in [*sizes, 1 << 20]:
        taken = stream.take_bytes(size)
        assert taken == expected[:size]
        expected = expected[size:]
        check(session, [stream])
    assert stream.unread == 0


def test_whole_pieces_are_taken_as_bytes_whatever_they_are() -> None:
    session = server()
    stream = inbound(session)
    session.receive_data(data(1, bytes(range(256)) * 16), 0.0)
    assert [type(piece) for piece in stream.received] == [memoryview]
    assert type(stream.take_bytes(9_999)) is bytes
    session.receive_data(data(1, b"small"), 0.0)
    assert [type(piece) for piece in stream.received] == [bytes]
    assert stream.take_bytes(5) == b"small"


def test_a_negative_size_takes_nothing() -> None:
    session = server()
    stream = inbound(session, 1, data(1, b"abc") + data(1, b"def"))
    for _ in range(2):
        with pytest.raises(LocalError):
            stream.take_bytes(-1)
        check(session, [stream])
        stream.take()


# -- what hostile pieces cost


@pytest.mark.req("GEN-04", "YMX-11")
def test_a_byte_a_frame_costs_an_object_for_many_bytes() -> None:
    session = server()
    stream = inbound(session)
    count = 50_000
    session.receive_data(data(1, b"x") * count, 0.0)
    assert stream.unread == count
    assert len(stream.received) < 64 + count / 16_384 + 1
    assert take(stream) == b"x" * count


@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.integers(0, 3_000)), max_size=60), st.randoms(use_true_random=False)
)
def test_merged_pieces_keep_their_order(steps: list[tuple[int, int]], rng: random.Random) -> None:
    session = server()
    stream = inbound(session)
    expected = b""
    for _ in range(70):
        session.receive_data(data(1, b"."), 0.0)
        expected += b"."
    for size, taken in steps:
        body = rng.randbytes(size)
        session.receive_data(data(1, body), 0.0)
        expected += body
        assert stream.take_bytes(taken) == expected[:taken]
        expected = expected[taken:]
        assert len(stream.received) <= 130 + stream.unread // 512
    assert take(stream) == expected


@pytest.mark.req("GEN-04")
@pytest.mark.parametrize("body", [1, 100, 1_023, 1_024, 5_000, 16_000, 17_000, 60_000])
@pytest.mark.parametrize("cut", [0, 3, 700, 40_000])
def test_no_view_pins_a_buffer_many_times_its_size(body: int, cut: int) -> None:
    session = server()
    stream = inbound(session)
    others = data(99, bytes(64_000 - body)) if body < 60_000 else b""
    feed(session, data(1, bytes(body)) + others, [cut] if cut else [])
    assert stream.unread == body
    for piece in stream.received:
        if isinstance(piece, memoryview):
            assert isinstance(piece.obj, bytes)
            assert len(piece.obj) <= 4 * len(piece)


def test_writes_fail_with_what_ended_the_session() -> None:
    session = client()
    stream = session.open()
    session.receive_eof(1.0)
    with pytest.raises(ConnectionClosed):
        stream.write(b"x")
    stream.reset()
    assert isinstance(stream.failure, ConnectionClosed)
