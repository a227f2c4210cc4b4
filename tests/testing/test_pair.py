from __future__ import annotations

import pytest

from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import PeerIdMismatch, YamuxError
from p2pstack.identity.keys import PrivateKey
from p2pstack.testing.pair import Pair, make_endpoint, seeded_entropy
from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.stream import Stream, StreamState
from tests.connection.driving import ECHO, byte_by_byte, session_of, take


def test_seeded_entropy_is_the_same_for_the_same_seed_and_never_repeats() -> None:
    first, again, other = seeded_entropy(b"1"), seeded_entropy(b"1"), seeded_entropy(b"2")
    drawn = [first(32) for _ in range(5)]
    assert [again(32) for _ in range(5)] == drawn
    assert len(set(drawn)) == 5
    assert other(32) not in drawn
    assert len(first(0)) == 0


def test_endpoints_are_made_from_their_seed() -> None:
    one, again, other = make_endpoint(1, [ECHO]), make_endpoint(1), make_endpoint(2)
    assert one.identity.peer_id == again.identity.peer_id != other.identity.peer_id
    assert one.identity.static_public == again.identity.static_public
    assert list(one.protocols) == [ECHO]
    assert one.identity.muxers == ("/yamux/1.0.0",)
    assert make_endpoint(1, muxers=()).identity.muxers == ()
    config = ConnectionConfig(max_negotiating=1)
    assert make_endpoint(1, config=config).config is config


def conversation(pair: Pair) -> tuple[bytes, bytes]:
    stream = pair.client.open_stream([ECHO], pair.now) if pair.client.session else None
    pair.run()
    stream = stream or pair.client.open_stream([ECHO], pair.now)
    stream.write(b"question")
    pair.run()
    [inbound] = pair.take_opened(pair.server)
    question = take(inbound)
    inbound.write(b"answer")
    pair.run()
    return question, take(stream)


@pytest.mark.parametrize("cut", [None, byte_by_byte, lambda data: (data[:1], data[1:])])
def test_a_pair_talks(cut: object) -> None:
    pair = Pair(server_protocols=[ECHO], cut=cut)  # type: ignore[arg-type]
    assert conversation(pair) == (b"question", b"answer")
    assert pair.failures == []
    assert pair.now == 0.0
    assert not pair.send()
    assert not pair.deliver()


def test_every_run_says_the_same_bytes() -> None:
    def run() -> list[bytes]:
        said: list[bytes] = []

        def tap(data: bytes) -> tuple[bytes]:
            said.append(data)
            return (data,)

        conversation(Pair(server_protocols=[ECHO], cut=tap))
        return said

    assert run() == run()


def test_latency_moves_the_clock() -> None:
    pair = Pair(server_protocols=[ECHO], latency=0.5)
    pair.run()
    assert pair.now == 2.5, "hello, answer, third message with a ping, pong and ping, pong"
    assert session_of(pair.client).round_trip == 1.0


def test_what_is_under_way_waits_for_its_time() -> None:
    pair = Pair(latency=1.0)
    assert pair.send()
    assert not pair.deliver()
    pair.now = 1.0
    assert pair.deliver()


def test_failures_are_collected_and_end_the_delivery() -> None:
    stranger = PrivateKey.from_seed(b"\x09" * 32).peer_id
    pair = Pair(expected_peer=stranger)
    pair.run()
    [(side, error)] = pair.failures
    assert side is pair.client
    assert isinstance(error, PeerIdMismatch)

    pair = Pair(cut=byte_by_byte, server_protocols=[ECHO])
    pair.run()
    pair.server.close(2)
    pair.run()
    [(side, error)] = pair.failures
    assert side is pair.client
    assert isinstance(error, YamuxError)


def test_what_arrives_for_a_side_that_has_failed_is_lost() -> None:
    pair = Pair(latency=1.0)
    pair.send()
    pair.server.close()
    pair.now = 1.0
    assert pair.deliver()
    assert pair.failures == []


def test_two_sides_that_never_fall_silent_are_stopped() -> None:
    pair = Pair()
    with pytest.raises(RuntimeError, match="after 2 rounds"):
        pair.run(rounds=2)
    pair.run()


def test_advancing_runs_what_is_due_on_the_way() -> None:
    pair = Pair(server_protocols=[ECHO], latency=0.25)
    pair.run()
    stream = pair.client.open_stream([ECHO], pair.now)
    pair.run()
    [inbound] = pair.take_opened(pair.server)
    stream.close_write()
    stream.close_read()
    start = pair.now
    states = []
    for seconds in (5.0, 7.0):
        pair.advance(seconds)
        states.append(stream.state)
    assert states == [StreamState.CLOSED, StreamState.RESET]
    assert inbound.failure is not None
    assert pair.now == start + 12.0
    assert pair.failures == []


def test_advancing_collects_what_the_clock_ends() -> None:
    pair = Pair(client=make_endpoint(1, config=ConnectionConfig(yamux=YamuxConfig(ping_timeout=3.0))))
    pair.run()
    session_of(pair.client).ping(pair.now)
    pair.client.data_to_send()
    pair.advance(3.0)
    [(side, error)] = pair.failures
    assert side is pair.client
    assert isinstance(error, YamuxError)
    pair.server.close()
    pair.advance(100.0)
    assert len(pair.failures) == 1


def test_streams_are_taken_once_and_of_the_class() -> None:
    class Own(Stream):
        __slots__ = ()

    pair = Pair(client_protocols=[ECHO], server_protocols=[ECHO], stream_class=Own)
    assert pair.take_opened(pair.server) == []
    pair.run()
    pair.client.open_stream([ECHO], 0.0)
    pair.server.open_stream([ECHO], 0.0)
    pair.run()
    for side in (pair.client, pair.server):
        [stream] = pair.take_opened(side)
        assert type(stream) is Own
        assert pair.take_opened(side) == []
