"""One yamux session against any frames, and two of them that talk to each other."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.checks import check_frames, check_session, require
from fuzz.source import Source, cut
from p2pstack.errors import (
    ConnectionClosed,
    LimitExceeded,
    StreamClosed,
    StreamReset,
    YamuxError,
)
from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.frames import pack_header
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream

__all__ = ["CONFIGS", "Tracked", "draw_frame", "run_pair", "run_session", "use_stream"]

CONFIGS = (
    YamuxConfig(),
    YamuxConfig(
        max_inbound_streams=3,
        max_streams=5,
        max_unacknowledged=2,
        max_window=524_288,
        max_window_growth=262_144,
        max_unsent=400_000,
        max_frame=1_000,
        quantum=100,
        max_pongs=2,
        max_control=8,
        max_unread=100_000,
    ),
)

_LENGTHS = (
    0,
    1,
    12,
    1_023,
    1_024,
    16_384,
    262_143,
    262_144,
    262_145,
    2**24,
    2**24 + 1,
    2**31,
    2**32 - 262_145,
    2**32 - 1,
)
_LONGEST_BODY = 300_000
_ZEROS = bytes(_LONGEST_BODY)

_PERIOD = 251
_PATTERN = bytes(index % _PERIOD for index in range(_PERIOD + _LONGEST_BODY))
"""What is written to the streams of a pair: where a piece of it lies can be told from its bytes."""


class Tracked(Stream):
    """A stream that its session's ``owner``, a list, remembers."""

    __slots__ = ()

    def __init__(self, session: Session, stream_id: int, opening_flag: int) -> None:
        super().__init__(session, stream_id, opening_flag)
        session.owner.append(self)


def draw_frame(source: Source, body: Callable[[int], bytes]) -> bytes:
    """Draw a frame: mostly a valid header with a small stream id, and a body of its length where that is not huge."""
    kind, flags = source.byte(), source.byte()
    version, kind = (1 if kind == 255 else 0), (kind % 5 if kind >= 250 else kind % 4)
    stream_id = source.below(14)
    choice = source.byte()
    length = _LENGTHS[choice % len(_LENGTHS)] if choice >= 128 else choice
    header = pack_header(version, kind, flags & 15, stream_id, length)
    return header + (body(length) if kind == 0 and not version else b"")


def use_stream(source: Source, stream: Stream, write: Callable[[Stream, int], None]) -> None:
    """Do what an application may do with a stream."""
    operation = source.below(8)
    if operation <= 1:
        write(stream, source.size())
    elif operation == 2:
        stream.close_write()
    elif operation == 3:
        stream.close_read()
    elif operation == 4:
        stream.take_bytes(source.size())
    elif operation == 5:
        stream.weight = 1 + source.below(4)
    elif operation == 6:
        stream.reset(source.byte())
    else:
        stream.take()


def _write_zeros(stream: Stream, size: int) -> None:
    try:
        stream.write(_ZEROS[:size])
    except (StreamClosed, StreamReset, ConnectionClosed, LimitExceeded):
        return


# -- one session


def run_session(data: bytes) -> None:
    """One session takes any frames, while an application uses its streams as it likes."""
    source = Source(data)
    mode = source.byte()
    if mode & 1:
        _compare_cuts(source, mode)
    else:
        _Lonely(source, mode).run()


def _session(mode: int, ever: list[Stream]) -> Session:
    return Session(client=bool(mode & 2), config=CONFIGS[mode >> 2 & 1], stream_class=Tracked, owner=ever)


def _compare_cuts(source: Source, mode: int) -> None:
    """Raw bytes have the same effect in any cut."""
    sizes = source.cuts()
    body = source.rest()
    outcomes = []
    for pieces in (cut(body, sizes), [body]):
        ever: list[Stream] = []
        session = _session(mode, ever)
        fault = ""
        try:
            for piece in pieces:
                session.receive_data(piece, 0.0)
                check_session(session, ever)
        except YamuxError as error:
            fault = error.requirement
            require(session.terminated, "it failed, and is not over")
        check_session(session, ever)
        streams = [
            (stream.id, stream.state, stream.eof, b"".join(stream.received), stream.send_window) for stream in ever
        ]
        outcomes.append((fault, session.terminated, streams, session.data_to_send()))
    require(outcomes[0] == outcomes[1], f"the outcome depends on the cut: {outcomes[0]} and {outcomes[1]}")


class _Lonely:
    """A session without a peer: frames and what the application does are drawn from the source."""

    def __init__(self, source: Source, mode: int) -> None:
        self.source = source
        self.ever: list[Stream] = []
        self.session = _session(mode, self.ever)
        self.now = 0.0

    def run(self) -> None:
        while self.source:
            try:
                self._step()
            except YamuxError:
                require(self.session.terminated, "it failed, and is not over")
            check_session(self.session, self.ever)
            if self.session.terminated:
                break
        for message in self.session.data_to_send():
            check_frames(message)
        self.session.receive_eof(self.now)
        check_session(self.session, self.ever)

    def _step(self) -> None:
        source, session = self.source, self.session
        operation = source.below(12)
        if operation <= 4:
            frame = draw_frame(source, lambda length: _ZEROS[: min(length, _LONGEST_BODY)])
            for piece in cut(frame, source.cuts()):
                session.receive_data(piece, self.now)
        elif operation <= 7 and self.ever:
            use_stream(source, self.ever[source.byte() % len(self.ever)], _write_zeros)
        elif operation == 8:
            session.readable.clear()
            session.writable.clear()
            session.opened.clear()
            for message in session.data_to_send():
                check_frames(message)
                require(len(message) <= 65_519, f"a message of {len(message)} bytes is sent")
            require(not session.pending, "something is left to be sent")
        elif operation == 9:
            self.now += source.byte() / 8
            session.handle_timeout(self.now)
        elif operation == 10:
            session.ping(self.now)
        elif session.can_open:
            session.open()


