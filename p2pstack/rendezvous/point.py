"""A rendezvous point: requests and the clock go in, answers and events come out (RDV-03 to RDV-09)."""

from __future__ import annotations

from collections import Counter
from math import ceil

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.rendezvous.config import OVERHEAD, RendezvousConfig
from p2pstack.rendezvous.cookie import EPOCH_SIZE, Cookie
from p2pstack.rendezvous.events import Expired, PointEvent, Registered, Unregistered
from p2pstack.rendezvous.messages import (
    Discover,
    DiscoverResponse,
    Message,
    Register,
    RegisterResponse,
    Unregister,
)
from p2pstack.rendezvous.protocols import MAX_NAMESPACE, read_namespace
from p2pstack.rendezvous.registrations import Registration, Registrations
from p2pstack.rendezvous.status import Status

__all__ = ["Point"]


class Point:
    """What a rendezvous point knows and answers.

    ``epoch`` are three random bytes: cookies of an earlier life of the point are known by them. ``answers`` counts what
    was answered to registrations and discoveries, by status.
    """

    def __init__(self, config: RendezvousConfig, *, epoch: bytes) -> None:
        """Keep nothing yet.

        Raises:
            ConfigError: ``epoch`` is not of three bytes.
        """
        if len(epoch) != EPOCH_SIZE:
            raise ConfigError(f"an epoch has {EPOCH_SIZE} bytes, not {len(epoch)}")
        self.registrations = Registrations(config)
        self.answers: Counter[tuple[str, Status]] = Counter()
        self._config = config
        self._epoch = epoch
        self._events: list[PointEvent] = []

    def receive(self, sender: PeerId, request: Message, now: float, group: bytes = b"") -> Message | None:
        """Do what ``sender``, an authenticated peer, asks for; return the answer, or None where there is none.

        ``group`` is the IP group that the sender is in, b"" for none.

        Raises:
            DecodeError: it is an answer, and no request (RDV-01).
        """
        self.handle_timeout(now)
        if isinstance(request, Register):
            status, ttl, text = self._register(sender, request, now, group)
            self.answers["register", status] += 1
            return RegisterResponse(status, ttl, text)
        if isinstance(request, Discover):
            answer = self._discover(request, now)
            self.answers["discover", Status(answer.status)] += 1
            return answer
        if isinstance(request, Unregister):
            self._unregister(sender, request)
            return None
        raise DecodeError("an answer came in place of a request", requirement="RDV-01")

    def next_timeout(self) -> float | None:
        """Return when to call :meth:`handle_timeout`; None: not before the next request."""
        return self.registrations.next_expiry()

    def handle_timeout(self, now: float) -> None:
        """Forget registrations whose time is over."""
        for each in self.registrations.expire(now):
            self._events.append(Expired(peer=each.peer, namespace=each.namespace))

    def events(self) -> list[PointEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    # -- requests

    def _register(self, sender: PeerId, request: Register, now: float, group: bytes) -> tuple[Status, int, str]:
        """Register the sender, and nobody else; return status, seconds, and what is wrong."""
        config = self._config
        try:
            namespace = read_namespace(request.namespace)
        except DecodeError as error:
            return Status.E_INVALID_NAMESPACE, 0, str(error)
        ttl = config.default_ttl if request.ttl is None else request.ttl
        if not config.min_ttl <= ttl <= config.max_ttl:
            return Status.E_INVALID_TTL, 0, f"a ttl is {config.min_ttl} to {config.max_ttl} s here"
        if len(request.record) > config.max_record:
            return Status.E_INVALID_SIGNED_PEER_RECORD, 0, f"a record has at most {config.max_record} bytes here"
        try:
            record, _ = PeerRecord.open(request.record)
        except DecodeError as error:
            return Status.E_INVALID_SIGNED_PEER_RECORD, 0, str(error)
        if record.peer_id != sender:
            return Status.E_NOT_AUTHORIZED, 0, "the record is another peer's"
        renewed = self.registrations.holds(sender, namespace)
        refusal = self.registrations.add(sender, namespace, request.record, ttl, now, group)
        if refusal is not None:
            return Status.E_UNAVAILABLE, 0, str(refusal)
        self._events.append(Registered(peer=sender, namespace=namespace, ttl=ttl, renewed=renewed))
        return Status.OK, ttl, ""

    def _unregister(self, sender: PeerId, request: Unregister) -> None:
        try:
            namespace = read_namespace(request.namespace)
        except DecodeError:
            return  # nobody is registered there, and there is no answer
        if self.registrations.remove(sender, namespace):
            self._events.append(Unregistered(peer=sender, namespace=namespace))

    def _discover(self, request: Discover, now: float) -> DiscoverResponse:
        """Return the registrations behind the cookie, as many as fit, and a cookie that stands behind those."""
        try:
            namespace = read_namespace(request.namespace) if request.namespace else ""
        except DecodeError as error:
            return DiscoverResponse(Status.E_INVALID_NAMESPACE, text=str(error))
        try:
            start = self._start(request.cookie, namespace)
        except DecodeError as error:
            return DiscoverResponse(Status.E_INVALID_COOKIE, text=str(error))
        limit = min(request.limit or self._config.discover_limit, self._config.discover_limit)
        found = self._fitting(self.registrations.after(start, namespace, limit))
        last = found[-1].number if found else start
        told = tuple(Register(each.namespace.encode(), each.record, max(1, ceil(each.expires - now))) for each in found)
        return DiscoverResponse(Status.OK, told, Cookie(self._epoch, last, namespace).to_bytes())

    def _start(self, data: bytes, namespace: str) -> int:
        """Return the number behind which to go on; 0 for the cookies of an earlier life of this point (RDV-08)."""
        if not data:
            return 0
        cookie = Cookie.from_bytes(data)
        if cookie.namespace not in {"", namespace}:
            raise DecodeError("the cookie is of another namespace", requirement="RDV-08")
        return cookie.number if cookie.epoch == self._epoch else 0

    def _fitting(self, found: list[Registration]) -> list[Registration]:
        """Return as many, from the first on, as one answer holds."""
        room = self._config.max_answer - OVERHEAD - MAX_NAMESPACE  # the cookie ends with a namespace
        for count, each in enumerate(found):
            room -= len(each.record) + len(each.namespace.encode()) + OVERHEAD
            if room < 0:
                return found[:count]
        return found
