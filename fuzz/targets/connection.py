"""A whole connection: bytes of anybody, and of a peer that finishes the handshake and then says what it likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fuzz.checks import check_connection, check_frames, require
from fuzz.source import Source, cut
from fuzz.targets.yamux import CONFIGS, Tracked, draw_frame, use_stream
from p2pstack.connection.config import NOISE_PROTOCOL, YAMUX_PROTOCOL, ConnectionConfig
from p2pstack.connection.machine import Connection
from p2pstack.connection.protocols import opening
from p2pstack.crypto import x25519
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LimitExceeded,
    P2PError,
    RemoteError,
    StreamClosed,
    StreamError,
)
from p2pstack.identity.keys import PrivateKey
from p2pstack.multistream import MultistreamConfig
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from p2pstack.noise import FramedHandshake, Handshake, NoiseIdentity, Transport, VerifyCache
from p2pstack.testing.pair import make_endpoint, seeded_entropy
from p2pstack.yamux.stream import Stream

__all__ = ["run_client", "run_server"]

ECHO, OTHER = "/echo/1.0.0", "/other/2.0.0"

_CONFIGS = (
    ConnectionConfig(),
    ConnectionConfig(
        max_negotiating=2, multistream=MultistreamConfig(max_message=64, max_messages=4), yamux=CONFIGS[1]
    ),
)
_VERIFIED = VerifyCache()
_ENDPOINTS = tuple(replace(make_endpoint(1, (ECHO, OTHER), config=config), verified=_VERIFIED) for config in _CONFIGS)
_PEER_KEY = PrivateKey.from_seed(b"\x02" * 32)
_PEERS = tuple(NoiseIdentity(_PEER_KEY, muxers, b"\x22" * 32) for muxers in ((YAMUX_PROTOCOL,), ()))
_PEER_EPHEMERAL = (b"\x44" * 32, x25519.public_key(b"\x44" * 32))

_WORDS = (
    opening(ECHO), opening(OTHER), opening("/unknown/1.0.0"), HEADER, encode(ECHO), encode("/unknown/1.0.0"), NA, LS,
    HEADER + LS, HEADER + NA, HEADER[:7], b"", b"\x80", b"\x00", bytes(1_100), opening(ECHO) + bytes(300),
)  # fmt: skip
"""What may stand in the body of a frame: parts of negotiations, right and wrong."""

_RAW, _NO_MUXERS, _SMALL = 1, 2, 4
"""Bits of the first byte: no handshake; the peer doesn't name its muxer in it; small limits."""


def run_client(data: bytes) -> None:
    """We have dialled, and ``data`` decides who answers."""
    _Scene(data, initiator=True).run()


def run_server(data: bytes) -> None:
    """Somebody has dialled us, and ``data`` decides who."""
    _Scene(data, initiator=False).run()


