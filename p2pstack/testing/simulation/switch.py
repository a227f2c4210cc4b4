"""Connections between nodes: who is connected with whom, and what is on its way between them.

Whatever the protocol, ``Payload`` is what its nodes send each other. It is handed over as it is: nobody may change
what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from p2pstack.errors import LocalError
from p2pstack.testing.simulation.clock import Clock
from p2pstack.testing.simulation.links import Links

__all__ = ["Connection", "Party", "Switch"]

Payload = TypeVar("Payload")
Payload_contra = TypeVar("Payload_contra", contravariant=True)


class Party(Protocol[Payload_contra]):
    """A node, as far as connections go."""

    def connected(self, other: int, *, outbound: bool) -> None:
        """A connection with the node of that address is up; ``outbound`` tells whether this side dialled."""

    def disconnected(self, other: int) -> None:
        """The connection is gone."""

    def received(self, sender: int, payload: Payload_contra) -> None:
        """Something has arrived."""


class Connection:
    """One connection; what is on its way when it closes never arrives."""

    __slots__ = ("arrivals", "dialler", "open", "target")

    def __init__(self, dialler: int, target: int) -> None:
        self.dialler = dialler
        self.target = target
        self.open = True
        # Of the last thing sent to each side. A stream keeps its order: nothing overtakes.
        self.arrivals = {dialler: 0.0, target: 0.0}


class Switch(Generic[Payload]):
    """All nodes and connections. Counts payloads: ``sent``, ``lost`` of these, and ``dropped`` for no connection."""

    def __init__(self, clock: Clock, links: Links) -> None:
        self.clock = clock
        self.links = links
        self.parties: dict[int, Party[Payload]] = {}
        self.sent = 0
        self.lost = 0
        self.dropped = 0
        self._connections: dict[int, dict[int, Connection]] = {}

    def add(self, address: int, party: Party[Payload]) -> None:
        """Put a node at an address.

        Raises:
            LocalError: there is one already.
        """
        if address in self.parties:
            raise LocalError(f"there is a node at address {address}")
        self.parties[address] = party
        self._connections[address] = {}

    def remove(self, address: int) -> None:
        """Take a node away, after its connections have closed."""
        for other in list(self._connections[address]):
            self.disconnect(address, other)
        del self.parties[address], self._connections[address]

    def neighbours(self, address: int) -> list[int]:
        """Return the addresses that are connected with ``address``, the oldest connection first."""
        return list(self._connections[address])

    def connect(self, dialler: int, target: int) -> bool:
        """Connect two nodes; False: they are the same, one is not there, they are connected, or the net is cut."""
        if dialler == target or dialler not in self.parties or target not in self.parties:
            return False
        if target in self._connections[dialler] or not self.links.joined(dialler, target):
            return False
        connection = Connection(dialler, target)
        self._connections[dialler][target] = self._connections[target][dialler] = connection
        self.parties[dialler].connected(target, outbound=True)
        self.parties[target].connected(dialler, outbound=False)
        return True

    def disconnect(self, one: int, other: int) -> None:
        """Close the connection of two nodes, if there is one."""
        connection = self._connections[one].pop(other, None)
        if connection is None:
            return
        del self._connections[other][one]
        connection.open = False
        self.parties[one].disconnected(other)
        self.parties[other].disconnected(one)

    def split(self, *sides: Iterable[int]) -> list[tuple[int, int]]:
        """Cut the net, and close what lay across; return these connections, as dialler and target."""
        self.links.split(*sides)
        broken = [
            (connection.dialler, connection.target)
            for address, connections in self._connections.items()
            for other, connection in connections.items()
            if connection.dialler == address and not self.links.joined(address, other)
        ]
        for dialler, target in broken:
            self.disconnect(dialler, target)
        return broken

    def send(self, source: int, target: int, payload: Payload, *, reliable: bool = False) -> bool:
        """Send to a neighbour; whether it will arrive, as far as is known now. HOT PATH.

        What is ``reliable`` is never lost: the sender would send it again until it is through.
        """
        connection = self._connections[source].get(target)
        if connection is None:
            self.dropped += 1
            return False
        self.sent += 1
        delay = self.links.delay(source, target, reliable=reliable)
        if delay is None:
            self.lost += 1
            return False
        arrival = max(self.clock.now + delay, connection.arrivals[target])
        connection.arrivals[target] = arrival
        self.clock.call_at(arrival, self._deliver, connection, source, target, payload)
        return True

    def _deliver(self, connection: Connection, source: int, target: int, payload: Payload) -> None:
        if connection.open:
            self.parties[target].received(source, payload)
