from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.machine import Connection, Endpoint
from p2pstack.connection.protocols import opening
from p2pstack.errors import (
    ConnectionClosed,
    LimitExceeded,
    LocalError,
    NoiseError,
    StreamReset,
    YamuxError,
)
from p2pstack.noise import VerifyCache
from p2pstack.testing.pair import Pair, make_endpoint
from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, TYPE_NAMES, WINDOW_UPDATE, pack_header
from p2pstack.yamux.stream import Stream
from p2pstack.yamux.window import Budget
from tests.connection.driving import (
    ECHO,
    OTHER,
    BarePeer,
    byte_by_byte,
    connection,
    cuts,
    cutter,
    fails,
    peer_of,
    said,
    session_of,
    take,
    upgraded,
)
from tests.vectors import load_trace
from tests.yamux.driving import Frame, check, data, ping, update, woken

# -- bytes in and out


def test_the_rest_of_an_incomplete_message_stands_in_front_of_the_next() -> None:
    server = connection(initiator=False)
    peer = peer_of(server)
    message = peer.transport.seal(data(1, opening(ECHO) + b"hello", SYN))
    buffer = bytearray(b"xx" + message[:-1])
    view = memoryview(buffer)
    assert server.receive_buffer(view, 2, len(buffer), 1.0) == 2, "nothing was taken"
    buffer = bytearray(message + b"\x00")
    view = memoryview(buffer)
    assert server.receive_buffer(view, 0, len(buffer), 2.0) == len(message)
    buffer[:] = bytes(len(buffer))
    assert [take(stream) for stream in session_of(server).opened] == [b"hello"], "nothing refers to the buffer"
    assert session_of(server).now == 2.0


def test_what_is_sent_passes_the_limit_by_one_message_at_most() -> None:
    pair = Pair(server_protocols=[ECHO])
    upgraded(pair)
    stream = pair.client.open_stream([ECHO], 0.0)
    stream.write(bytes(200_000))
    first = pair.client.data_to_send(65_519) + pair.client.data_to_send(65_520)
    assert [len(message) for message in first] == [65_537, 65_537, 65_537]
    rest = pair.client.data_to_send()
    assert sum(map(len, rest)) > 3_000
    assert pair.client.data_to_send() == []


def test_a_stream_that_was_reset_before_the_flush_sends_nothing() -> None:
    server = connection(initiator=False)
    peer = peer_of(server)
    for raw in (data(1, opening(ECHO), SYN), update(1, 0, RST)):
        server.receive_data(peer.transport.seal(raw), 0.0)
    assert session_of(server).pending
    assert server.data_to_send() == []
    assert not session_of(server).pending


@pytest.mark.req("NOISE-13", "NOISE-23")
@given(st.lists(st.integers(0, 200_000), max_size=6), cuts)
def test_any_amount_comes_through_in_any_cut(sizes: list[int], segments: list[int]) -> None:
    pair = Pair(server_protocols=[ECHO], cut=cutter(segments))
    upgraded(pair)
    stream = pair.client.open_stream([ECHO], 0.0)
    received = b""
    expected = b""
    inbound: list[Stream] = []
    for number, size in enumerate([*sizes, 0]):
        piece = bytes([number + 1]) * size
        stream.write(piece)
        expected += piece
        pair.run()
        inbound += pair.take_opened(pair.server)
        received += take(inbound[0])
    stream.close_write()
    while not inbound[0].eof:
        pair.run()
        received += take(inbound[0])
    assert received == expected
    assert pair.failures == []


@pytest.mark.req("NOISE-23")
def test_a_frame_may_be_cut_over_messages_and_a_message_hold_many_frames() -> None:
    server = connection(initiator=False)
    peer = peer_of(server)
    raw = data(1, opening(ECHO) + bytes(300), SYN) + data(3, opening(ECHO) + bytes(5), SYN) + ping(9)
    peer.send(*byte_by_byte(raw))
    assert [len(take(stream)) for stream in session_of(server).opened] == [300, 5]