class _Scene:
    """A connection under test, the peer's end of its secure channel, and an application that uses it."""

    def __init__(self, data: bytes, *, initiator: bool) -> None:
        self.source = Source(data)
        self.mode = self.source.byte()
        self.ever: list[Stream] = []
        endpoint = _ENDPOINTS[bool(self.mode & _SMALL)]
        self.connection = Connection(
            replace(endpoint, entropy=seeded_entropy(b"ours")),
            initiator=initiator,
            stream_class=Tracked,
            owner=self.ever,
        )
        self.now = 0.0
        self.transport: Transport | None = None
        self.heard: list[bytes] = []
        """Plaintexts that the peer has got and not looked at."""

    def run(self) -> None:
        if self.mode & _RAW:
            sizes = self.source.cuts()
            self._feed(cut(self.source.rest(), sizes))
        else:
            self._shake_hands()
            while self.source and self.connection.failure is None:
                self._step()
        self._end()

    # -- the peer

    def _shake_hands(self) -> None:
        """Play an honest peer up to the secure channel."""
        side = self.connection
        buffer = b"".join(side.data_to_send())
        handshake = FramedHandshake(
            Handshake(
                initiator=not side.initiator,
                local=_PEERS[bool(self.mode & _NO_MUXERS)],
                expected_peer=None,
                ephemeral=_PEER_EPHEMERAL,
                verified=_VERIFIED,
            )
        )
        self._feed([opening(NOISE_PROTOCOL)])
        buffer = (buffer + b"".join(side.data_to_send())).removeprefix(opening(NOISE_PROTOCOL))
        for _ in range(2):
            self._feed(handshake.data_to_send())
            buffer += b"".join(side.data_to_send())
            buffer = buffer[handshake.receive_frames(memoryview(buffer), 0, len(buffer)) :]
        self._feed(handshake.data_to_send())
        require(handshake.complete and side.failure is None, f"an honest handshake failed: {side.failure}")
        self.transport = handshake.transport()
        self._hear(buffer)

    def _hear(self, data: bytes) -> None:
        """Decrypt what our side has said; all of it is whole messages."""
        if self.transport is None:
            return
        taken = self.transport.open_frames(memoryview(data), 0, len(data), self.heard.append)
        require(taken == len(data), "a Noise message is cut")
        if not self.mode & _NO_MUXERS:
            for plaintext in self.heard:
                check_frames(plaintext)
            self.heard.clear()

    def _say(self, plaintext: bytes, sizes: Sequence[int]) -> None:
        assert self.transport is not None, "only a peer that has shaken hands says anything"
        sealed = b"".join(self.transport.seal_all(plaintext))
        self._feed(cut(sealed, list(sizes)))

    def _body(self, length: int) -> bytes:
        """The body of a frame of ``length`` bytes: a part of a negotiation, or bytes of the source."""
        choice = self.source.byte()
        word = _WORDS[choice % len(_WORDS)] if choice < 240 else self.source.take(choice - 220)
        return (word + bytes(min(length, 300_000)))[: min(length, 300_000)]

    # -- our side

    def _feed(self, pieces: Sequence[bytes]) -> None:
        side = self.connection
        for piece in pieces:
            failed = side.failure
            try:
                side.receive_data(piece, self.now)
            except RemoteError as error:
                require(failed is None and side.failure is error, "a failure is not the one that stays")
            check_connection(side, self.ever)

    def _step(self) -> None:
        source = self.source
        operation = source.below(12)
        if operation <= 4:
            plaintext = draw_frame(source, self._body)
            while source.below(4) == 3:
                plaintext += draw_frame(source, self._body)
            self._say(plaintext, source.cuts())
        elif operation == 5:
            self._say(self._proposal(), source.cuts())
        elif operation == 6:
            self._say(source.take(source.byte()), source.cuts())
        elif operation == 7:
            self._hear(b"".join(self.connection.data_to_send(source.size() + 1)))
        elif operation == 8:
            self._pass_time()
        elif operation == 9 and self.ever:
            use_stream(source, self.ever[source.byte() % len(self.ever)], self._write)
        elif operation == 10:
            self._echo()
        else:
            self._open()
        check_connection(self.connection, self.ever)

    def _proposal(self) -> bytes:
        """A part of a negotiation: on a stream in a frame of its own, or of the muxer as it is."""
        word = _WORDS[self.source.below(len(_WORDS))]
        if self.mode & _NO_MUXERS and not self.source.below(4):
            return opening(YAMUX_PROTOCOL)
        flags, stream_id = self.source.below(4), self.source.below(8)
        return bytes((0, 0, 0, flags)) + stream_id.to_bytes(4, "big") + len(word).to_bytes(4, "big") + word

    def _write(self, stream: Stream, size: int) -> None:
        try:
            stream.write(bytes(size))
        except (StreamError, LimitExceeded, P2PError) as error:
            require(error is stream.failure or isinstance(error, StreamClosed | LimitExceeded), f"write raises {error}")

    def _echo(self) -> None:
        session = self.connection.session
        if session is None:
            return
        for stream in session.opened:
            require(stream.protocol in {ECHO, OTHER}, f"a stream for {stream.protocol} is handed over")
        session.opened.clear()
        for stream in session.readable:
            stream.marked = False
            data = b"".join(stream.take())
            if data:
                self._write(stream, len(data))
        session.readable.clear()
        session.writable.clear()

    def _open(self) -> None:
        protocols = (ECHO, OTHER, "/last/3.0.0")[: 1 + self.source.below(3)]
        try:
            self.connection.open_stream(protocols, self.now)
        except (LimitExceeded, ConnectionClosed):
            return
        except P2PError:
            require(self.connection.session is None, "an open connection refuses a stream")

    def _pass_time(self) -> None:
        self.now += self.source.byte() / 8
        side = self.connection
        try:
            side.handle_timeout(self.now)
        except (RemoteError, DeadlineExceeded) as error:
            require(side.failure is error, "a failure is not the one that stays")
        when = side.next_timeout()
        require((when is None) == (side.failure is not None), "a connection that lives waits for some time")

    def _end(self) -> None:
        side = self.connection
        self._hear(b"".join(side.data_to_send()))
        try:
            side.receive_eof(self.now)
        except RemoteError as error:
            require(side.failure is error, "a failure is not the one that stays")
        check_connection(side, self.ever)
        require(side.failure is not None and side.next_timeout() is None, "a connection outlives its transport")
        require(not side.pending, "streams negotiate on a connection that is over")
        side.receive_data(b"more", self.now)
        side.close()
