"""The other side of a connection, by hand: it does the upgrade step by step, and then says whatever a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from p2pstack.connection.config import NOISE_PROTOCOL, YAMUX_PROTOCOL, ConnectionConfig
from p2pstack.connection.machine import Connection
from p2pstack.connection.protocols import opening
from p2pstack.crypto.x25519 import generate
from p2pstack.errors import RemoteError
from p2pstack.identity.keys import PrivateKey
from p2pstack.noise import FramedHandshake, Handshake, NoiseIdentity, Transport
from p2pstack.testing.pair import Pair, make_endpoint, seeded_entropy
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from tests.yamux.driving import Frame, parse

ECHO = "/echo/1.0.0"
OTHER = "/other/2.0.0"
cuts = st.lists(st.integers(1, 60), max_size=40)
"""Sizes of segments; what is left over is the last one."""


def cutter(sizes: Iterable[int]) -> Callable[[bytes], Iterator[bytes]]:
    """Cut everything that is sent into segments of these sizes, in turn, as long as they last."""
    left = iter(tuple(sizes))

    def cut(data: bytes) -> Iterator[bytes]:
        while data:
            size = next(left, len(data))
            yield data[:size]
            data = data[size:]

    return cut


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for value in data:
        yield bytes((value,))


def connection(*, initiator: bool, protocols: Sequence[str] = (ECHO, OTHER), **limits: Any) -> Connection:
    """A connection with a configuration of its own; its peer is for the test to play."""
    config = ConnectionConfig(**limits)
    return Connection(make_endpoint(1, protocols, config=config), initiator=initiator)


def session_of(side: Connection) -> Session:
    assert side.session is not None
    return side.session


def upgraded(pair: Pair) -> tuple[Session, Session]:
    """Carry both sides of a pair through the upgrade."""
    pair.run()
    assert pair.failures == []
    return session_of(pair.client), session_of(pair.server)


def take(stream: Stream) -> bytes:
    return b"".join(stream.take())


def said(side: Connection) -> bytes:
    return b"".join(side.data_to_send())


class BarePeer:
    """Plays the other side. Without ``muxers`` it names none in the handshake, as rust."""

    def __init__(self, connection: Connection, muxers: Sequence[str] = (YAMUX_PROTOCOL,)) -> None:
        self.connection = connection
        self.now = 0.0
        self._buffer = said(connection)
        entropy = seeded_entropy(b"bare")
        self.key = PrivateKey.from_seed(entropy(32))
        self.handshake = FramedHandshake(
            Handshake(
                initiator=not connection.initiator,
                local=NoiseIdentity(self.key, muxers, entropy=entropy),
                expected_peer=None,
                ephemeral=generate(entropy),
            )
        )
        self._transport: Transport | None = None

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.receive_data(data, self.now)
        self._buffer += said(self.connection)

    def take_raw(self) -> bytes:
        """Return, and forget, all that the connection has said and that was not read yet."""
        data, self._buffer = self._buffer + said(self.connection), b""
        return data

    def read(self, expected: bytes) -> None:
        """Check that this is what the connection says next."""
        self._buffer += said(self.connection)
        assert self._buffer.startswith(expected)
        self._buffer = self._buffer.removeprefix(expected)

    def agree_on_noise(self) -> None:
        """Propose, or accept, ``/noise``."""
        if self.connection.initiator:
            self.read(opening(NOISE_PROTOCOL))
            self.send_raw(opening(NOISE_PROTOCOL))
        else:
            self.send_raw(opening(NOISE_PROTOCOL))
            self.read(opening(NOISE_PROTOCOL))

    def shake_hands(self) -> None:
        """Go through the handshake."""
        for _ in range(3):
            for message in self.handshake.data_to_send():
                self.send_raw(message)
            view = memoryview(self._buffer)
            self._buffer = bytes(view[self.handshake.receive_frames(view, 0, len(view)) :])
        assert self.handshake.complete
        self._transport = self.handshake.transport()

    def secure(self) -> BarePeer:
        """Do all up to the secure channel; with muxers on both sides it carries yamux from here on."""
        self.agree_on_noise()
        self.shake_hands()
        return self

    @property
    def transport(self) -> Transport:
        assert self._transport is not None
        return self._transport

    def send(self, *plaintexts: bytes) -> None:
        """Send each plaintext as a Noise message, all in one segment."""
        self.send_raw(b"".join(self.transport.seal(plaintext) for plaintext in plaintexts))

    def plaintext(self) -> bytes:
        """Decrypt what the connection has said."""
        data = self.take_raw()
        plaintexts: list[bytes] = []
        assert self.transport.open_frames(memoryview(data), 0, len(data), plaintexts.append) == len(data)
        return b"".join(plaintexts)

    def frames(self) -> list[Frame]:
        return parse(self.plaintext())


def peer_of(side: Connection, muxers: Sequence[str] = (YAMUX_PROTOCOL,)) -> BarePeer:
    """A peer that has done the upgrade with ``side`` by early muxer negotiation; the first ping was read."""
    peer = BarePeer(side, muxers).secure()
    peer.frames()
    assert side.opened
    return peer


def fails(call: Callable[[], object]) -> RemoteError:
    """The RemoteError that the call raises; nothing else may come."""
    try:
        call()
    except RemoteError as error:
        return error
    raise AssertionError("nothing was raised")


def refusal(side: Connection, *segments: bytes) -> RemoteError:
    """The RemoteError that these bytes of the peer cause."""

    def feed() -> None:
        for segment in segments:
            side.receive_data(segment, 0.0)

    return fails(feed)