@pytest.mark.req("NOISE-14")
def test_an_empty_message_says_nothing() -> None:
    server = connection(initiator=False)
    peer = peer_of(server)
    peer.send(b"", ping(3), b"")
    assert [frame.length for frame in peer.frames()] == [3]


# -- streams


def test_no_stream_is_opened_too_early_too_late_or_for_nothing() -> None:
    client = connection(initiator=True)
    with pytest.raises(LocalError, match="not open"):
        client.open_stream([ECHO], 0.0)
    peer_of(client)
    with pytest.raises(LocalError, match="no protocol"):
        client.open_stream([], 0.0)
    client.close()
    with pytest.raises(ConnectionClosed) as caught:
        client.open_stream([ECHO], 0.0)
    assert caught.value.reason is client.failure


@pytest.mark.req("YMX-20")
def test_no_more_streams_are_opened_than_the_peer_may_hold() -> None:
    client = connection(initiator=True, yamux=YamuxConfig(max_unacknowledged=2))
    peer_of(client)
    for _ in range(2):
        client.open_stream([ECHO], 0.0)
    with pytest.raises(LimitExceeded):
        client.open_stream([ECHO], 0.0)
    assert len(client.pending) == 2


def test_streams_are_of_the_class_and_find_the_owner() -> None:
    class Own(Stream):
        __slots__ = ()

    owner = object()
    client = Connection(make_endpoint(1), initiator=True, stream_class=Own, owner=owner)
    peer_of(client)
    stream = client.open_stream([ECHO], 0.0)
    assert type(stream) is Own
    assert stream.session.owner is owner


@pytest.mark.req("YMX-12", "YMX-20", "GEN-04")
def test_budgets_of_the_host_hold_for_all_its_connections() -> None:
    base = make_endpoint(2, [ECHO])
    endpoint = Endpoint(
        identity=base.identity,
        protocols=base.protocols,
        config=base.config,
        entropy=base.entropy,
        verified=VerifyCache(),
        budget=Budget(INITIAL_WINDOW),
        inbound_streams=Budget(3),
    )
    pairs = [Pair(client=make_endpoint(seed), server=endpoint, latency=0.1) for seed in (1, 3)]
    for pair in pairs:
        upgraded(pair)
        for _ in range(2):
            pair.client.open_stream([ECHO], pair.now).write(bytes(200_000))
        pair.run()
    opened = [stream for pair in pairs for stream in pair.take_opened(pair.server)]
    assert len(opened) == 3, "the fourth was refused"
    for stream in opened:
        take(stream)
    for pair in pairs:
        pair.run()
    assert [stream.window for stream in opened] == [2 * INITIAL_WINDOW, INITIAL_WINDOW, INITIAL_WINDOW]
    assert endpoint.verified is not None
    assert len(endpoint.verified) == 2
    for pair in pairs:
        pair.server.close()
    assert endpoint.budget is not None
    assert endpoint.inbound_streams is not None
    assert (endpoint.budget.granted, endpoint.inbound_streams.granted) == (0, 0)


# -- the end


@pytest.mark.req("YMX-19")
@pytest.mark.parametrize("code", [0, 2])
def test_a_close_says_go_away_and_ends_both_sides(code: int) -> None:
    pair = Pair(server_protocols=[ECHO])
    upgraded(pair)
    stream = pair.client.open_stream([ECHO], 0.0)
    pair.run()
    [inbound] = pair.take_opened(pair.server)
    pair.client.close(code)
    pair.client.close(code)
    assert isinstance(stream.failure, ConnectionClosed)
    pair.run()
    assert session_of(pair.server).remote_go_away == code
    assert isinstance(inbound.failure, ConnectionClosed)
    if code:
        [(side, error)] = pair.failures
        assert side is pair.server
        assert isinstance(error, YamuxError)
        assert error.code == code
    else:
        assert pair.failures == []
        assert str(pair.server.failure) == "the peer closed the session"
    assert said(pair.server) == b"", "a GoAway is not answered"
    for each in (pair.client, pair.server):
        assert each.next_timeout() is None


