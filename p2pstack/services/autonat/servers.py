"""Which servers of AutoNAT can be asked now: one a group, those longest not asked first (AUTONAT1-04)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

from p2pstack.aio.connection import Connection
from p2pstack.autonat.protocols import DIAL_REQUEST, V1
from p2pstack.host.host import BaseHost
from p2pstack.services.autonat.places import group_of

__all__ = ["MAX_REMEMBERED", "Server", "Servers"]

MAX_REMEMBERED = 256
"""Groups of which is known when they were asked; those longest not asked are forgotten first."""


class Server(NamedTuple):
    """A server that can be asked: the connection to it, whose voice it has, and the versions that it speaks."""

    connection: Connection
    group: str
    v1: bool
    v2: bool


class Servers:
    """The servers among the peers that are connected, as of the last :meth:`look`, and when each group was asked."""

    def __init__(self, host: BaseHost, *, retry_interval: float, private: bool) -> None:
        self._host = host
        self._retry_interval = retry_interval
        self._private = private
        self._asked: dict[str, float] = {}
        self._known: list[Server] = []

    def look(self) -> None:
        """Find out who is there."""
        self._known = []
        for connection in self._host.connections():
            spoken = self._host.peerstore.protocols(connection.peer_id) or ()
            v1, v2 = V1 in spoken, DIAL_REQUEST in spoken
            group = group_of(connection, private=self._private) if v1 or v2 else None
            if group is not None:
                self._known.append(Server(connection, group, v1, v2))

    def take(self, now: float, suits: Callable[[Server], bool]) -> Server | None:
        """Return the next server that suits, and note that its group is asked at ``now``; None: there is none now.

        Those that we have dialled come before those that have dialled us, since who dials us chooses to.
        """
        free = [server for server in self._known if self._free_at(server) <= now and suits(server)]
        if not free:
            return None
        chosen = min(free, key=lambda each: (self._asked.get(each.group, -inf), each.connection.direction == "inbound"))
        self._asked.pop(chosen.group, None)
        self._asked[chosen.group] = now
        if len(self._asked) > MAX_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return chosen

    def next_at(self, suits: Callable[[Server], bool]) -> float:
        """Return when the next server that suits can be asked; inf: there is none."""
        return min((self._free_at(server) for server in self._known if suits(server)), default=inf)

    def _free_at(self, server: Server) -> float:
        asked = self._asked.get(server.group)
        return -inf if asked is None else asked + self._retry_interval
