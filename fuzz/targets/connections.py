"""Whole connections: bytes at any phase of the upgrade, and any plaintext behind it."""

from __future__ import annotations

from dataclasses import replace

from fuzz.expect import caught
from fuzz.source import Source, segments
from p2pstack.connection.config import YAMUX_PROTOCOL
from p2pstack.connection.machine import Connection
from p2pstack.errors import NegotiationError, RemoteError, StreamReset
from p2pstack.testing.pair import make_endpoint, seeded_entropy
from p2pstack.yamux.stream import Stream
from tests.connection.driving import ECHO, OTHER, BarePeer
from tests.yamux.driving import check

_ENDPOINT = make_endpoint(1, (ECHO, OTHER))


def client(data: bytes) -> None:
    """The side that dialled, with streams that wait for answers."""
    _play(data, initiator=True)


def server(data: bytes) -> None:
    """The side that was dialled."""
    _play(data, initiator=False)


def _play(data: bytes, *, initiator: bool) -> None:
    """Only RemoteError comes out, the connection has failed with it, and the accounts are right."""
    phase = Source(data).byte() % 6
    # A fresh source of entropy: an input does the same at every run.
    side = Connection(replace(_ENDPOINT, entropy=seeded_entropy(b"fuzz")), initiator=initiator)
    peer = BarePeer(side, () if phase in (2, 3) else (YAMUX_PROTOCOL,))
    for step in (peer.agree_on_noise, peer.shake_hands)[: min(phase, 2)]:
        step()
    sealed = phase in (3, 5)
    known: set[Stream] = set()
    if phase == 5 and initiator:
        known = {side.open_stream([ECHO], 0.0), side.open_stream([OTHER, ECHO], 0.0)}
    for piece in segments(data[1:]):
        raw = peer.transport.seal(piece) if sealed else piece
        error = caught(RemoteError, side.receive_data, raw, 1.0)
        assert error is None or side.failure is error
        side.data_to_send()
        if side.session is not None:
            known |= {*side.session.streams.values(), *side.session.readable, *side.session.opened}
            check(side.session, known)
    for stream in known:
        if side.failure is None and stream.failure is not None:
            assert isinstance(stream.failure, NegotiationError | StreamReset)
    due = side.next_timeout()
    assert (due is None) == (side.failure is not None)
    _end(side, known)


def _end(side: Connection, known: set[Stream]) -> None:
    """When TCP ends, everything ends."""
    error = caught(RemoteError, side.receive_eof, 2.0)
    assert error is None or side.failure is error
    assert side.failure is not None
    assert side.next_timeout() is None
    assert not side.pending
    if side.session is not None:
        assert side.session.streams == {}
        check(side.session, known)
