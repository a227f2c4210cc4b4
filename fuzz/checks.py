# ruff: noqa: SLF001 - what a machine holds back, and how it counts, can only be seen from inside
"""What must hold of a machine whatever the peer sends: its buffers are bounded, and its books balance."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from p2pstack.connection.machine import Connection
from p2pstack.multistream import Negotiator
from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import GO_AWAY, HEADER_SIZE, unpack_header
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream

__all__ = ["Broken", "check_connection", "check_frames", "check_negotiator", "check_session", "require"]

_LARGEST_NOISE_FRAME = 2 + 65_535


class Broken(AssertionError):
    """An invariant does not hold."""


def require(holds: object, message: str) -> None:
    """Raise Broken with ``message`` unless ``holds``."""
    if not holds:
        raise Broken(message)


def check_negotiator(machine: Negotiator) -> None:
    """A negotiation holds one incomplete message at most, and nothing once it is over."""
    held = len(machine._buffer)
    require(held <= (0 if machine.done else machine._limit + 2), f"a negotiation holds {held} bytes")


def check_session(session: Session, ever: Iterable[Stream]) -> None:
    """The books of a session balance; ``ever`` holds all streams that it ever had."""
    live = session.streams
    ours = [stream for stream in live.values() if stream.outbound]
    require(
        session.unacknowledged == sum(not stream.acknowledged for stream in ours),
        f"{session.unacknowledged} streams are counted as unacknowledged",
    )
    inbound = len(live) - len(ours)
    require(session.inbound_budget.granted == inbound, f"{session.inbound_budget.granted} inbound streams are counted")
    require(inbound <= session.config.max_inbound_streams, f"{inbound} inbound streams are open")
    grown = sum(stream.window - INITIAL_WINDOW for stream in live.values())
    require(session.budget.granted == grown, f"windows have grown {grown} bytes, {session.budget.granted} are counted")
    require(grown <= session.config.max_window_growth, f"windows have grown {grown} bytes")
    unread = sum(stream.unread for stream in ever)
    require(session.unread == unread, f"{unread} bytes are unread, {session.unread} are counted")
    require(len(session._header) < HEADER_SIZE, "a whole header is held back")
    require(session.pongs <= session.config.max_pongs, "too many pings are answered")
    require(not (session.terminated and live), "streams outlive their session")
    require(
        all(live.get(stream.id) is stream for stream in session._lingering), "a stream that is gone waits for its end"
    )
    for stream in ever:
        _check_stream(session, stream)


def _check_stream(session: Session, stream: Stream) -> None:
    require(stream.unread == sum(map(len, stream.received)), f"{stream!r} counts {stream.unread} bytes as unread")
    require(stream.unsent_size == sum(map(len, stream.unsent)), f"{stream!r} counts {stream.unsent_size} as unsent")
    if session.streams.get(stream.id) is not stream:
        over = stream.failure is not None or (stream.eof and stream.fin_sent)
        require(over, f"{stream!r} is forgotten while it is alive")
        return
    require(stream.failure is None, f"{stream!r} is dead and still has its place")
    require(0 <= stream.send_window <= 0xFFFF_FFFF, f"{stream!r} has a send window of {stream.send_window}")
    require(not (stream.eof and stream.fin_sent), f"{stream!r} has ended and still has its place")
    coming = session._body_left if session._body_stream is stream else 0
    held = stream.receive_window + stream.unread + stream.consumed + coming
    exact = stream.gate is None and not stream.read_closed and stream.negotiation is None
    require(held <= stream.window, f"{stream!r} has given more than its window away: {held} of {stream.window}")
    require(held == stream.window or not exact, f"{stream!r} has lost window: {held} of {stream.window}")
    require(stream.receive_window >= 0, f"{stream!r} has a receive window of {stream.receive_window}")
    if stream.queued:
        require(
            any(other is stream for other in chain(session.fresh, session.turns)),
            f"{stream!r} counts as queued, and is not",
        )
    else:
        waits = stream.unsent_size and stream.send_window
        owes = stream.fin_wanted and not stream.fin_sent and not stream.unsent_size
        require(not waits and not owes, f"{stream!r} has something to send, and is not queued")


def check_connection(connection: Connection, ever: Iterable[Stream]) -> None:
    """A connection holds one incomplete frame at most, and counts the streams that negotiate."""
    require(len(connection._rest) < _LARGEST_NOISE_FRAME, f"a connection holds {len(connection._rest)} bytes")
    negotiations = connection._negotiations
    inbound = sum(not stream.outbound for stream in connection.pending)
    require(negotiations._inbound == inbound, f"{negotiations._inbound} inbound negotiations are counted")
    require(inbound <= connection._endpoint.config.max_negotiating, f"{inbound} streams negotiate")
    upgrade = connection._upgrade
    if upgrade is not None:
        check_negotiator(upgrade._security)
    session = connection.session
    require(connection.opened == (session is not None), "opened says what is not so")
    if session is not None:
        check_session(session, ever)
        require(all(session.streams.get(each.id) is each for each in connection.pending), "a dead stream negotiates")
        require(connection.failure is None or session.terminated, "a session outlives its connection")


def check_frames(data: bytes) -> None:
    """What a session sends is a sequence of whole yamux frames that a peer has to accept."""
    offset = 0
    while offset < len(data):
        require(len(data) - offset >= HEADER_SIZE, "a header is cut")
        version, kind, flags, stream_id, length = unpack_header(data, offset)
        require(version == 0 and kind <= GO_AWAY and flags < 16, f"a frame of type {kind} and flags {flags:#x} is sent")
        require((stream_id == 0) == (kind >= 2), f"a frame of type {kind} is sent for stream {stream_id}")
        offset += HEADER_SIZE + (length if kind == 0 else 0)
    require(offset == len(data), "a body is cut")
