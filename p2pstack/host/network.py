"""The connections of a host, by peer: admission, bookkeeping, and what is told of them (GEN-05, GEN-11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.errors import DeadlineExceeded, GatedError, LimitExceeded, P2PError
from p2pstack.host.config import HostConfig
from p2pstack.host.events import ConnectionEnded, ConnectionOpened, EventBus, PeerConnected, PeerDisconnected
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.limits import Limits
from p2pstack.host.manager import ConnectionManager
from p2pstack.host.peerstore import Peerstore
from p2pstack.identity.peer_id import PeerId

__all__ = ["Network"]


class Network:
    """Owns every connection from its first byte to its last; see :class:`p2pstack.aio.runtime.Owner`."""

    def __init__(
        self,
        own_id: PeerId,
        config: HostConfig,
        limits: Limits,
        manager: ConnectionManager,
        peerstore: Peerstore,
        events: EventBus,
        gate: ConnectionGate,
    ) -> None:
        self._own_id = own_id
        self._config = config
        self._limits = limits
        self._manager = manager
        self._peerstore = peerstore
        self._events = events
        self._gate = gate
        self._admitted: dict[Connection, bool] = {}
        self._peers: dict[PeerId, list[Connection]] = {}
        self._outlived: dict[Connection, asyncio.TimerHandle] = {}
        self.closing = False
        self.on_opened: list[Callable[[Connection], None]] = []

    # -- what there is

    @property
    def peers(self) -> list[PeerId]:
        """The peers with at least one connection."""
        return list(self._peers)

    def connections(self, peer: PeerId | None = None) -> list[Connection]:
        """Return the open connections, of ``peer`` or of all."""
        if peer is not None:
            return list(self._peers.get(peer, ()))
        return [connection for connections in self._peers.values() for connection in connections]

    def every_connection(self) -> list[Connection]:
        """Return the open connections and those that are still being upgraded."""
        return list(self._admitted)

    def best(self, peer: PeerId) -> Connection | None:
        """Return the connection to ``peer`` that new streams should use, or None.

        One that passes no relay comes first. Where both have dialled at once there are two, and both sides pick the
        same: the one that was dialled by the peer with the smaller id.
        """
        usable = [connection for connection in self._peers.get(peer, ()) if not connection.closed]
        if len(usable) < 2:
            return usable[0] if usable else None
        preferred = "outbound" if self._own_id < peer else "inbound"
        return min(usable, key=lambda each: (each.relayed, each.direction != preferred, each.id))

    # -- the life of a connection

    def admit(self, connection: Connection) -> P2PError | None:
        """Decide on a connected socket."""
        if self.closing:
            return GatedError("the host is closing")
        if connection.direction == "outbound":
            refusal = self._limits.admit_outbound()
        elif not self._gate.open and not self._gate.allow_inbound(connection.remote_address):
            return GatedError("the connection gate refused the address")
        else:
            refusal = self._limits.admit_inbound(connection.remote_host, monotonic())
        if refusal is None:
            self._admitted[connection] = False
        return refusal

    def opened(self, connection: Connection) -> P2PError | None:
        """Take an upgraded connection."""
        if connection.direction == "inbound":
            self._limits.upgraded()
        self._admitted[connection] = True
        peer = connection.peer_id
        if peer == self._own_id:
            return GatedError("the host connected to itself")
        gate = self._gate
        if not gate.open and not gate.allow_peer(peer, connection.remote_address, connection.direction):
            return GatedError("the connection gate refused the peer")
        connections = self._peers.get(peer)
        if connections is not None and len(connections) >= self._config.limits.connections_per_peer:
            return LimitExceeded("connections_per_peer", self._config.limits.connections_per_peer)
        if connections is None:
            connections = self._peers[peer] = []
            self._peerstore.pin(peer)
        connections.append(connection)
        self._events.emit(ConnectionOpened(connection=connection))
        if len(connections) == 1:
            self._events.emit(PeerConnected(peer=peer))
        for callback in self.on_opened:
            callback(connection)
        if self._manager.is_due(len(self._admitted), now := monotonic()):
            for surplus in self._manager.surplus(self.connections(), now):
                surplus.abort(LimitExceeded("manager.high_water", self._config.manager.high_water))
        return None

    def ended(self, connection: Connection) -> None:
        """Forget a connection."""
        upgraded = self._admitted.pop(connection, None)
        if upgraded is None:
            return
        if connection.handlers:
            self._give_grace(connection)
        if connection.direction == "outbound":
            self._limits.release_outbound()
        else:
            self._limits.release_inbound(connection.remote_host, upgraded=upgraded)
        if not upgraded:
            return
        peer = connection.peer_id
        connections = self._peers.get(peer, [])
        if connection not in connections:
            return
        connections.remove(connection)
        self._events.emit(ConnectionEnded(connection=connection, reason=connection.close_reason))
        if not connections:
            del self._peers[peer]
            self._peerstore.unpin(peer, monotonic() + self._config.peerstore.address_ttl)
            self._events.emit(PeerDisconnected(peer=peer))

    def _give_grace(self, connection: Connection) -> None:
        """Let the handlers of an ended connection go on for a while, and no longer (GEN-03)."""
        handlers = connection.handlers
        self._outlived[connection] = connection.loop.call_later(self._config.shell.handler_grace, handlers.cancel)
        handlers.on_idle = lambda: self._outlived.pop(connection).cancel()

    def abort_all(self) -> list[asyncio.Task[None]]:
        """End what is left, at once; return the tasks of handlers that still run, which are cancelled."""
        tasks: list[asyncio.Task[None]] = []
        for connection in [*self._admitted, *self._outlived]:
            tasks += connection.shut_down_handlers()
            connection.abort(DeadlineExceeded("the host was closed"))
        return tasks