# -- two sessions


class _Side:
    """One end of a pair: how much it has written to each stream, and read from it."""

    def __init__(self, *, client: bool, config: YamuxConfig) -> None:
        self.ever: list[Stream] = []
        self.session = Session(client=client, config=config, stream_class=Tracked, owner=self.ever)
        self.wire = bytearray()
        """What it has sent, and has not arrived."""
        self.written: dict[int, int] = {}
        self.read: dict[int, int] = {}
        self.phase = 0 if client else 101

    def piece(self, stream_id: int, start: int, size: int) -> bytes:
        """The bytes that this side writes to a stream from position ``start`` on."""
        offset = (self.phase + 37 * stream_id + start) % _PERIOD
        return _PATTERN[offset : offset + size]

    def write(self, stream: Stream, size: int) -> None:
        start = self.written.get(stream.id, 0)
        try:
            stream.write(self.piece(stream.id, start, size))
        except (StreamClosed, StreamReset, ConnectionClosed, LimitExceeded):
            return
        self.written[stream.id] = start + size

    def flush(self) -> None:
        for message in self.session.data_to_send():
            check_frames(message)
            self.wire += message
        require(not self.session.pending, "something is left to be sent")

    def receive(self, peer: _Side, size: int, now: float) -> None:
        piece = bytes(peer.wire[:size])
        del peer.wire[:size]
        self.session.receive_data(piece, now)

    def verify(self, stream: Stream, data: bytes, peer: _Side) -> None:
        """What was read from ``stream`` is what the peer wrote at this place."""
        start = self.read.get(stream.id, 0)
        while data:
            step = data[:_LONGEST_BODY]
            require(step == peer.piece(stream.id, start, len(step)), f"{stream!r} reads wrong bytes at {start}")
            start += len(step)
            data = data[_LONGEST_BODY:]
        self.read[stream.id] = start
        require(start <= peer.written.get(stream.id, 0), f"{stream!r} reads more than was written")


def run_pair(data: bytes) -> None:
    """Two sessions talk; all that is written arrives, once, in order, and their books balance."""
    source = Source(data)
    mode = source.byte()
    client = _Side(client=True, config=CONFIGS[mode & 1])
    server = _Side(client=False, config=CONFIGS[mode >> 1 & 1])
    now = 0.0
    while source:
        side, peer = (client, server) if source.byte() & 1 else (server, client)
        operation = source.below(12)
        if operation <= 2:
            side.flush()
        elif operation <= 4:
            size = source.byte()
            side.receive(peer, size if size < 128 else size * 1_024, now)
        elif operation <= 8 and side.ever:
            _use(source, side, peer)
        elif operation == 9:
            now += source.below(32) / 8
            if not _pass_time(side, now):
                break
        elif operation == 10:
            side.session.ping(now)
        elif side.session.can_open:
            side.session.open()
        check_session(side.session, side.ever)
        if side.session.terminated:
            break
    else:
        _come_to_rest(client, server, now)
        _check_arrived(client, server)
        _check_arrived(server, client)
    for side in (client, server):
        side.session.receive_eof(now)
        check_session(side.session, side.ever)


def _pass_time(side: _Side, now: float) -> bool:
    """Let time pass; False when the other end was silent for too long, as it may be in a drawn conversation."""
    side.session.now = now
    try:
        side.session.handle_timeout(now)
    except YamuxError as error:
        require(error.requirement == "YMX-18", f"time alone can't cause {error}")
        return False
    return True


def _use(source: Source, side: _Side, peer: _Side) -> None:
    stream = side.ever[source.byte() % len(side.ever)]
    operation = source.below(10)
    if operation <= 3:
        side.write(stream, source.size())
    elif operation == 4:
        side.verify(stream, stream.take_bytes(source.size()), peer)
    elif operation == 5:
        stream.close_write()
    elif operation == 6:
        stream.weight = 1 + source.below(4)
    elif operation == 7 and source.below(4) == 0:
        stream.reset(source.byte())
    elif operation == 8 and source.below(4) == 0:
        stream.close_read()
    else:
        side.verify(stream, b"".join(stream.take()), peer)


def _come_to_rest(client: _Side, server: _Side, now: float) -> None:
    """Exchange all that is left, and read all that arrives, until both sides are silent."""
    for _ in range(10_000):
        for side, peer in ((client, server), (server, client)):
            side.flush()
            peer.receive(side, len(side.wire), now)
            for stream in list(peer.ever):
                peer.verify(stream, b"".join(stream.take()), side)
            check_session(peer.session, peer.ever)
        if not (client.session.pending or server.session.pending):
            return
    require(holds=False, message="two sessions don't come to rest")


def _check_arrived(sender: _Side, receiver: _Side) -> None:
    """All that was written to streams that nobody has reset, or reads no more, has arrived."""
    others = {stream.id: stream for stream in receiver.ever}
    for stream in sender.ever:
        other = others.get(stream.id)
        if other is None:
            untold = stream.outbound and not sender.written.get(stream.id) and not stream.fin_wanted
            require(untold or stream.failure is not None, f"{stream!r} was opened, and the peer never saw it")
            continue
        if stream.failure is not None or other.failure is not None or other.read_closed:
            continue
        written, read = sender.written.get(stream.id, 0), receiver.read.get(stream.id, 0)
        require(written == read and not stream.unsent_size, f"{read} of {written} bytes of {stream!r} have arrived")
        require(other.eof == stream.fin_wanted, f"the end of {stream!r} has not arrived, or without being sent")
