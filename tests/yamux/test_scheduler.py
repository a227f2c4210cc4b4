from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import DATA, FIN, HEADER_SIZE, PING, RST, SYN, WINDOW_UPDATE
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from tests.yamux.driving import MESSAGE, Frame, check, client, inbound, parse, ping, sent, server, update

QUANTUM = 16_384


def message(session: Session, room: int = MESSAGE) -> list[Frame]:
    """The frames of the next message; its size is what was said, and fits."""
    parts, size = session.gather(room)
    raw = b"".join(parts)
    assert len(raw) == size <= room
    return parse(raw)


def bulk(session: Session, count: int, size: int = 10 * INITIAL_WINDOW) -> list[Stream]:
    """Streams that all have much to send, and have had their first turn."""
    streams = [session.open() for _ in range(count)]
    for stream in streams:
        stream.send_window = 1 << 30
        stream.write(bytes(size))
    while session.fresh:
        message(session)
    return streams


def test_nothing_is_pending_in_a_new_session() -> None:
    session = client()
    assert not session.pending
    assert session.gather(MESSAGE) == ([], 0)


@pytest.mark.req("YMX-10")
def test_one_stream_fills_a_message_with_one_frame() -> None:
    session = client()
    stream = session.open()
    stream.write(bytes(200_000))
    frames = message(session)
    assert [(frame.flags, frame.length) for frame in frames] == [(SYN, MESSAGE - HEADER_SIZE)]
    assert [frame.length for frame in message(session)] == [MESSAGE - HEADER_SIZE]


@pytest.mark.req("YMX-10")
@pytest.mark.parametrize("max_frame", [1, 1000, 65_507])
def test_no_frame_is_longer_than_the_limit(max_frame: int) -> None:
    session = client(max_frame=max_frame)
    stream = session.open()
    size = min(70_000, 300 * max_frame)
    stream.write(bytes(size))
    frames = sent(session)
    assert max(frame.length for frame in frames) == max_frame
    assert sum(frame.length for frame in frames) == size


@pytest.mark.parametrize("max_frame", [99, 100, 101, 200, 250])
def test_writes_are_cut_where_the_frame_ends(max_frame: int) -> None:
    session = client(max_frame=max_frame)
    stream = session.open()
    for number in range(5):
        stream.write(bytes([number]) * 100)
    frames = sent(session)
    assert [frame.length for frame in frames[:-1]] == [max_frame] * (len(frames) - 1)
    assert b"".join(frame.body for frame in frames) == b"".join(bytes([number]) * 100 for number in range(5))


@pytest.mark.req("YMX-10")
def test_no_more_is_sent_than_the_window_allows() -> None:
    session = client()
    stream = session.open()
    stream.write(bytes(INITIAL_WINDOW + 1))
    assert sum(frame.length for frame in sent(session)) == INITIAL_WINDOW
    assert (stream.send_window, stream.unsent_size, session.pending) == (0, 1, False)
    stream.write(b"more")
    assert sent(session) == []
    session.receive_data(update(1, 3), 0.0)
    assert [frame.length for frame in sent(session)] == [3]
    session.receive_data(update(1, 100), 0.0)
    session.receive_data(update(1, 100), 0.0)
    check(session, [stream])
    assert [frame.length for frame in sent(session)] == [2]


def test_a_writer_is_woken_at_the_drain_mark() -> None:
    session = client(drain_mark=1_000)
    stream = session.open()
    stream.write(bytes(70_000))
    stream.hungry = True
    message(session)
    assert session.writable == []
    stream.write(b"")
    message(session)
    assert session.writable == [stream]
    assert not stream.hungry


# -- fairness


@pytest.mark.req("YMX-10", "YMX-17")
def test_a_ping_leaves_with_the_next_message_though_100_bulk_streams_wait() -> None:
    session = client()
    bulk(session, 100)
    session.receive_data(ping(7), 0.0)
    assert message(session)[0] == Frame(PING, 2, 0, 7)


@pytest.mark.req("YMX-10")
def test_a_small_write_leaves_with_the_next_message_though_100_bulk_streams_wait() -> None:
    session = client()
    bulk(session, 100)
    small = session.open()
    small.write(b"tiny")
    small.close_write()
    frames = message(session)
    assert frames[0] == Frame(DATA, SYN, small.id, 4, b"tiny")
    assert frames[1] == Frame(WINDOW_UPDATE, FIN, small.id, 0)
    assert sum(frame.length for frame in frames) > 60_000, "bulk goes on beside it"


@pytest.mark.req("YMX-10")
def test_a_bulk_stream_goes_on_under_a_flood_of_small_writers() -> None:
    session = client(max_unacknowledged=300)
    [big] = bulk(session, 1)
    small = [session.open() for _ in range(200)]
    share = []
    for _ in range(20):
        for stream in small:
            stream.write(bytes(1_000))
        frames = message(session)
        share.append(sum(frame.length for frame in frames if frame.stream == big.id))
    assert min(share) >= QUANTUM, "a quantum each message"


