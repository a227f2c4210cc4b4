from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.connection.machine import Connection
from p2pstack.connection.protocols import opening
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LimitExceeded,
    LocalError,
    NegotiationError,
    ProtocolNotSupported,
    StreamClosed,
    StreamReset,
)
from p2pstack.multistream.config import MultistreamConfig
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from p2pstack.testing.pair import Pair, make_endpoint
from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.frames import ACK, DATA, FIN, RST, SYN, WINDOW_UPDATE
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream, StreamState
from tests.connection.driving import (
    ECHO,
    OTHER,
    BarePeer,
    connection,
    cuts,
    cutter,
    peer_of,
    session_of,
    take,
    upgraded,
)
from tests.vectors import load
from tests.yamux.driving import Frame, check, data, update, woken

UNKNOWN = "/unknown/1.0.0"


def asked(protocol: str = ECHO, **limits: Any) -> tuple[Connection, BarePeer, Session]:
    """A responder with an open connection, and its peer."""
    server = connection(initiator=False, **limits)
    return server, peer_of(server), session_of(server)


def asking(*protocols: str, **limits: Any) -> tuple[Connection, BarePeer, Stream]:
    """An initiator that has proposed ``protocols`` on a stream; the proposal was read."""
    client = connection(initiator=True, **limits)
    peer = peer_of(client)
    stream = client.open_stream(protocols, 0.0)
    assert [frame.body for frame in peer.frames()] == [opening(protocols[0])]
    return client, peer, stream


def resets(peer: BarePeer) -> list[tuple[int, int]]:
    """Stream and code of the resets that the connection says; nothing else may come."""
    frames = peer.frames()
    assert all((frame.kind, frame.flags) == (WINDOW_UPDATE, RST) for frame in frames)
    return [(frame.stream, frame.length) for frame in frames]


# -- inbound


@pytest.mark.req("MSS-03", "MSS-06", "YMX-04")
def test_a_proposal_is_answered_by_its_echo_and_what_follows_is_the_readers() -> None:
    _, peer, session = asked()
    peer.send(data(1, opening(ECHO) + b"first bytes", SYN))
    [stream] = session.opened
    assert (stream.protocol, take(stream), stream.outbound) == (ECHO, b"first bytes", False)
    assert (stream.gate, stream.negotiation) == (None, None), "nothing of the negotiation is kept"
    assert peer.frames() == [Frame(DATA, ACK, 1, len(opening(ECHO)), opening(ECHO))]
    check(session, [stream])


@pytest.mark.req("MSS-06", "MSS-03")
@given(cuts, cuts)
def test_a_proposal_may_come_in_any_frames(sizes: list[int], segments: list[int]) -> None:
    _, peer, session = asked()
    raw = update(1, 0, SYN)
    for piece in cutter(sizes)(opening(ECHO) + b"first bytes"):
        raw += data(1, piece)
    for segment in cutter(segments)(raw):
        peer.send(segment)
    [stream] = session.opened
    assert (stream.protocol, take(stream)) == (ECHO, b"first bytes")
    assert b"".join(frame.body for frame in peer.frames()) == opening(ECHO)
    check(session, [stream])


@pytest.mark.req("MSS-06")
def test_every_byte_of_a_proposal_in_its_own_frame() -> None:
    server, peer, session = asked()
    peer.send(update(1, 0, SYN), *(data(1, bytes((value,))) for value in opening(ECHO) + b"x"))
    assert [take(stream) for stream in session.opened] == [b"x"]
    assert server.pending == {}


