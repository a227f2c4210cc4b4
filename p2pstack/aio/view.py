"""What can be asked about a connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from p2pstack.connection.machine import Connection as Machine
from p2pstack.errors import LocalError, P2PError
from p2pstack.identity.multiaddrs import Multiaddr, from_sockaddr

if TYPE_CHECKING:
    from p2pstack.aio.stream import Stream
    from p2pstack.identity.peer_id import PeerId

__all__ = ["ConnectionView"]


class ConnectionView(asyncio.BufferedProtocol):
    """The readable side of a connection; see :class:`p2pstack.aio.connection.Connection`."""

    __slots__ = (
        "_closing", "_local", "_remote", "circuit", "dialled", "direction", "id", "machine", "opened_at", "reused_port",
    )  # fmt: skip

    id: int
    """Its number in logs and traces."""

    direction: str
    """``"outbound"`` where this side dialled, else ``"inbound"``."""

    dialled: Multiaddr | None
    """The address that was dialled."""

    circuit: Multiaddr | None
    """The way through a relay to the peer, ``/…/p2p/RELAY/p2p-circuit``; None of a direct connection (RELAY-10)."""

    reused_port: bool
    """Whether it was dialled from the port that the host listens on: its end is where the host can be dialled."""

    opened_at: float
    """When the upgrade was over, on the clock of :func:`time.monotonic`; 0.0 before."""

    machine: Machine
    """The pure part."""

    _closing: bool
    _remote: tuple[object, ...]
    _local: tuple[object, ...]

    def __repr__(self) -> str:
        return f"<Connection {self}>"

    def __str__(self) -> str:
        remote = self.machine.remote
        who = str(remote.peer_id) if remote is not None else "not secured yet"
        return f"#{self.id} {self.direction} {who}"

    @property
    def peer_id(self) -> PeerId:
        """The peer, as its key has proven.

        Raises:
            LocalError: before the handshake is over.
        """
        if self.machine.remote is None:
            raise LocalError("the connection is not secured yet")
        return self.machine.remote.peer_id

    @property
    def remote_address(self) -> Multiaddr:
        """Where the peer is, as seen by this side; without ``/p2p`` at its end."""
        known = self.dialled if self.dialled is not None else self.circuit
        return known if known is not None else from_sockaddr(self._remote)

    @property
    def relayed(self) -> bool:
        """Whether it passes a relay, which limits its time and its bytes."""
        return self.circuit is not None

    @property
    def remote_host(self) -> str:
        """The peer's IP address as text, for limits; "" of a relayed connection."""
        return str(self._remote[0]) if self._remote else ""

    @property
    def local_address(self) -> Multiaddr:
        """This side's end of the TCP connection: of the one to the relay, where one is passed."""
        return from_sockaddr(self._local)

    @property
    def local_sockaddr(self) -> tuple[object, ...]:
        """The same as ``getsockname`` gives it."""
        return self._local

    @property
    def streams(self) -> list[Stream]:
        """The streams that are open now."""
        session = self.machine.session
        return [cast("Stream", stream) for stream in session.streams.values()] if session is not None else []

    @property
    def round_trip(self) -> float:
        """The latest measure of the round trip in seconds; 0.0 before the first."""
        return self.machine.session.round_trip if self.machine.session is not None else 0.0

    @property
    def last_received(self) -> float:
        """When the peer was last heard of, on the clock of :func:`time.monotonic`."""
        return self.machine.session.last_received if self.machine.session is not None else self.opened_at

    @property
    def closed(self) -> bool:
        """Whether it has ended, or is ending."""
        return self.machine.failure is not None or self._closing

    @property
    def close_reason(self) -> P2PError | None:
        """What ended it; None while it is open."""
        return self.machine.failure
