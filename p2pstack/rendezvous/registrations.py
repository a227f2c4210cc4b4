"""Who is registered where, until when, and who may be (RDV-05, RDV-06, RDV-09).

Registrations are numbered as they come, renewed ones anew, and are found in the order of their numbers: so a number
says what somebody knows already.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.rendezvous.config import RendezvousConfig

__all__ = ["Registration", "Registrations"]

_SLACK = 64
"""Deadlines of registrations that are no more, beside as many as there are ones in force, before they are cleared."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A peer in a namespace, with its signed record, until ``expires`` on the caller's clock; b"" is no group."""

    number: int
    peer: PeerId
    namespace: str
    record: bytes
    expires: float
    group: bytes = b""


def _number(registration: Registration) -> int:
    return registration.number


class Registrations:
    """All registrations of a point. The clock is the caller's."""

    __slots__ = ("_config", "_deadlines", "_everywhere", "_groups", "_held", "_last", "_namespaces", "_peers")

    def __init__(self, config: RendezvousConfig) -> None:
        self._config = config
        self._held: dict[tuple[PeerId, str], Registration] = {}
        self._everywhere: list[Registration] = []
        self._namespaces: dict[str, list[Registration]] = {}
        self._peers: Counter[PeerId] = Counter()
        self._groups: Counter[bytes] = Counter()
        self._deadlines: list[tuple[float, int, PeerId, str]] = []
        self._last = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def namespaces(self) -> int:
        """How many namespaces have registrations."""
        return len(self._namespaces)

    @property
    def most_per_peer(self) -> int:
        """How many registrations the peer has that has most."""
        return max(self._peers.values(), default=0)

    @property
    def most_per_group(self) -> int:
        """How many registrations have come from the IP group that most have come from."""
        return max(self._groups.values(), default=0)

    def holds(self, peer: PeerId, namespace: str) -> bool:
        """Tell whether ``peer`` is registered in ``namespace``."""
        return (peer, namespace) in self._held

    def add(
        self, peer: PeerId, namespace: str, record: bytes, ttl: float, now: float, group: bytes = b""
    ) -> LimitExceeded | None:
        """Register ``peer`` for ``ttl`` seconds, in place of what it has in this namespace.

        ``group`` is the IP group that it comes from, b"" for one that is not counted. An error means that there was no
        room; what the peer has stays as it is.
        """
        held = self._held.get((peer, namespace))
        refusal = self._check_room(peer, namespace) if held is None else None
        if refusal is None and group and (held is None or held.group != group):
            refusal = self._check_group(group)
        if refusal is not None:
            return refusal
        self.remove(peer, namespace)
        self._last += 1
        registration = Registration(self._last, peer, namespace, record, now + ttl, group)
        self._held[peer, namespace] = registration
        self._everywhere.append(registration)
        self._namespaces.setdefault(namespace, []).append(registration)
        self._peers[peer] += 1
        if group:
            self._groups[group] += 1
        heappush(self._deadlines, self._deadline(registration))
        if len(self._deadlines) > 2 * len(self._held) + _SLACK:
            self._deadlines = [self._deadline(each) for each in self._held.values()]
            heapify(self._deadlines)
        return None

    def _check_room(self, peer: PeerId, namespace: str) -> LimitExceeded | None:
        config = self._config
        if len(self._held) >= config.max_registrations:
            return LimitExceeded("rendezvous.max_registrations", config.max_registrations)
        if self._peers[peer] >= config.registrations_per_peer:
            return LimitExceeded("rendezvous.registrations_per_peer", config.registrations_per_peer)
        if namespace not in self._namespaces and len(self._namespaces) >= config.max_namespaces:
            return LimitExceeded("rendezvous.max_namespaces", config.max_namespaces)
        return None

    def _check_group(self, group: bytes) -> LimitExceeded | None:
        most = self._config.registrations_per_group
        return LimitExceeded("rendezvous.registrations_per_group", most) if self._groups[group] >= most else None

    @staticmethod
    def _deadline(registration: Registration) -> tuple[float, int, PeerId, str]:
        return registration.expires, registration.number, registration.peer, registration.namespace

    def remove(self, peer: PeerId, namespace: str) -> bool:
        """Forget a registration; whether there was one."""
        registration = self._held.pop((peer, namespace), None)
        if registration is None:
            return False
        here = self._namespaces[namespace]
        for each in (self._everywhere, here):
            del each[bisect_left(each, registration.number, key=_number)]
        if not here:
            del self._namespaces[namespace]
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]
        if registration.group:
            self._groups[registration.group] -= 1
            if not self._groups[registration.group]:
                del self._groups[registration.group]
        return True

    def after(self, number: int, namespace: str, limit: int) -> list[Registration]:
        """Return up to ``limit`` registrations that were made after ``number``; "" stands for all namespaces."""
        found = self._namespaces.get(namespace, []) if namespace else self._everywhere
        start = bisect_right(found, number, key=_number)
        return list(islice(found, start, start + limit))

    def next_expiry(self) -> float | None:
        """Return when to call :meth:`expire` next; None where there is nothing to expire."""
        return self._deadlines[0][0] if self._deadlines else None

    def expire(self, now: float) -> list[Registration]:
        """Forget the registrations whose time is over, and return them."""
        over = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number, peer, namespace = heappop(self._deadlines)
            held = self._held.get((peer, namespace))
            if held is not None and held.number == number:
                self.remove(peer, namespace)
                over.append(held)
        return over
