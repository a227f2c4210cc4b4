"""A yamux session that is obviously right and not fast: one object a frame, one rule a line, whole frames only.

It receives; of its own it closes and resets. Its answers stand in ``out``, in the order of the events that caused them.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE
from tests.yamux.driving import Frame


class Fault(Exception):
    """The peer broke the rule with this id, or ended the session with an error (YMX-19)."""


@dataclass
class NaiveStream:
    id: int
    outbound: bool
    opening: int
    unread: bytes = b""
    window: int = INITIAL_WINDOW
    consumed: int = 0
    send_window: int = INITIAL_WINDOW
    acknowledged: bool = False
    eof: bool = False
    fin_sent: bool = False
    read_closed: bool = False
    reset: int | None = None
    lost: bool = False

    @property
    def dead(self) -> bool:
        return self.lost or self.reset is not None


class NaiveSession:
    def __init__(self, *, client: bool, config: YamuxConfig) -> None:
        self.client = client
        self.config = config
        self.streams: dict[int, NaiveStream] = {}
        self.ever: list[NaiveStream] = []
        self.out: list[Frame] = []
        self.pongs = 0
        self.over = False
        self.next_id = 1 if client else 2

    # -- what the application does

    def open(self) -> NaiveStream:
        self.next_id += 2
        return self._new(self.next_id - 2, outbound=True)

    def take(self, stream: NaiveStream) -> bytes:
        data, stream.unread = stream.unread, b""
        stream.consumed += len(data)
        if stream.consumed * 2 >= INITIAL_WINDOW and not stream.eof and not stream.dead:
            self._say(stream, WINDOW_UPDATE, 0, stream.consumed)
            stream.window += stream.consumed
            stream.consumed = 0
        return data

    def close_write(self, stream: NaiveStream) -> None:
        if not stream.dead and not stream.fin_sent:
            stream.fin_sent = True
            self._say(stream, WINDOW_UPDATE, FIN, 0)
            self._end_if_both(stream)

    def close_read(self, stream: NaiveStream) -> None:
        if not stream.dead:
            stream.read_closed = True
            stream.unread = b""

    def kill(self, stream: NaiveStream, code: int) -> None:
        if not stream.dead and not (stream.eof and stream.fin_sent):
            stream.opening = 0
            self._say(stream, WINDOW_UPDATE, RST, code)
            self._die(stream, code)

    # -- what the peer does

    def receive(self, frame: Frame) -> None:
        if self.over:
            return
        if frame.version != 0 or frame.kind > GO_AWAY:
            self._fault("YMX-01")
        if frame.kind == PING:
            if frame.flags & SYN and self.pongs < self.config.max_pongs:
                self.pongs += 1
                self.out.append(Frame(PING, ACK, 0, frame.length))
        elif frame.kind == GO_AWAY:
            self._end()
            if frame.length:
                raise Fault("YMX-19")
        else:
            self._receive_stream_frame(frame)

    def _receive_stream_frame(self, frame: Frame) -> None:
        stream = self.streams.get(frame.stream)
        if frame.flags & SYN:
            stream = self._receive_syn(frame)
        if stream is None:
            if frame.kind == DATA and frame.length > self.config.max_body:
                self._fault("YMX-16")
            return
        if frame.flags & ACK and stream.outbound:
            stream.acknowledged = True
        if frame.kind == DATA:
            if frame.length > stream.window:
                self._fault("YMX-07")
            stream.window -= frame.length
            if not stream.eof and not stream.read_closed:
                stream.unread += frame.body
        elif not frame.flags & RST:
            stream.send_window += frame.length
            if stream.send_window >= 2**32:
                self._fault("YMX-09")
        if frame.flags & RST:
            self._die(stream, frame.length if frame.kind == WINDOW_UPDATE else 0)
        elif frame.flags & FIN:
            stream.eof = True
            self._end_if_both(stream)

    def _receive_syn(self, frame: Frame) -> NaiveStream | None:
        if frame.stream in self.streams:
            self._fault("YMX-05")
        if frame.stream == 0 or (frame.stream % 2 == 1) == self.client:
            self._fault("YMX-03")
        if frame.kind == DATA and frame.length > INITIAL_WINDOW:
            self._fault("YMX-08")
        if frame.flags & RST:
            return None
        if sum(not stream.outbound for stream in self.streams.values()) >= self.config.max_inbound_streams:
            self.out.append(Frame(WINDOW_UPDATE, RST, frame.stream, 0x1002))
            return None
        return self._new(frame.stream, outbound=False)

    # -- both

    def _new(self, stream_id: int, *, outbound: bool) -> NaiveStream:
        stream = self.streams[stream_id] = NaiveStream(stream_id, outbound, SYN if outbound else ACK)
        self.ever.append(stream)
        return stream

    def _say(self, stream: NaiveStream, kind: int, flags: int, length: int) -> None:
        self.out.append(Frame(kind, flags | stream.opening, stream.id, length))
        stream.opening = 0

    def _end_if_both(self, stream: NaiveStream) -> None:
        if stream.eof and stream.fin_sent:
            del self.streams[stream.id]

    def _die(self, stream: NaiveStream, code: int) -> None:
        stream.reset = code
        stream.unread = b""
        del self.streams[stream.id]

    def _fault(self, requirement: str) -> None:
        self.out.append(Frame(GO_AWAY, 0, 0, 1))
        self._end()
        raise Fault(requirement)

    def _end(self) -> None:
        self.over = True
        for stream in self.streams.values():
            stream.lost = True