@pytest.mark.req("MSS-03", "MSS-04", "MSS-10", "MSS-11", "SIMOPEN-01")
@pytest.mark.parametrize(
    "first",
    [
        encode(UNKNOWN),
        encode("/x" * 100),
        HEADER,
        b"\x05\xff\xfe\xfd\xfc\n",
        b"\x0bno slash..\n",
        encode("/libp2p/simultaneous-connect"),
    ],
    ids=["unknown", "two length bytes", "second header", "not utf-8", "no slash", "simultaneous"],
)
def test_what_is_not_served_is_refused_and_the_next_proposal_taken(first: bytes) -> None:
    _, peer, session = asked()
    peer.send(data(1, HEADER + first, SYN))
    assert [frame.body for frame in peer.frames()] == [HEADER + NA]
    peer.send(data(1, encode(OTHER) + b"rest"))
    assert [frame.body for frame in peer.frames()] == [encode(OTHER)]
    [stream] = session.opened
    assert (stream.protocol, take(stream)) == (OTHER, b"rest")
    check(session, [stream])


@pytest.mark.req("MSS-07")
def test_ls_on_a_stream_lists_what_is_served() -> None:
    server, peer, session = asked()
    peer.send(data(1, HEADER + LS + encode(ECHO), SYN))
    listing = encode(ECHO) + encode(OTHER) + b"\n"
    assert [frame.body for frame in peer.frames()] == [HEADER + bytes((len(listing),)) + listing + encode(ECHO)]
    assert len(session.opened) == 1
    server._endpoint.protocols.remove(OTHER)
    peer.send(data(3, HEADER + LS, SYN))
    assert OTHER.encode() not in peer.frames()[0].body


@pytest.mark.req("MSS-14")
def test_what_is_served_may_change_while_the_connection_is_open() -> None:
    server, peer, session = asked()
    server._endpoint.protocols.add(UNKNOWN)
    server._endpoint.protocols.remove(ECHO)
    peer.send(data(1, opening(UNKNOWN), SYN), data(3, opening(ECHO), SYN))
    assert [stream.protocol for stream in session.opened] == [UNKNOWN]


@pytest.mark.req("MSS-12", "GEN-09")
@pytest.mark.parametrize("split", [False, True])
def test_a_fin_right_behind_the_proposal_still_gets_its_answer(*, split: bool) -> None:
    """As a go dialer does: header, proposal and request in one frame, then FIN, all before any answer."""
    _, peer, session = asked()
    if split:
        peer.send(update(1, 0, SYN), data(1, HEADER), data(1, encode(ECHO)), data(1, b"request"), update(1, 0, FIN))
    else:
        peer.send(data(1, opening(ECHO) + b"request", SYN | FIN))
    [stream] = session.opened
    assert (take(stream), stream.eof) == (b"request", True)
    stream.write(b"response")
    stream.close_write()
    frames = peer.frames()
    assert b"".join(frame.body for frame in frames) == opening(ECHO) + b"response"
    assert frames[-1].flags == FIN
    assert session.streams == {}


@pytest.mark.req("MSS-13", "GEN-01")
@pytest.mark.parametrize("said", [b"", HEADER, HEADER[:5], HEADER + encode(ECHO)[:4], HEADER + encode(UNKNOWN)])
def test_an_end_before_the_agreement_costs_the_stream(said: bytes) -> None:
    server, peer, session = asked()
    peer.send(update(1, 0, SYN), data(1, said), update(1, 0, FIN))
    assert (session.opened, session.streams, server.pending) == ([], {}, {})
    assert [frame for frame in peer.frames() if frame.flags & RST] == [Frame(WINDOW_UPDATE, RST, 1, 0x1001)]
    assert server.failure is None


