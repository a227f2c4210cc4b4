from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.connection.config import NOISE_PROTOCOL, YAMUX_PROTOCOL
from p2pstack.connection.machine import Connection
from p2pstack.connection.protocols import opening
from p2pstack.connection.upgrade import Phase
from p2pstack.errors import (
    DeadlineExceeded,
    HandshakeError,
    NegotiationError,
    NoiseError,
    PeerIdMismatch,
    ProtocolNotSupported,
    RemoteError,
)
from p2pstack.identity.keys import PrivateKey
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from p2pstack.testing.pair import Pair, make_endpoint
from p2pstack.yamux.frames import SYN
from tests.connection.driving import (
    ECHO,
    BarePeer,
    byte_by_byte,
    connection,
    cuts,
    cutter,
    fails,
    peer_of,
    refusal,
    said,
    session_of,
    take,
    upgraded,
)
from tests.yamux.driving import data, parse, ping

SIMULTANEOUS = "/libp2p/simultaneous-connect"
MUXERS = [pytest.param((YAMUX_PROTOCOL,), id="early muxer"), pytest.param((), id="muxer by multistream")]
both_sides = pytest.mark.parametrize("initiator", [True, False], ids=["initiator", "responder"])


def make_pair(client_muxers: tuple[str, ...], server_muxers: tuple[str, ...], **more: object) -> Pair:
    return Pair(
        client=make_endpoint(1, muxers=client_muxers),
        server=make_endpoint(2, [ECHO], muxers=server_muxers),
        **more,  # type: ignore[arg-type]
    )


def echo_over(pair: Pair) -> None:
    """The connection is open: a stream carries bytes both ways."""
    for session in upgraded(pair):
        assert session.round_trip == 2 * pair.latency
    stream = pair.client.open_stream([ECHO], pair.now)
    stream.write(b"question")
    pair.run()
    [inbound] = pair.take_opened(pair.server)
    assert (inbound.protocol, take(inbound)) == (ECHO, b"question")
    inbound.write(b"answer")
    pair.run()
    assert take(stream) == b"answer"
    assert pair.failures == []


# -- in good order


@pytest.mark.req("MSS-09", "NOISE-20", "NOISE-18")
@pytest.mark.parametrize("server_muxers", MUXERS)
@pytest.mark.parametrize("client_muxers", MUXERS)
def test_both_sides_get_there_with_and_without_early_muxers(
    client_muxers: tuple[str, ...], server_muxers: tuple[str, ...]
) -> None:
    pair = make_pair(client_muxers, server_muxers)
    echo_over(pair)
    for side, other in ((pair.client, pair.server), (pair.server, pair.client)):
        assert side.remote is not None
        assert side.remote.peer_id == other._endpoint.identity.peer_id
        assert side.opened


@pytest.mark.req("MSS-06", "MSS-09", "NOISE-18", "NOISE-23")
@pytest.mark.parametrize("muxers", MUXERS)
def test_one_byte_at_a_time(muxers: tuple[str, ...]) -> None:
    echo_over(make_pair(muxers, muxers, cut=byte_by_byte))


@pytest.mark.req("MSS-06", "NOISE-18", "NOISE-23")
@given(cuts, st.booleans(), st.booleans())
def test_any_cuts(sizes: list[int], client_early: bool, server_early: bool) -> None:
    early = {True: (YAMUX_PROTOCOL,), False: ()}
    echo_over(make_pair(early[client_early], early[server_early], cut=cutter(sizes)))


@pytest.mark.req("MSS-09", "MSS-02")
def test_the_initiator_says_at_once_all_that_can_follow_without_an_answer() -> None:
    first = said(connection(initiator=True))
    assert first.startswith(HEADER + encode(NOISE_PROTOCOL) + b"\x00\x20")
    assert len(first) == len(HEADER + encode(NOISE_PROTOCOL)) + 2 + 32


@pytest.mark.req("MSS-02")
def test_the_responder_greets_at_once_and_proposes_nothing() -> None:
    assert said(connection(initiator=False)) == HEADER


@pytest.mark.req("NOISE-20", "NOISE-21")
@pytest.mark.parametrize("muxers", MUXERS)
def test_an_upgrade_costs_one_round_trip(muxers: tuple[str, ...]) -> None:
    """To the moment at which the initiator may open streams, whichever way the muxer is agreed on."""
    pair = make_pair(muxers, muxers, latency=1.0)
    opened_at: dict[str, float] = {}
    while len(opened_at) < 2:
        pair.send()
        pair.now += 1.0
        pair.deliver()
        for name, side in (("client", pair.client), ("server", pair.server)):
            if side.opened:
                opened_at.setdefault(name, pair.now)
    assert opened_at == {"client": 2.0, "server": 3.0}