def test_a_close_during_the_upgrade_says_no_more_than_was_queued() -> None:
    server = connection(initiator=False)
    said(server)
    server.close()
    assert said(server) == b""
    assert isinstance(server.failure, ConnectionClosed)
    server.receive_eof(1.0)
    server.receive_data(opening("/noise"), 1.0)
    assert said(server) == b""


def test_the_first_reason_of_an_end_stays() -> None:
    client = connection(initiator=True)
    peer_of(client)
    first = ConnectionClosed("refused by the owner")
    client.fail(first)
    client.fail(ConnectionClosed("another"))
    client.close()
    client.receive_eof(1.0)
    assert client.failure is first
    assert said(client) == b""


@pytest.mark.req("YMX-26")
def test_the_end_of_tcp_ends_the_streams() -> None:
    pair = Pair(server_protocols=[ECHO])
    upgraded(pair)
    stream = pair.client.open_stream([ECHO], 0.0)
    stream.write(b"a part")
    pair.run()
    [inbound] = pair.take_opened(pair.server)
    pair.server.receive_eof(1.0)
    assert (take(inbound), inbound.eof) == (b"a part", False)
    assert isinstance(inbound.failure, ConnectionClosed)
    assert str(pair.server.failure) == "the peer closed the connection"


@pytest.mark.req("YMX-01", "YMX-03", "YMX-07", "YMX-08", "YMX-16", "GEN-01")
@pytest.mark.parametrize(
    ("bad", "requirement"),
    [
        (pack_header(1, DATA, 0, 0, 0), "YMX-01"),
        (pack_header(0, 9, 0, 0, 0), "YMX-01"),
        (update(2, 0, SYN), "YMX-03"),
        (pack_header(0, DATA, 0, 1, INITIAL_WINDOW + 1), "YMX-07"),
        (pack_header(0, DATA, SYN, 3, INITIAL_WINDOW + 1), "YMX-08"),
        (update(1, 2**32 - 1), "YMX-09"),
        (pack_header(0, DATA, 0, 7, 2**32 - 1), "YMX-16"),
    ],
)
def test_a_broken_rule_of_yamux_ends_the_connection_with_a_go_away(bad: bytes, requirement: str) -> None:
    server = connection(initiator=False)
    peer = peer_of(server)
    peer.send(data(1, opening(ECHO), SYN))
    [stream] = session_of(server).opened
    peer.frames()
    error = fails(lambda: peer.send(bad, ping(1)))
    assert (error.requirement, server.failure) == (requirement, error)
    assert peer.frames() == [Frame(GO_AWAY, 0, 0, 1)]
    assert isinstance(stream.failure, ConnectionClosed)
    assert stream.failure.reason is error
    peer.send(ping(2))
    assert peer.frames() == []


@pytest.mark.req("NOISE-09", "GEN-01")
def test_a_message_that_does_not_authenticate_ends_the_connection_without_a_word() -> None:
    server = connection(initiator=False)
    peer = peer_of(server)
    bad = bytearray(peer.transport.seal(data(1, opening(ECHO) + b"forged", SYN)))
    bad[-1] ^= 1
    good = peer.transport.seal(ping(1))
    assert isinstance(fails(lambda: peer.send_raw(bytes(bad) + good)), NoiseError)
    assert (session_of(server).opened, peer.take_raw()) == ([], b"")


@pytest.mark.req("GEN-01", "YMX-15")
@given(
    st.lists(
        st.tuples(
            st.sampled_from([DATA, DATA, WINDOW_UPDATE, PING, GO_AWAY, 4]),
            st.integers(0, 31),
            st.integers(0, 6),
            st.integers(0, 60),
        ),
        max_size=12,
    ),
    st.binary(max_size=60),
    st.booleans(),
)
def test_any_frames_are_the_peers_fault_or_nothing(
    frames: list[tuple[int, int, int, int]], rest: bytes, initiator: bool
) -> None:
    side = connection(initiator=initiator)
    peer = peer_of(side)
    raw = b"".join(pack_header(0, *frame) + (bytes(frame[3]) if frame[0] == DATA else b"") for frame in frames)
    with contextlib.suppress(YamuxError):
        peer.send(raw + rest)
    session = session_of(side)
    assert session.terminated == (side.failure is not None)
    check(session, {*session.streams.values(), *session.readable, *session.opened})