@pytest.mark.req("MSS-01", "MSS-02", "MSS-05", "MSS-08", "GEN-01", "GEN-02")
@pytest.mark.parametrize(
    ("said", "requirement"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "MSS-02"),
        (b"\x00" * 40, "MSS-02"),
        (HEADER + b"\x00", "MSS-01"),
        (HEADER + b"\x04/no!", "MSS-01"),
        (HEADER + b"\x81\x08", "MSS-05"),
        (HEADER + b"\x83\x00", "GEN-06"),
        (HEADER + b"\xff\xff\xff", "GEN-06"),
        (HEADER + encode(UNKNOWN) * 128, "MSS-08"),
        (HEADER + LS * 128, "MSS-08"),
    ],
)
def test_a_bad_proposal_costs_the_stream_and_not_the_connection(said: bytes, requirement: str) -> None:
    server, peer, session = asked()
    peer.send(update(1, 0, SYN))
    [stream] = session.streams.values()
    peer.send(data(1, said))
    assert isinstance(stream.failure, NegotiationError)
    assert stream.failure.requirement == requirement
    assert resets(peer) == [(1, 0x1001)]
    assert server.pending == {}
    peer.send(data(3, opening(ECHO), SYN))
    assert [each.protocol for each in session.opened] == [ECHO]
    check(session, [stream, *session.opened])


@pytest.mark.req("GEN-01", "MSS-11", "MSS-13")
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([HEADER, NA, LS, encode(ECHO)])), max_size=12), cuts)
def test_any_bytes_on_a_stream_leave_the_connection_alone(pieces: list[bytes], sizes: list[int]) -> None:
    for initiator in (True, False):
        side = connection(initiator=initiator)
        peer = peer_of(side)
        session = session_of(side)
        if initiator:
            own = [side.open_stream([ECHO], 0.0), side.open_stream([UNKNOWN, ECHO, OTHER], 0.0)]
            heads = [data(stream.id, b"", ACK) for stream in own]
            ids = [stream.id for stream in own]
        else:
            heads, ids = [update(1, 0, SYN)], [1]
        peer.send(*heads)
        streams = list(session.streams.values())
        for piece in cutter(sizes)(b"".join(pieces)):
            peer.send(*(data(stream_id, piece) for stream_id in ids))
        assert side.failure is None
        for stream in streams:
            assert stream.failure is None or isinstance(stream.failure, NegotiationError)
        check(session, streams)


@pytest.mark.req("YMX-20", "GEN-04")
def test_streams_that_name_no_protocol_are_bounded() -> None:
    server, peer, session = asked(max_negotiating=3)
    peer.send(*(update(number, 0, SYN) for number in (1, 3, 5, 7)), data(9, opening(ECHO), SYN))
    assert resets(peer) == [(7, 0x1002), (9, 0x1002)]
    assert len(server.pending) == 3
    refused = [stream for stream in woken(session) if stream.failure is not None]
    assert [stream.id for stream in refused] == [7, 9]
    for stream in refused:
        assert isinstance(stream.failure, LimitExceeded)
        assert stream.failure.name == "max_negotiating"
    peer.send(data(1, opening(ECHO)), update(3, 0, RST))
    peer.send(data(11, opening(ECHO), SYN), update(13, 0, SYN), update(15, 0, SYN), update(17, 0, SYN))
    assert [stream.id for stream in session.opened] == [1, 11]
    assert [frame.stream for frame in peer.frames() if frame.flags & RST] == [17]
    check(session, [*refused, *session.streams.values()])


@pytest.mark.req("GEN-03")
def test_a_stream_that_names_no_protocol_is_reset_in_time() -> None:
    server, peer, session = asked(negotiation_timeout=5.0)
    peer.send(update(1, 0, SYN))
    peer.now = 2.0
    peer.send(update(3, 0, SYN), data(1, HEADER))
    streams = list(session.streams.values())
    peer.frames()
    assert server.next_timeout() == 5.0
    server.handle_timeout(5.0)
    assert resets(peer) == [(1, 0x1001)]
    assert isinstance(streams[0].failure, DeadlineExceeded)
    assert server.next_timeout() == 7.0
    server.handle_timeout(7.0)
    assert resets(peer) == [(3, 0x1001)]
    assert (server.pending, session.streams, server.failure) == ({}, {}, None)