@pytest.mark.req("NOISE-21")
def test_frames_may_stand_right_behind_the_third_message() -> None:
    """With early muxer negotiation nobody waits for multistream."""
    server = connection(initiator=False)
    peer = BarePeer(server)
    peer.agree_on_noise()
    [first] = peer.handshake.data_to_send()
    peer.send_raw(first)
    second = peer.take_raw()
    assert peer.handshake.receive_frames(memoryview(second), 0, len(second)) == len(second)
    transport = peer.handshake.transport()
    third = b"".join(peer.handshake.data_to_send())
    server.receive_data(third + transport.seal(ping(77)) + transport.seal(data(1, opening(ECHO) + b"hi", SYN)), 0.0)
    [stream] = session_of(server).opened
    assert (stream.protocol, take(stream)) == (ECHO, b"hi")
    answer: list[bytes] = []
    raw = said(server)
    transport.open_frames(memoryview(raw), 0, len(raw), answer.append)
    assert (2, 77) in [(frame.kind, frame.length) for frame in parse(b"".join(answer))]


@pytest.mark.req("MSS-09")
def test_frames_may_stand_right_behind_the_proposal_of_the_muxer() -> None:
    server = connection(initiator=False)
    peer = BarePeer(server, muxers=()).secure()
    assert peer.plaintext() == HEADER, "it greets, and waits for a proposal"
    peer.send(opening(YAMUX_PROTOCOL) + ping(1)[:5], ping(1)[5:] + data(1, opening(ECHO) + b"hi", SYN))
    assert [take(stream) for stream in session_of(server).opened] == [b"hi"]
    answer = peer.plaintext()
    assert answer.startswith(encode(YAMUX_PROTOCOL))
    assert (2, 2, 1) in [(f.kind, f.flags, f.length) for f in parse(answer.removeprefix(encode(YAMUX_PROTOCOL)))]


@pytest.mark.req("MSS-09")
def test_the_initiator_proposes_the_muxer_and_goes_on_without_waiting() -> None:
    client = connection(initiator=True)
    peer = BarePeer(client, muxers=()).secure()
    assert client.opened
    client.open_stream([ECHO], 0.0).write(b"early")
    text = peer.plaintext()
    assert text.startswith(opening(YAMUX_PROTOCOL))
    frames = parse(text.removeprefix(opening(YAMUX_PROTOCOL)))
    assert [(frame.kind, frame.flags) for frame in frames] == [(2, SYN), (0, SYN)]
    peer.send(opening(YAMUX_PROTOCOL) + data(1, opening(ECHO)), data(1, b"answer"))
    assert take(session_of(client).streams[1]) == b"answer"


@pytest.mark.req("NOISE-07")
def test_the_expected_peer_may_answer() -> None:
    expected = make_endpoint(2).identity.peer_id
    upgraded(make_pair((), (), expected_peer=expected))


# -- refusals


@pytest.mark.req("NOISE-07", "NOISE-19")
@pytest.mark.parametrize("muxers", MUXERS)
def test_another_peer_is_not_talked_to(muxers: tuple[str, ...]) -> None:
    expected = PrivateKey.from_seed(b"\x07" * 32).peer_id
    pair = make_pair(muxers, muxers, expected_peer=expected)
    pair.run()
    [(side, error)] = pair.failures
    assert side is pair.client
    assert isinstance(error, PeerIdMismatch)
    assert (error.expected, error.actual) == (expected, make_endpoint(2).identity.peer_id)
    assert (pair.client.session, pair.client.opened, pair.client.remote) == (None, False, None)
    assert pair.server.session is None, "its third message was never sent"


@pytest.mark.req("NOISE-20")
def test_muxers_without_one_in_common_end_the_handshake() -> None:
    pair = make_pair(("/mplex/6.7.0",), (YAMUX_PROTOCOL,))
    pair.run()
    [(_, error)] = pair.failures
    assert isinstance(error, HandshakeError)
    assert error.requirement == "NOISE-20"


@pytest.mark.req("MSS-03", "MSS-04")
def test_a_responder_goes_on_after_refusing() -> None:
    server = connection(initiator=False)
    peer = BarePeer(server)
    peer.send_raw(HEADER + encode("/tls/1.0.0"))
    peer.read(HEADER + NA)
    peer.send_raw(encode(NOISE_PROTOCOL))
    peer.read(encode(NOISE_PROTOCOL))
    peer.shake_hands()
    assert server.opened


@pytest.mark.req("MSS-07")
def test_ls_before_security_is_answered_as_by_rust() -> None:
    peer = BarePeer(connection(initiator=False))
    peer.send_raw(HEADER + LS)
    peer.read(HEADER + bytes.fromhex("09072f6e6f6973650a0a"))