# -- time


@pytest.mark.req("YMX-18", "YMX-17")
def test_the_first_ping_leaves_with_the_upgrade_and_measures_the_way() -> None:
    pair = Pair(latency=0.04)
    sessions = upgraded(pair)
    assert [session.round_trip for session in sessions] == [pytest.approx(0.08)] * 2


@pytest.mark.req("YMX-18")
def test_a_quiet_connection_stays_for_ever_while_both_answer() -> None:
    pair = Pair(latency=0.1)
    upgraded(pair)
    pair.advance(3_600.0)
    assert pair.failures == []
    assert pair.client.failure is None
    assert pair.client.next_timeout() is not None


@pytest.mark.req("YMX-18")
def test_a_peer_that_is_gone_is_noticed() -> None:
    client = connection(initiator=True)
    peer_of(client)
    stream = client.open_stream([ECHO], 0.0)
    assert client.next_timeout() == 10.0
    error = fails(lambda: client.handle_timeout(10.0))
    assert isinstance(error, YamuxError)
    assert (error.requirement, client.failure) == ("YMX-18", error)
    assert stream.failure is not None
    client.handle_timeout(11.0)


@pytest.mark.req("GEN-03")
def test_the_earlier_of_two_deadlines_is_named() -> None:
    client = connection(initiator=True, negotiation_timeout=3.0, yamux=YamuxConfig(ping_timeout=5.0))
    peer = peer_of(client)
    assert client.next_timeout() == 5.0
    stream = client.open_stream([ECHO], 1.0)
    assert client.next_timeout() == 4.0
    peer.now = 2.0
    peer.send(ping(1, ACK), data(1, opening(ECHO)))
    assert client.next_timeout() == 30.0
    stream.close_write()
    stream.close_read()
    assert client.next_timeout() == 12.0


@pytest.mark.req("YMX-27")
def test_a_closed_stream_whose_peer_does_not_end_is_reset_in_time() -> None:
    client = connection(initiator=True)
    peer = peer_of(client)
    stream = client.open_stream([ECHO], 0.0)
    stream.close_write()
    peer.frames()
    stream.close_read()
    peer.send(data(1, opening(ECHO), ACK), ping(1, ACK))
    client.handle_timeout(10.0)
    assert isinstance(stream.failure, StreamReset)
    assert peer.frames() == [Frame(WINDOW_UPDATE, RST, 1, 0)]


# -- a pair that tears, delays and mixes everything


@given(
    st.lists(st.tuples(st.sampled_from([ECHO, OTHER]), st.binary(max_size=300), st.booleans()), max_size=8),
    cuts,
    st.sampled_from([0.0, 0.05]),
)
def test_many_streams_echo_over_any_wire(
    requests: list[tuple[str, bytes, bool]], sizes: list[int], latency: float
) -> None:
    pair = Pair(server_protocols=[ECHO, OTHER], client_protocols=[OTHER], latency=latency, cut=cutter(sizes))
    upgraded(pair)
    asked = []
    for protocol, body, early_fin in requests:
        stream = pair.client.open_stream([protocol], pair.now)
        stream.write(body)
        if early_fin:
            stream.close_write()
        asked.append((stream, protocol, body))
    pair.run()
    for inbound in pair.take_opened(pair.server):
        inbound.write(take(inbound) + (inbound.protocol or "").encode())
        inbound.close_write()
    pair.run()
    for stream, protocol, body in asked:
        assert (take(stream), stream.eof) == (body + protocol.encode(), True)
        stream.close_write()
    pair.run()
    for session in (session_of(pair.client), session_of(pair.server)):
        assert (session.streams, session.unread, session.unacknowledged) == ({}, 0, 0)
    assert pair.failures == []
    assert not pair.client.pending
    assert not pair.server.pending


# -- what go really sent