@pytest.mark.req("YMX-11", "YMX-07")
def test_a_negotiation_is_credited_for_its_own_bytes_only() -> None:
    _, peer, session = asked()
    peer.send(update(1, 0, SYN))
    [stream] = session.streams.values()
    for _ in range(126):
        peer.send(
            data(1, HEADER + encode("/" + "x" * 1022)) if not stream.consumed else data(1, encode("/" + "x" * 1022))
        )
        check(session, [stream])
    peer.send(data(1, encode(ECHO) + bytes(60_000)))
    check(session, [stream])
    assert session.opened == [stream]
    assert stream.unread == 60_000
    assert stream.receive_window + 60_000 + stream.consumed == INITIAL_WINDOW


@pytest.mark.req("GEN-01")
def test_answers_that_nobody_reads_are_bounded() -> None:
    server, peer, session = asked(yamux=YamuxConfig(max_unsent=10, drain_mark=0))
    peer.send(update(1, 0, SYN))
    [stream] = session.streams.values()
    peer.connection.receive_data(peer.transport.seal(data(1, HEADER + LS * 3)), 0.0)
    assert isinstance(stream.failure, LimitExceeded)
    assert server.failure is None


def test_an_inbound_stream_that_was_closed_here_before_it_named_a_protocol_is_reset() -> None:
    server, peer, session = asked()
    peer.send(update(1, 0, SYN))
    [stream] = session.streams.values()
    stream.close_write()
    stream.close_read()
    peer.send(data(1, opening(ECHO) + b"too late"))
    assert isinstance(stream.failure, StreamClosed)
    assert peer.frames()[-1] == Frame(WINDOW_UPDATE, RST, 1, 0x1001)
    assert (server.pending, session.opened) == ({}, [])
    check(session, [stream])


# -- outbound


@pytest.mark.req("MSS-06")
def test_with_one_protocol_bytes_follow_at_once() -> None:
    client = connection(initiator=True)
    peer = peer_of(client)
    stream = client.open_stream([ECHO], 0.0)
    stream.write(b"first bytes")
    stream.close_write()
    assert peer.frames() == [
        Frame(DATA, SYN, 1, len(opening(ECHO)) + 11, opening(ECHO) + b"first bytes"),
        Frame(WINDOW_UPDATE, FIN, 1, 0),
    ]
    assert repr(stream) == "<Stream 1 None write-closed>", "no protocol was agreed on yet"
    peer.send(data(1, opening(ECHO) + b"answer", ACK))
    assert (stream.protocol, take(stream)) == (ECHO, b"answer")
    assert client.pending == {}


@pytest.mark.req("MSS-03", "MSS-06")
@given(cuts)
def test_an_answer_may_come_in_any_frames(sizes: list[int]) -> None:
    client, peer, stream = asking(ECHO)
    for piece in cutter(sizes)(opening(ECHO) + b"answer"):
        peer.send(data(1, piece))
    assert (stream.protocol, take(stream)) == (ECHO, b"answer")
    assert client.pending == {}
    check(session_of(client), [stream])


@pytest.mark.req("MSS-03")
def test_who_waits_is_woken_by_the_agreement() -> None:
    client, peer, stream = asking(ECHO)
    woken(session_of(client))
    peer.send(data(1, opening(ECHO)[:25]))
    assert woken(session_of(client)) == []
    peer.send(data(1, opening(ECHO)[25:]))
    assert woken(session_of(client)) == [stream]


@pytest.mark.req("MSS-04", "MSS-03")
@given(cuts)
def test_protocols_are_proposed_until_one_is_taken(sizes: list[int]) -> None:
    client, peer, stream = asking(UNKNOWN, ECHO, OTHER)
    answers = [(HEADER + NA, encode(ECHO)), (NA, encode(OTHER)), (encode(OTHER) + b"rest", b"")]
    for answer, proposal in answers:
        for piece in cutter(sizes)(answer):
            peer.send(data(1, piece))
        assert b"".join(frame.body for frame in peer.frames()) == proposal
    assert (stream.protocol, take(stream)) == (OTHER, b"rest")
    check(session_of(client), [stream])