@pytest.mark.req("YMX-10")
def test_bulk_streams_get_the_same() -> None:
    session = client()
    streams = bulk(session, 7)
    sizes = dict.fromkeys((stream.id for stream in streams), 0)
    for _ in range(70):
        for frame in message(session):
            sizes[frame.stream] += frame.length
    assert max(sizes.values()) - min(sizes.values()) <= QUANTUM


def test_a_weight_is_a_share() -> None:
    session = client()
    heavy, light = bulk(session, 2)
    heavy.weight = 3
    sizes = dict.fromkeys((heavy.id, light.id), 0)
    for _ in range(40):
        for frame in message(session):
            sizes[frame.stream] += frame.length
    assert 2.7 < sizes[heavy.id] / sizes[light.id] < 3.3


def test_a_message_that_is_full_leaves_the_rest_for_the_next() -> None:
    session = client()
    streams = [session.open() for _ in range(10)]
    for stream in streams:
        stream.write(bytes(QUANTUM - HEADER_SIZE))
    first = message(session, 2 * QUANTUM + 70)
    assert [frame.stream for frame in first] == [1, 3], "no frame is begun in what is left: 70 bytes"
    assert [frame.stream for frame in message(session, 2 * QUANTUM + 90)] == [5, 7, 9]
    assert sum(frame.length for frame in sent(session)) == 6 * (QUANTUM - HEADER_SIZE) - 78


def test_a_fin_that_finds_no_room_follows() -> None:
    session = client()
    stream = session.open()
    stream.write(bytes(1_000))
    stream.close_write()
    assert [frame.length for frame in message(session, 1_000 + HEADER_SIZE)] == [1_000]
    assert not stream.fin_sent
    assert message(session) == [Frame(WINDOW_UPDATE, FIN, 1, 0)]
    assert stream.fin_sent


def test_control_frames_go_first_and_leave_room() -> None:
    session = client()
    stream = session.open()
    stream.write(bytes(100_000))
    for code in range(5_000):
        session.control.append(update(99, code, RST))
    frames = message(session)
    control = [frame for frame in frames if frame.kind == WINDOW_UPDATE]
    assert 0 < len(control) <= 2_048
    assert frames[: len(control)] == control
    assert frames[-1].kind == DATA
    rest = sent(session)
    assert [frame.length for frame in [*control, *rest] if frame.flags & RST] == list(range(5_000))


def test_control_frames_fill_no_more_than_the_room() -> None:
    session = client()
    session.control += [update(99, code, RST) for code in range(10)]
    assert len(message(session, 3 * HEADER_SIZE + 11)) == 3
    assert len(message(session, 7 * HEADER_SIZE)) == 7


def test_a_stream_that_died_in_the_queue_sends_nothing() -> None:
    session = client()
    streams = bulk(session, 3)
    streams[1].reset()
    fresh = session.open()
    fresh.write(b"x")
    fresh.close_write()
    fresh.reset()
    frames = sent(session)
    assert {frame.stream for frame in frames if frame.kind == DATA} == {streams[0].id, streams[2].id}
    assert not streams[1].queued


@pytest.mark.req("YMX-21", "GEN-04")
def test_dead_streams_do_not_pile_up_while_the_peer_reads_nothing() -> None:
    session = server()
    for number in range(3_000):
        stream = inbound(session, 2 * number + 1)
        stream.write(b"an answer that waits")
        session.receive_data(update(stream.id, 0, RST), 0.0)
        session.readable.clear()
        assert len(session.fresh) + len(session.turns) <= 300
    assert session.control == []
    assert session.streams == {}


@pytest.mark.req("YMX-21", "GEN-04")
def test_nor_do_those_that_were_blocked_and_may_go_on() -> None:
    session = server(max_inbound_streams=1_000)
    streams = [inbound(session, 2 * number + 1) for number in range(1_000)]
    for stream in streams:
        stream.send_window = 0
        stream.write(b"an answer that waits")
    assert sent(session) == []
    for stream in streams:
        session.receive_data(update(stream.id, 1) + update(stream.id, 0, RST), 0.0)
        assert len(session.turns) <= len(session.streams) + 257
    assert len(session.turns) <= 257


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(1, 40_000), st.booleans()), max_size=40),
    st.integers(100, MESSAGE),
)
def test_every_byte_leaves_once_and_in_order(writes: list[tuple[int, int, bool]], room: int) -> None:
    session = client(quantum=1_000)
    streams = [session.open() for _ in range(8)]
    expected = {stream.id: b"" for stream in streams}
    received = dict(expected)
    for number, (which, size, flush) in enumerate(writes):
        body = bytes([number]) * min(size, INITIAL_WINDOW - len(expected[streams[which].id]))
        streams[which].write(body)
        expected[streams[which].id] += body
        if flush:
            for frame in message(session, room):
                received[frame.stream] += frame.body
    while session.pending:
        for frame in message(session, room):
            received[frame.stream] += frame.body
    assert received == expected
    assert not any(stream.queued for stream in streams)


def test_pongs_may_be_queued_again_after_a_flush() -> None:
    session = server(max_pongs=2)
    for _ in range(2):
        session.receive_data(b"".join(ping(value) for value in range(5)), 0.0)
        assert [frame.length for frame in sent(session)] == [0, 1]