@pytest.mark.req("SIMOPEN-01")
@pytest.mark.parametrize("muxers", MUXERS)
def test_simultaneous_connect_is_refused_and_the_upgrade_goes_on(muxers: tuple[str, ...]) -> None:
    server = connection(initiator=False)
    peer = BarePeer(server, muxers)
    peer.send_raw(HEADER + encode(SIMULTANEOUS))
    peer.read(HEADER + NA)
    peer.send_raw(encode(NOISE_PROTOCOL))
    peer.read(encode(NOISE_PROTOCOL))
    peer.shake_hands()
    if not muxers:
        peer.send(HEADER + encode(SIMULTANEOUS))
        peer.send(encode(YAMUX_PROTOCOL))
        assert peer.plaintext().startswith(HEADER + NA + encode(YAMUX_PROTOCOL))
    assert server.opened


@pytest.mark.req("SIMOPEN-02", "GEN-03")
def test_two_initiators_do_not_wait_for_ever() -> None:
    sides = [Connection(make_endpoint(seed), initiator=True) for seed in (1, 2)]
    texts = [said(side) for side in sides]
    for side, text in zip(sides, reversed(texts), strict=True):
        assert isinstance(refusal(side, text), HandshakeError)
        assert side.failure is not None


@pytest.mark.req("SIMOPEN-02", "GEN-03", "MSS-10")
def test_two_responders_are_ended_by_the_deadline() -> None:
    sides = [Connection(make_endpoint(seed), initiator=False, now=5.0) for seed in (1, 2)]
    texts = [said(side) for side in sides]
    for side, text in zip(sides, reversed(texts), strict=True):
        side.receive_data(text, 6.0)
        assert said(side) == b""
        assert side.next_timeout() == 20.0
        side.handle_timeout(19.9)
        with pytest.raises(DeadlineExceeded, match="15 s"):
            side.handle_timeout(20.0)
        assert isinstance(side.failure, TimeoutError)


@pytest.mark.req("MSS-03")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (HEADER + NA, ProtocolNotSupported),
        (HEADER + encode("/tls/1.0.0"), NegotiationError),
        (HEADER + LS, NegotiationError),
        (b"\x13/multistream/2.0.0\n", NegotiationError),
    ],
)
def test_the_initiator_ends_where_noise_is_not_spoken(answer: bytes, error: type[RemoteError]) -> None:
    client = connection(initiator=True)
    said(client)
    assert type(refusal(client, answer)) is error
    assert said(client) == b""


@pytest.mark.req("MSS-03", "MSS-09")
@pytest.mark.parametrize("answer", [HEADER + NA, HEADER + encode("/mplex/6.7.0"), b"\x00" * 30])
def test_the_initiator_ends_where_yamux_is_not_spoken(answer: bytes) -> None:
    client = connection(initiator=True)
    peer = BarePeer(client, muxers=()).secure()
    stream = client.open_stream([ECHO], 0.0)
    assert isinstance(fails(lambda: peer.send(answer)), NegotiationError)
    assert stream.failure is not None
    assert client.failure is not None


@pytest.mark.req("MSS-03", "MSS-08")
def test_a_responder_that_is_asked_for_ever_ends_it() -> None:
    server = connection(initiator=False)
    peer = BarePeer(server, muxers=()).secure()
    error = fails(lambda: peer.send(HEADER + encode("/mplex/6.7.0") * 200))
    assert error.requirement == "MSS-08"


# -- first bytes, garbage, and silence


@pytest.mark.req("MSS-02", "GEN-01")
@both_sides
@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x20" + b"\x01" * 32,
        b"\xff" * 100,
        b"\x00",
        b"\n",
        HEADER[:-1] + b"\r",
    ],
    ids=["http", "tls", "ssh", "noise", "ones", "zero", "newline", "bad header"],
)
def test_wrong_first_bytes_end_it_at_the_first_one_that_is_wrong(first: bytes, *, initiator: bool) -> None:
    for cut in (1, 3, len(first)):
        side = connection(initiator=initiator)
        said(side)
        error = refusal(side, *(first[i : i + cut] for i in range(0, len(first), cut)))
        assert (error.requirement, side.failure) == ("MSS-02", error)
        assert said(side) == b"", "it is closed without a word"
        assert side.next_timeout() is None


@pytest.mark.req("MSS-05", "GEN-02")
def test_a_long_message_is_refused_by_its_length() -> None:
    for initiator in (True, False):
        side = connection(initiator=initiator)
        assert refusal(side, HEADER + b"\x81\x08").requirement == "MSS-05"