@pytest.mark.req("MSS-03")
def test_the_first_of_several_may_be_taken() -> None:
    _, peer, stream = asking(ECHO, OTHER)
    peer.send(data(1, opening(ECHO)[:20]))
    peer.send(data(1, opening(ECHO)[20:] + b"rest"))
    assert (stream.protocol, take(stream)) == (ECHO, b"rest")


@pytest.mark.req("MSS-03", "GEN-01")
@pytest.mark.parametrize("protocols", [(ECHO,), (UNKNOWN, ECHO)])
def test_a_peer_that_speaks_none_of_them_costs_the_stream(protocols: tuple[str, ...]) -> None:
    client, peer, stream = asking(*protocols)
    peer.send(data(1, HEADER + NA * len(protocols)))
    assert isinstance(stream.failure, ProtocolNotSupported)
    assert stream.failure.offered == protocols
    assert peer.frames()[-1] == Frame(WINDOW_UPDATE, RST, 1, 0x1001)
    assert (client.pending, client.failure) == ({}, None)


@pytest.mark.req("MSS-02", "MSS-03", "GEN-01")
@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request", HEADER + encode(OTHER), HEADER + LS, HEADER + b"\x00", HEADER[:10] + b"??", b"\x13?"],
)
def test_a_wrong_answer_costs_the_stream(answer: bytes) -> None:
    client, peer, stream = asking(ECHO)
    peer.send(*(data(1, answer[start : start + 9]) for start in range(0, len(answer), 9)))
    assert isinstance(stream.failure, NegotiationError)
    assert resets(peer) == [(1, 0x1001)]
    assert client.failure is None


@pytest.mark.req("MSS-13")
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("answer", [b"", HEADER, opening(ECHO)[:-1]])
def test_an_end_before_the_answer_is_an_error_and_no_eof(answer: bytes, *, closed: bool) -> None:
    client, peer, stream = asking(ECHO)
    if closed:
        stream.close_write()
        peer.frames()
    peer.send(data(1, answer, ACK), update(1, 0, FIN))
    assert isinstance(stream.failure, NegotiationError)
    assert stream.failure.requirement == "MSS-13"
    assert (stream.eof, stream.state, client.pending) == (False, StreamState.RESET, {})
    check(session_of(client), [stream])


@pytest.mark.req("GEN-03")
def test_a_peer_that_does_not_answer_costs_the_stream_in_time() -> None:
    client, peer, stream = asking(ECHO)
    assert client.next_timeout() == 10.0
    client.handle_timeout(9.9)
    peer.now = 9.9
    peer.send(data(1, HEADER, ACK))
    assert stream.state is StreamState.OPEN
    client.handle_timeout(10.0)
    assert isinstance(stream.failure, DeadlineExceeded)
    assert isinstance(stream.failure, TimeoutError)
    assert (1, 0x1001) in resets(peer)


def test_a_reset_by_the_peer_ends_the_wait() -> None:
    client, peer, stream = asking(ECHO)
    peer.send(update(1, 0x1002, RST))
    assert isinstance(stream.failure, StreamReset)
    assert client.pending == {}


@pytest.mark.req("YMX-27")
def test_a_stream_that_is_closed_before_the_answer_is_still_agreed_on() -> None:
    client, peer, stream = asking(ECHO)
    stream.write(b"fire and forget")
    stream.close_write()
    stream.close_read()
    peer.frames()
    peer.send(data(1, opening(ECHO) + b"nobody reads this", ACK), data(1, b"nor this"))
    assert (stream.protocol, client.pending, stream.unread, stream.failure) == (ECHO, {}, 0, None)
    peer.send(update(1, 0, FIN))
    assert session_of(client).streams == {}
    check(session_of(client), [stream])