KINDS = {name: kind for kind, name in enumerate(TYPE_NAMES)}
FLAGS = {"SYN": SYN, "ACK": ACK, "FIN": FIN, "RST": RST}


def recorded(trace: str) -> list[list[tuple[str, Frame]]]:
    """The frames of each connection in a trace of go, with their direction; bodies are filled up with zeros."""
    connections: list[list[tuple[str, Frame]]] = []
    for event in load_trace(trace):
        if event["event"] == "secured":
            connections.append([])
        elif event["event"] == "frame":
            flags = sum(FLAGS[name] for name in event["flags"].split("|") if name)
            kind, length = KINDS[event["type"]], event["length"]
            body = bytes.fromhex(event.get("head_hex", "")).ljust(length, b"\x00") if kind == DATA else b""
            connections[-1].append((event["dir"], Frame(kind, flags, event["stream"], length, body)))
    return connections


def proposals(frames: Iterable[Frame]) -> dict[int, str]:
    """The protocol that is proposed on each stream that these frames open."""
    found: dict[int, str] = {}
    opened = set()
    for frame in frames:
        if frame.flags & SYN and frame.kind != PING:
            opened.add(frame.stream)
        elif frame.kind == DATA and frame.stream in opened and frame.stream not in found:
            found[frame.stream] = frame.body[21 : 20 + frame.body[20]].decode()
    return found


REPLAYS = [
    pytest.param(frames, direction, id=f"{trace} {number} {direction}")
    for trace in ("echo", "gossip", "listener")
    for number, frames in enumerate(recorded(trace))
    for direction in ("in", "out")
]


@pytest.mark.req("YMX-02", "YMX-04", "YMX-13", "YMX-17", "MSS-03", "MSS-12", "GEN-09")
@pytest.mark.parametrize(("frames", "direction"), REPLAYS)
def test_a_recorded_conversation_of_go_is_understood(frames: list[tuple[str, Any]], direction: str) -> None:
    """One side's frames are played to a connection that takes the other's part, opening the streams it opened."""
    theirs = [frame for way, frame in frames if way == direction]
    ours = [frame for way, frame in frames if way != direction]
    their_proposals, our_proposals = proposals(theirs), proposals(ours)
    client = any(stream_id % 2 for stream_id in our_proposals)
    side = Connection(make_endpoint(1, tuple(their_proposals.values())), initiator=client)
    peer = BarePeer(side).secure()
    session = session_of(side)
    own = {}
    for way, frame in frames:
        if way != direction:
            if frame.kind == DATA and frame.stream in our_proposals and frame.stream not in own:
                stream = side.open_stream([our_proposals[frame.stream]], 0.0)
                assert stream.id == frame.stream
                own[frame.stream] = stream
        elif frame.kind != PING or frame.flags & SYN:
            peer.send(frame.pack())
    streams = {**own, **{stream.id: stream for stream in session.opened}}
    assert {stream.id: stream.protocol for stream in streams.values()} == our_proposals | their_proposals
    for stream_id, stream in streams.items():
        sent_by_go = b"".join(frame.body for frame in theirs if frame.stream == stream_id)
        assert take(stream) == sent_by_go[len(opening(stream.protocol or "")) :]
        assert stream.eof == any(frame.flags & FIN for frame in theirs if frame.stream == stream_id)
    pings = [frame.length for frame in theirs if frame.kind == PING and frame.flags & SYN]
    answers = peer.frames()
    assert [frame.length for frame in answers if frame.kind == PING and frame.flags & ACK] == pings
    assert side.failure is None
    check(session, streams.values())


def test_the_configuration_of_an_endpoint_holds_for_its_connections() -> None:
    config = ConnectionConfig(yamux=YamuxConfig(max_inbound_streams=1))
    server = Connection(make_endpoint(1, [ECHO], config=config), initiator=False)
    peer = peer_of(server)
    peer.send(data(1, opening(ECHO), SYN), data(3, opening(ECHO), SYN))
    assert [stream.id for stream in woken(session_of(server))] == []
    assert [frame.stream for frame in peer.frames() if frame.flags & RST] == [3]