@pytest.mark.req("NOISE-19", "NOISE-12")
@both_sides
@pytest.mark.parametrize("garbage", [b"\x00\x00", b"\x00\x1f", b"\x00\x60" + bytes(96), b"\xff\xff" + bytes(65_535)])
def test_garbage_in_the_handshake_ends_it_silently(garbage: bytes, *, initiator: bool) -> None:
    side = connection(initiator=initiator)
    peer = BarePeer(side)
    peer.agree_on_noise()
    peer.take_raw()
    assert isinstance(fails(lambda: peer.send_raw(garbage)), HandshakeError)
    assert peer.take_raw() == b""
    assert side.session is None


@pytest.mark.req("NOISE-09", "NOISE-12", "NOISE-19")
@both_sides
@pytest.mark.parametrize("muxers", MUXERS)
@pytest.mark.parametrize("garbage", [b"\x00\x00", b"\x00\x0f" + bytes(15), b"\x00\x20" + bytes(32)])
def test_garbage_behind_the_handshake_ends_it(garbage: bytes, muxers: tuple[str, ...], *, initiator: bool) -> None:
    side = connection(initiator=initiator)
    peer = BarePeer(side, muxers).secure()
    peer.take_raw()
    assert isinstance(fails(lambda: peer.send_raw(garbage)), NoiseError)
    assert peer.take_raw() == b""


@pytest.mark.req("GEN-01", "NOISE-19")
@given(st.binary(max_size=400), st.booleans(), st.integers(0, 3), cuts)
def test_garbage_in_any_phase_is_the_peers_fault_or_nothing(
    garbage: bytes,
    initiator: bool,
    phase: int,
    sizes: list[int],
) -> None:
    side = connection(initiator=initiator)
    peer = BarePeer(side, () if phase == 2 else (YAMUX_PROTOCOL,))
    if phase >= 1:
        peer.agree_on_noise()
    if phase >= 2:
        peer.shake_hands()
    if phase == 3:
        garbage = peer.transport.seal(garbage)
    for piece in cutter(sizes)(garbage):
        with contextlib.suppress(RemoteError):
            side.receive_data(piece, 1.0)
        said(side)
    due = side.next_timeout()
    assert (due is None) == (side.failure is not None)


@pytest.mark.req("GEN-03", "NOISE-19")
@both_sides
@pytest.mark.parametrize("muxers", MUXERS)
def test_a_peer_that_stalls_anywhere_is_ended_by_the_one_deadline(muxers: tuple[str, ...], *, initiator: bool) -> None:
    """Also one that sends a byte now and then: the deadline does not begin anew."""
    phases = []
    for steps in range(3):
        side = connection(initiator=initiator, upgrade_timeout=10.0)
        peer = BarePeer(side, muxers)
        peer.now = 9.0
        for step in (peer.agree_on_noise, peer.shake_hands)[:steps]:
            step()
        if side._upgrade is None:
            continue
        phases.append(side._upgrade.phase)
        assert side.next_timeout() == 10.0
        side.handle_timeout(9.9)
        peer.take_raw()
        with pytest.raises(DeadlineExceeded, match=side._upgrade.phase.value):
            side.handle_timeout(10.0)
        assert (side.next_timeout(), peer.take_raw()) == (None, b"")
        side.handle_timeout(11.0)
    assert phases == [Phase.SECURITY, Phase.HANDSHAKE, Phase.MUXER][: 2 + (not muxers)]


@pytest.mark.req("MSS-13", "NOISE-02")
@both_sides
@pytest.mark.parametrize(("steps", "requirement"), [(0, "MSS-13"), (1, "NOISE-02"), (2, "MSS-13")])
def test_an_end_in_the_middle_says_where(steps: int, requirement: str, *, initiator: bool) -> None:
    side = connection(initiator=initiator)
    peer = BarePeer(side, muxers=())
    for step in (peer.agree_on_noise, peer.shake_hands)[:steps]:
        step()
    error = fails(lambda: side.receive_eof(1.0))
    assert (error.requirement, side.failure) == (requirement, error)
    side.receive_eof(2.0)
    assert side.failure is error


@pytest.mark.req("MSS-13")
def test_an_end_inside_a_message_is_an_error() -> None:
    server = connection(initiator=False)
    server.receive_data(HEADER + b"\x07/no", 0.0)
    assert isinstance(fails(lambda: server.receive_eof(0.0)), NegotiationError)


@pytest.mark.req("NOISE-19", "GEN-01")
def test_what_comes_after_a_failure_is_ignored() -> None:
    server = connection(initiator=False)
    refusal(server, b"nonsense")
    failure = server.failure
    server.receive_data(b"more nonsense", 0.0)
    server.receive_data(opening(NOISE_PROTOCOL), 0.0)
    server.handle_timeout(100.0)
    assert server.failure is failure
    assert server.next_timeout() is None


@pytest.mark.req("GEN-04")
def test_a_peer_of_a_finished_upgrade_costs_no_upgrade() -> None:
    server = connection(initiator=False)
    peer_of(server)
    assert server._upgrade is None