def test_a_stream_that_is_closed_before_the_answer_proposes_nothing_more() -> None:
    client, peer, stream = asking(UNKNOWN, ECHO)
    stream.close_write()
    peer.send(data(1, HEADER + NA))
    assert isinstance(stream.failure, StreamClosed)
    assert peer.frames()[-1] == Frame(WINDOW_UPDATE, RST, 1, 0x1001)
    assert client.failure is None


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize(
    "protocols", [["no-slash"], [ECHO, "no-slash"], [ECHO, "/" + "x" * 1023], [f"/{n}" for n in range(128)]]
)
def test_what_cannot_be_proposed_is_refused_before_a_stream_is_opened(protocols: list[str]) -> None:
    client = connection(initiator=True)
    peer = peer_of(client)
    with pytest.raises(LocalError):
        client.open_stream(protocols, 0.0)
    session = session_of(client)
    assert (session.streams, session.unacknowledged, client.pending, peer.frames()) == ({}, 0, {}, [])
    assert client.open_stream([ECHO], 0.0).id == 1


def test_as_many_protocols_as_the_configuration_allows_are_proposed() -> None:
    client, peer, stream = asking("/0", "/1", multistream=MultistreamConfig(max_messages=3))
    peer.send(data(1, HEADER + NA + encode("/1")))
    assert stream.protocol == "/1"
    with pytest.raises(LocalError):
        client.open_stream(["/0", "/1", "/2"], 0.0)


def test_the_end_of_the_connection_ends_all_negotiations() -> None:
    client, _, stream = asking(ECHO)
    client.receive_eof(1.0)
    assert isinstance(stream.failure, ConnectionClosed)
    assert client.pending == {}


# -- both


@pytest.mark.req("MSS-03", "MSS-04", "MSS-06")
@given(st.lists(st.sampled_from([ECHO, OTHER, UNKNOWN, "/u/2", "/u/3"]), min_size=1, max_size=5, unique=True), cuts)
def test_two_connections_agree_on_the_first_that_both_speak(protocols: list[str], sizes: list[int]) -> None:
    pair = Pair(server=make_endpoint(2, [ECHO, OTHER]), cut=cutter(sizes))
    upgraded(pair)
    stream = pair.client.open_stream(protocols, pair.now)
    pair.run()
    common = [protocol for protocol in protocols if protocol in (ECHO, OTHER)]
    opened = pair.take_opened(pair.server)
    if not common:
        assert isinstance(stream.failure, ProtocolNotSupported)
        assert opened == []
        return
    assert stream.protocol == common[0]
    assert [inbound.protocol for inbound in opened] == common[:1]


def test_both_sides_may_open_streams_at_once() -> None:
    pair = Pair(client=make_endpoint(1, [ECHO]), server=make_endpoint(2, [ECHO]), latency=1.0)
    upgraded(pair)
    streams = [side.open_stream([ECHO], pair.now) for side in (pair.client, pair.server) for _ in range(20)]
    pair.run()
    assert {stream.protocol for stream in streams} == {ECHO}
    assert len(pair.take_opened(pair.client)) == len(pair.take_opened(pair.server)) == 20


@pytest.mark.req("MSS-03", "MSS-04", "MSS-06")
@pytest.mark.parametrize("vectors", ["multistream", "multistream_rust"])
def test_the_exchanges_of_go_and_rust_on_a_stream(vectors: str) -> None:
    """Each recorded dialer is answered by our responder, to the same result."""
    played = 0
    for exchange in load(vectors)["exchanges"]:
        writes = [bytes.fromhex(write["hex"]) for write in exchange["writes"] if write["from"] == "dialer"]
        result = exchange.get("listener_result", "")
        if not result.startswith("/"):
            continue
        server = connection(initiator=False, protocols=["/yamux/1.0.0", ECHO])
        peer = peer_of(server)
        peer.send(update(1, 0, SYN))
        for write in writes:
            peer.send(data(1, write))
        assert [stream.protocol for stream in session_of(server).opened] == [result]
        played += 1
    assert played >= 3
