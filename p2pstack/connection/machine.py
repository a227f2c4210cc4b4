"""The whole of a connection without its socket: upgrade, multiplexer, streams and their protocols. Pure; hot path.

Bytes go in by :meth:`Connection.receive_buffer` (or :meth:`~Connection.receive_data`, which keeps the rest of an
incomplete frame itself), bytes come out of :meth:`~Connection.data_to_send`. In between, whoever drives it looks at
``opened`` and at the lists of the ``session``: ``opened``, ``readable`` and ``writable``.

    >>> # two machines and no socket: see p2pstack.testing.Pair

Guarded by the rows ``ping``, ``streams`` and ``bulk`` of ``python -m benchmarks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.negotiation import Negotiations, Offer
from p2pstack.connection.protocols import ProtocolTable
from p2pstack.connection.trace import Tracer
from p2pstack.connection.upgrade import Phase, Upgrade
from p2pstack.crypto.x25519 import generate
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LocalError,
    P2PError,
    RemoteError,
)
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise.identity import NoiseIdentity, RemoteIdentity
from p2pstack.noise.transport import Transport
from p2pstack.noise.verified import VerifyCache
from p2pstack.yamux.frames import GOAWAY_NORMAL
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from p2pstack.yamux.window import Budget

__all__ = ["Connection", "Endpoint"]

_MESSAGE = 65_519
"""Plaintext of the largest Noise message (NOISE-13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What all connections of a host have in common."""

    identity: NoiseIdentity
    """Its key, its Noise key and the payload that ties one to the other."""

    protocols: ProtocolTable
    """The protocols that it serves."""

    config: ConnectionConfig
    """The limits of each connection."""

    entropy: Callable[[int], bytes]
    """Returns that many random bytes; for the ephemeral keys of handshakes."""

    verified: VerifyCache | None = None
    """Signatures that were checked lately."""

    budget: Budget | None = None
    """What the receive windows of all connections may grow together."""

    inbound_streams: Budget | None = None
    """How many streams the peers of all connections may hold open together."""


class Connection:
    """One side of a connection; ``initiator`` is the side that speaks first, usually the one that dialled.

    ``opened`` turns true once, when streams can be opened. ``remote`` tells who the peer is. ``failure`` is what
    ended the connection. ``stream_class`` makes the streams, which find ``owner`` at their session; ``pending`` holds
    those that negotiate. ``now`` and all times are of the caller's clock, in seconds.
    """

    __slots__ = (
        "_deadline",
        "_endpoint",
        "_negotiations",
        "_outgoing",
        "_owner",
        "_rest",
        "_stream_class",
        "_transport",
        "_upgrade",
        "failure",
        "initiator",
        "opened",
        "pending",
        "remote",
        "session",
        "tracer",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        initiator: bool,
        now: float = 0.0,
        expected_peer: PeerId | None = None,
        stream_class: type[Stream] = Stream,
        owner: object = None,
        tracer: Tracer | None = None,
    ) -> None:
        config = endpoint.config
        self.initiator = initiator
        self._stream_class = stream_class
        self._owner = owner
        self.tracer = tracer
        self.opened = False
        self.remote: RemoteIdentity | None = None
        self.session: Session | None = None
        self.failure: P2PError | None = None
        self._endpoint = endpoint
        self._transport: Transport | None = None
        self._rest = b""
        self._deadline = now + config.upgrade_timeout
        self._negotiations = Negotiations(endpoint.protocols, config, tracer)
        self.pending = self._negotiations.pending
        self._upgrade: Upgrade | None = Upgrade(
            initiator=initiator,
            identity=endpoint.identity,
            ephemeral=generate(endpoint.entropy),
            expected_peer=expected_peer,
            config=config,
            verified=endpoint.verified,
        )
        self._outgoing = self._upgrade.data_to_send()

    # -- receiving

    def receive_data(self, data: bytes, now: float) -> None:
        """Feed received bytes, cut anywhere.

        Raises:
            RemoteError: the peer broke a rule; send what :meth:`data_to_send` returns, then close.
        """
        view = memoryview(self._rest + data if self._rest else data)
        used = self.receive_buffer(view, 0, len(view), now)
        self._rest = bytes(view[used:])

    def receive_buffer(self, view: memoryview, start: int, end: int, now: float) -> int:
        """Take as much of ``view[start:end]`` as makes whole messages; return where the rest begins.

        The rest has to stand in front of the next bytes at the next call. Nothing keeps a reference to ``view``. Once
        the connection has failed all input is ignored.

        Raises:
            RemoteError: as for :meth:`receive_data`.
        """
        if self.failure is not None:
            return end
        tracer = self.tracer
        if tracer is not None:
            tracer.now = now
        try:
            if self._upgrade is not None:
                start = self._receive_upgrade(self._upgrade, view, start, end, now)
                if self._upgrade is not None:
                    return start
            session = self.session
            transport = self._transport
            assert session is not None, "it begins before the upgrade ends"
            assert transport is not None, "likewise"
            session.now = now
            start = transport.open_frames(view, start, end, session.receive)
        except RemoteError as error:
            self.fail(error)
            raise
        if session.terminated:
            self.fail(ConnectionClosed("the peer closed the session"))
        return start

    def receive_eof(self, now: float) -> None:
        """The transport has ended. Idempotent.

        Raises:
            RemoteError: in the middle of the upgrade.
        """
        if self._upgrade is not None and self.failure is None:
            try:
                self._upgrade.receive_eof()
            except RemoteError as error:
                self.fail(error)
                raise
        self.fail(ConnectionClosed("the peer closed the connection"))

    def _receive_upgrade(self, upgrade: Upgrade, view: memoryview, start: int, end: int, now: float) -> int:
        """Go on with the upgrade; once it may send, there is a session, and once it is done, no upgrade."""
        start = upgrade.receive(view, start, end)
        self._outgoing += upgrade.data_to_send()
        if self.session is None and upgrade.may_send:
            self._open(upgrade, now)
        if upgrade.phase is Phase.DONE:
            self._upgrade = None
            assert self.session is not None, "it begins as soon as anything may be sent"
            for plaintext in upgrade.early:
                self.session.receive_data(plaintext, now)
        return start

    def _open(self, upgrade: Upgrade, now: float) -> None:
        """Start the multiplexer on the secure channel."""
        self.remote = upgrade.remote
        self._transport = upgrade.transport
        config = self._endpoint.config
        self.session = Session(
            client=self.initiator,
            config=config.yamux,
            now=now,
            stream_class=self._stream_class,
            owner=self._owner,
            accept=self._negotiations.accept,
            ended=self._negotiations.end,
            budget=self._endpoint.budget,
            inbound_budget=self._endpoint.inbound_streams,
            trace=self.tracer.frame if self.tracer is not None else None,
            trace_window=self.tracer.window if self.tracer is not None else None,
        )
        self.session.ping(now)
        self.opened = True
        if self.tracer is not None and self.remote is not None:
            self.tracer.event("opened", peer=str(self.remote.peer_id), initiator=self.initiator)

    # -- sending

    def data_to_send(self, limit: int = 1 << 62) -> list[bytes]:
        """Return ciphertext to send, in order: whole messages until ``limit`` plaintext bytes are passed."""
        outgoing = self._outgoing
        if outgoing:
            self._outgoing = []
        else:
            outgoing = []
        session = self.session
        transport = self._transport
        if session is None or transport is None:
            return outgoing
        total = 0
        while total < limit and (session.control or session.fresh or session.turns):
            parts, size = session.gather(_MESSAGE)
            if not size:
                break
            plaintext = b"".join(parts)
            if self.tracer is not None:
                self.tracer.message(plaintext)
            outgoing.append(transport.seal(plaintext))
            total += size
        return outgoing

    # -- streams

    def open_stream(self, protocols: Sequence[str], now: float) -> Stream:
        """Open a stream and propose ``protocols`` in order.

        With one protocol the stream may be written to at once (MSS-06). With several its ``protocol`` must be
        waited for: the stream is marked readable when it is agreed on.

        Raises:
            LocalError: no protocol was given, or one that can't be proposed, or the connection is not open yet.
            ConnectionClosed: it is over.
            LimitExceeded: no further stream may be opened now; see ``session.can_open``.
        """
        session = self.session
        if self.failure is not None:
            raise ConnectionClosed(reason=self.failure)
        if session is None:
            raise LocalError("the connection is not open yet")
        if not protocols:
            raise LocalError("no protocol was given")
        session.now = now
        offer = Offer(protocols, self._endpoint.config.multistream)
        stream = session.open()
        self._negotiations.propose(stream, offer)
        return stream

    # -- the end, and time

    def close(self, code: int = GOAWAY_NORMAL) -> None:
        """Queue a GoAway and end every stream; send what :meth:`data_to_send` returns, then close. Idempotent."""
        if self.session is not None and not self.session.terminated:
            self.session.go_away(code)
        self.fail(ConnectionClosed("the connection was closed here"))

    def fail(self, reason: P2PError) -> None:
        """End the connection and its session with ``reason``, without a goodbye. Idempotent: the first reason stays."""
        if self.failure is not None:
            return
        self.failure = reason
        if self.session is not None:
            self.session.terminate(reason)
        if self.tracer is not None:
            self.tracer.event("closed", reason=str(reason))

    def next_timeout(self) -> float | None:
        """When :meth:`handle_timeout` wants to be called, or None once the connection is over."""
        if self.failure is not None:
            return None
        if self._upgrade is not None:
            return self._deadline
        assert self.session is not None, "it begins before the upgrade ends"
        when = self._negotiations.next_timeout()
        later = self.session.next_timeout()
        return later if when is None or later is None else min(when, later)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at ``now``.

        Raises:
            RemoteError: the upgrade took too long, or the peer gives no sign of life.
            DeadlineExceeded: likewise, for the upgrade.
        """
        if self.failure is not None:
            return
        if self._upgrade is not None:
            if now >= self._deadline:
                timeout = self._endpoint.config.upgrade_timeout
                phase = self._upgrade.phase.value
                error = DeadlineExceeded(f"the upgrade did not end within {timeout:g} s (in {phase})")
                self.fail(error)
                raise error
            return
        assert self.session is not None, "it begins before the upgrade ends"
        self._negotiations.handle_timeout(now)
        try:
            self.session.handle_timeout(now)
        except RemoteError as error:
            self.fail(error)
            raise
