"""Two connections that talk to each other in memory, under a clock that the caller moves.

For tests of protocols, ours and those of users: no socket, no sleep, and the same bytes at every run, since keys and
entropy come from a seed. ::

    pair = Pair(server_protocols=["/echo/1.0.0"])
    stream = pair.client.open_stream(["/echo/1.0.0"], pair.now)
    stream.write(b"hello")
    pair.run()
    [inbound] = pair.take_opened(pair.server)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from p2pstack.connection.config import YAMUX_PROTOCOL, ConnectionConfig
from p2pstack.connection.machine import Connection, Endpoint
from p2pstack.connection.protocols import ProtocolTable
from p2pstack.errors import P2PError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise.identity import NoiseIdentity
from p2pstack.yamux.stream import Stream

__all__ = ["Pair", "make_endpoint", "seeded_entropy"]

Cut = Callable[[bytes], Iterable[bytes]]
"""Cuts what one side sends into the pieces in which the other receives it."""


def seeded_entropy(seed: bytes) -> Callable[[int], bytes]:
    """Return a source of bytes that look random and are the same for the same seed."""
    counter = 0

    def entropy(size: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(seed + counter.to_bytes(8, "big")).digest(size)

    return entropy


def make_endpoint(
    seed: int,
    protocols: Sequence[str] = (),
    *,
    config: ConnectionConfig | None = None,
    muxers: Sequence[str] = (YAMUX_PROTOCOL,),
) -> Endpoint:
    """Return an endpoint whose keys are made from ``seed``.

    Without ``muxers`` it doesn't name its muxer in the handshake, as rust-libp2p.
    """
    entropy = seeded_entropy(seed.to_bytes(8, "big"))
    return Endpoint(
        identity=NoiseIdentity(PrivateKey.from_seed(entropy(32)), muxers, entropy=entropy),
        protocols=ProtocolTable(tuple(protocols)),
        config=config or ConnectionConfig(),
        entropy=entropy,
    )


class Pair:
    """A client and a server connection and the wire between them.

    ``latency`` is the one-way delay in seconds. ``cut`` tears apart what is sent. ``failures`` collects what
    ``receive_data`` raised, by side.
    """

    def __init__(
        self,
        *,
        client: Endpoint | None = None,
        server: Endpoint | None = None,
        client_protocols: Sequence[str] = (),
        server_protocols: Sequence[str] = (),
        expected_peer: PeerId | None = None,
        latency: float = 0.0,
        cut: Cut | None = None,
        stream_class: type[Stream] = Stream,
    ) -> None:
        self.now = 0.0
        self.latency = latency
        self.cut = cut
        self.client = Connection(
            client or make_endpoint(1, client_protocols),
            initiator=True,
            expected_peer=expected_peer,
            stream_class=stream_class,
        )
        self.server = Connection(
            server or make_endpoint(2, server_protocols), initiator=False, stream_class=stream_class
        )
        self.failures: list[tuple[Connection, P2PError]] = []
        self._wire: list[tuple[float, Connection, bytes]] = []

    def send(self) -> bool:
        """Put on the wire what both sides have to say; whether there was anything."""
        said = False
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            data = b"".join(sender.data_to_send())
            if data:
                said = True
                for piece in self.cut(data) if self.cut is not None else (data,):
                    self._wire.append((self.now + self.latency, receiver, piece))
        return said

    def deliver(self) -> bool:
        """Deliver what has arrived by now; whether there was anything."""
        arrived = [entry for entry in self._wire if entry[0] <= self.now]
        self._wire = [entry for entry in self._wire if entry[0] > self.now]
        for _, receiver, piece in arrived:
            if receiver.failure is not None:
                continue
            try:
                receiver.receive_data(piece, self.now)
            except P2PError as error:
                self.failures.append((receiver, error))
        return bool(arrived)

    def run(self, rounds: int = 10_000) -> None:
        """Exchange until both are silent, moving the clock by what the wire takes.

        Raises:
            RuntimeError: they are not silent after ``rounds`` rounds.
        """
        for _ in range(rounds):
            self.send()
            if not self.deliver():
                if not self._wire:
                    return
                self.now = self._wire[0][0]
        raise RuntimeError(f"the two sides still talk after {rounds} rounds")

    def advance(self, seconds: float) -> None:
        """Move the clock, running what is due on the way, and exchange what comes of it."""
        end = self.now + seconds
        while True:
            self.run()
            due = [when for when in (self.client.next_timeout(), self.server.next_timeout()) if when is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            for side in (self.client, self.server):
                when = side.next_timeout()
                if when is not None and when <= self.now:
                    try:
                        side.handle_timeout(self.now)
                    except P2PError as error:
                        self.failures.append((side, error))
        self.now = end

    def take_opened(self, side: Connection) -> list[Stream]:
        """Return the inbound streams of ``side`` whose protocol was agreed on since the last call."""
        session = side.session
        if session is None:
            return []
        opened, session.opened = session.opened, []
        return opened
