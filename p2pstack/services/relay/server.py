"""A circuit relay: peers that can't be dialled reserve with it, others reach them through it (specs/relay.md).

Who may is decided in :mod:`p2pstack.relay`; here are the exchanges. A hop stream has one request: the answer ends it,
or begins a circuit (:mod:`p2pstack.services.relay.splice`). The relay dials nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import background
from p2pstack.errors import ConnectionClosed, DeadlineExceeded, DecodeError, P2PError, ProtocolViolation
from p2pstack.host.events import ConnectionEnded, EventStream
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.circuits import Circuits
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.messages import HopKind, HopMessage, Peer, Reservation, StopKind, StopMessage
from p2pstack.relay.offer import offered_addresses
from p2pstack.relay.protocols import HOP, MAX_MESSAGE, STOP
from p2pstack.relay.requests import Requests
from p2pstack.relay.reservations import Reservations
from p2pstack.relay.sources import source_of
from p2pstack.relay.status import Status, describe
from p2pstack.relay.voucher import Voucher
from p2pstack.services.relay.server_events import (
    CircuitClosed,
    CircuitOpened,
    ReservationEnd,
    ReservationEnded,
    ReservationMade,
)
from p2pstack.services.relay.splice import CircuitEnd, Splice
from p2pstack.services.scope import scope_of, suitable
from p2pstack.services.standard import Host

__all__ = ["RelayServer"]

logger = logging.getLogger("p2pstack.relay")

_TAG = "relay-reservation"


class RelayServer:
    """Serves the hop protocol on a host, which starts and stops it.

    It is made before the host is started::

        host = Host(listen=["/ip4/0.0.0.0/tcp/4001"])
        relay = RelayServer(host)
        async with host:
            ...

    ``answers`` counts what was answered, by kind of request and status. Events: ReservationMade, ReservationEnded,
    CircuitOpened, CircuitClosed.
    """

    def __init__(self, host: Host, config: RelayConfig | None = None) -> None:
        self.config = config = config or RelayConfig()
        self.answers: Counter[tuple[HopKind, Status]] = Counter()
        self.host = host
        self._requests = Requests(config)
        self._reservations = Reservations(config)
        self._circuits = Circuits(config)
        self._ways: dict[PeerId, list[Connection]] = {}
        self._splices: set[Splice] = set()
        self._passed = 0
        self._events: EventStream | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # A hop stream goes on as its circuit, so one connection may have as many as of both.
        host.handle(HOP, self._serve, max_streams=config.requests_per_peer + config.circuits_per_peer, relayed=True)
        host.services.append(self)

    # -- life

    async def start(self) -> None:
        """Begin to watch who leaves; called by the host."""
        self._events = self.host.events(ConnectionEnded)
        self._watcher = background(self._watch(self._events), "the relay")

    async def stop(self) -> None:
        """End all circuits and reservations; called by the host."""
        self.host.unhandle(HOP)
        if self._timer is not None:
            self._timer.cancel()
        if self._events is not None:
            self._events.close()
        if self._watcher is not None:
            await self._watcher
        for splice in self._splices:
            splice.stop(CircuitEnd.STOPPED)
        for peer in self._reservations.peers:
            self._forget(peer)

    # -- what programs ask

    @property
    def reservations(self) -> list[PeerId]:
        """Who has a reservation, in the order in which they expire."""
        return self._reservations.peers

    @property
    def circuits(self) -> list[Splice]:
        """The circuits that run, each with its ends and the bytes that have passed."""
        return list(self._splices)

    @property
    def bytes_passed(self) -> int:
        """Bytes that have passed all circuits, both ways."""
        return self._passed + sum(splice.sent + splice.received for splice in self._splices)

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken; of those per peer or address, by who takes most."""
        config = self.config
        return {
            "relay.max_reservations": Usage(len(self._reservations), config.max_reservations),
            "relay.reservations_per_ip": Usage(self._reservations.most_per_source, config.reservations_per_ip),
            "relay.max_circuits": Usage(len(self._circuits), config.max_circuits),
            "relay.circuits_per_peer": Usage(self._circuits.most_per_peer, config.circuits_per_peer),
            "relay.max_requests": Usage(len(self._requests), config.max_requests),
        }

    # -- requests

    async def _serve(self, stream: Stream) -> None:
        """Read the one request of a hop stream, and do what it asks."""
        try:
            request = await self._read_request(stream)
        except (DecodeError, ProtocolViolation) as error:
            logger.debug("%s: %s", stream.connection, error)
            _answer(stream, Status.MALFORMED_MESSAGE)
            return
        if request.kind is HopKind.STATUS:
            _answer(stream, Status.UNEXPECTED_MESSAGE)
        elif stream.connection.relayed:
            self._refuse(stream, request.kind, Status.PERMISSION_DENIED)  # nothing is relayed twice (RELAY-10)
        elif request.peer is None:
            self._reserve(stream)
        else:
            await self._connect(stream, request.peer.id)

    async def _read_request(self, stream: Stream) -> HopMessage:
        peer = stream.peer_id
        refusal = self._requests.begin(peer)
        if refusal is not None:
            raise refusal
        try:
            return HopMessage.decode(await _read_message(stream, self.config.request_timeout))
        finally:
            self._requests.end(peer)

    def _refuse(self, stream: Stream, kind: HopKind, status: Status) -> None:
        self.answers[kind, status] += 1
        _answer(stream, status)

    # -- reservations

    def _reserve(self, stream: Stream) -> None:
        """Give the peer a reservation, or renew the one that it has (RELAY-03)."""
        connection = stream.connection
        if connection.closed:
            raise ConnectionClosed(reason=connection.close_reason)  # what ends reservations may have run already
        peer = connection.peer_id
        renewed = self._reservations.holds(peer, monotonic())
        refusal = self._reservations.reserve(peer, source_of(connection.remote_host), monotonic())
        if refusal is not None:
            logger.debug("%s: no reservation: %s", connection, refusal)
            self._refuse(stream, HopKind.RESERVE, Status.RESERVATION_REFUSED)
            return
        self.host.protect(peer, _TAG)
        ways = [each for each in self._ways.get(peer, ()) if each is not connection and not each.closed]
        self._ways[peer] = [*ways, connection]
        self._arm_timer()
        expires = math.ceil(time.time() + self.config.reservation_lifetime)
        self.host.emit(ReservationMade(peer=peer, expires=expires, renewed=renewed))
        self.answers[HopKind.RESERVE, Status.OK] += 1
        voucher = Voucher(self.host.peer_id, peer, expires).seal(self.host.key).to_bytes()
        reservation = Reservation(expires, self._offered_to(connection), voucher)
        answer = HopMessage(kind=HopKind.STATUS, status=Status.OK, reservation=reservation, limit=self.config.limit)
        stream.write_frame(answer.encode())

    def _offered_to(self, connection: Connection) -> tuple[Multiaddr, ...]:
        """Return where others can reach this relay, given who asks (RELAY-13).

        Where no address that we know suits the peer's network, it is the one at which the peer has reached us, or,
        before it has told, all that we know: rust's client fails with none.
        """
        host = self.host
        known = [*host.advertised, *host.identify.addresses]
        offered = offered_addresses(suitable(known, scope_of(connection.remote_address)), host.peer_id)
        if offered:
            return offered
        info = host.identify.info(connection)
        seen = [info.observed] if info is not None and info.observed is not None else []
        return offered_addresses(seen, host.peer_id) or offered_addresses(known, host.peer_id)

    def _forget(self, peer: PeerId) -> None:
        """``peer`` has no reservation any more."""
        self._reservations.end(peer)
        self._ways.pop(peer, None)
        self.host.unprotect(peer, _TAG)

    def _way_to(self, peer: PeerId) -> Connection | None:
        """Return the direct connection on which ``peer`` expects circuits: the last on which it has reserved.

        rust takes them on no other; go on any (RELAY-05).
        """
        reserved = [each for each in self._ways.get(peer, ()) if not each.closed]
        if reserved:
            return reserved[-1]
        return next((each for each in self.host.connections(peer) if not each.closed and not each.relayed), None)

    async def _watch(self, events: EventStream) -> None:
        """End the reservations of those who leave (RELAY-04)."""
        dropped = 0
        async for event in events:
            gone = [event.connection.peer_id] if isinstance(event, ConnectionEnded) else []
            if events.dropped != dropped:
                dropped = events.dropped
                gone = self._reservations.peers
            for peer in gone:
                if self._way_to(peer) is None and self._reservations.end(peer):
                    self._forget(peer)
                    self.host.emit(ReservationEnded(peer=peer, reason=ReservationEnd.DISCONNECTED))

    def _arm_timer(self) -> None:
        """See to it that the next reservation to expire does."""
        upcoming = self._reservations.next_expiry()
        if self._timer is None and upcoming is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, upcoming - monotonic()), self._expire)

    def _expire(self) -> None:
        self._timer = None
        for peer in self._reservations.expire(monotonic()):
            self._forget(peer)
            self.host.emit(ReservationEnded(peer=peer, reason=ReservationEnd.EXPIRED))
        self._arm_timer()

    # -- circuits

    async def _connect(self, stream: Stream, target: PeerId) -> None:
        """Offer the target a circuit, and pass its bytes if it takes it (RELAY-05)."""
        initiator = stream.peer_id
        status, way = self._look_for_way(stream, target)
        if way is None:
            self._refuse(stream, HopKind.CONNECT, status)
            return
        try:
            try:
                far = await self._offer(way, initiator)
            except P2PError as error:
                logger.debug("%s: no circuit to %s: %s", stream.connection, target, error)
                self._refuse(stream, HopKind.CONNECT, Status.CONNECTION_FAILED)
                return
            await self._splice(stream, far)
        finally:
            self._circuits.close(initiator, target)

    def _look_for_way(self, stream: Stream, target: PeerId) -> tuple[Status, Connection | None]:
        """Return the connection to ask the target on, with the circuit counted, or the status that says why not."""
        connection = stream.connection
        initiator = connection.peer_id
        now = monotonic()
        refusal = self._circuits.ask(initiator, source_of(connection.remote_host), now)
        if refusal is None:
            if target == initiator:
                return Status.PERMISSION_DENIED, None
            way = self._way_to(target) if self._reservations.holds(target, now) else None
            if way is None:
                return Status.NO_RESERVATION, None
            refusal = self._circuits.open(initiator, target)
            if refusal is None:
                return Status.OK, way
        logger.debug("%s: no circuit: %s", connection, refusal)
        return Status.RESOURCE_LIMIT_EXCEEDED, None

    async def _offer(self, way: Connection, initiator: PeerId) -> Stream:
        """Return the stop stream on which the target has taken a circuit.

        Raises:
            ProtocolViolation: it refuses, or answers something else.
            P2PError: it does not answer.
        """
        lazy = self.host.peerstore.speaks(way.peer_id, STOP)
        far = await way.open_stream(STOP, lazy=lazy, timeout=self.config.connect_timeout)
        try:
            offer = StopMessage(kind=StopKind.CONNECT, peer=Peer(initiator), limit=self.config.limit)
            far.write_frame(offer.encode())
            _check_answer(await _read_message(far, self.config.answer_timeout))
        except BaseException:
            far.reset()
            raise
        return far

    async def _splice(self, near: Stream, far: Stream) -> None:
        """Tell the initiator, and pass bytes to the end."""
        host = self.host
        splice = Splice(near, far, self.config.limit)
        self.answers[HopKind.CONNECT, Status.OK] += 1
        self._splices.add(splice)
        host.emit(CircuitOpened(initiator=splice.initiator, target=splice.target))
        try:
            with contextlib.suppress(P2PError):
                answer = HopMessage(kind=HopKind.STATUS, status=Status.OK, limit=self.config.limit)
                near.write_frame(answer.encode())
            await splice.run()
        finally:
            self._splices.discard(splice)
            self._passed += splice.sent + splice.received
            far.finish()
            host.emit(
                CircuitClosed(
                    initiator=splice.initiator,
                    target=splice.target,
                    sent=splice.sent,
                    received=splice.received,
                    reason=splice.end or CircuitEnd.RESET,
                )
            )


def _check_answer(data: bytes) -> None:
    """Return if a target has taken the circuit.

    Raises:
        ProtocolViolation: it refuses, or says something else.
        DecodeError: it says nothing that can be read.
    """
    answer = StopMessage.decode(data)
    if answer.kind is not StopKind.STATUS:
        raise ProtocolViolation(STOP, "the target did not answer with a status", requirement="RELAY-05")
    if answer.status != Status.OK:
        message = f"the target refuses the circuit: {describe(answer.status)}"
        raise ProtocolViolation(STOP, message, requirement="RELAY-05", code=answer.status)


def _answer(stream: Stream, status: Status) -> None:
    """Send a bare status; the stream is closed when its handler returns."""
    stream.write_frame(HopMessage(kind=HopKind.STATUS, status=status).encode())


async def _read_message(stream: Stream, seconds: float) -> bytes:
    """Read one message; what comes behind it stays in the stream.

    Raises:
        DeadlineExceeded: it did not come whole in ``seconds``.
        ProtocolViolation: its length is malformed, or above 4,096 (RELAY-01).
        StreamError: the stream ended.
    """
    try:
        async with asyncio.timeout(seconds):
            return await stream.read_frame(MAX_MESSAGE)
    except TimeoutError as error:
        raise DeadlineExceeded(f"no message came whole within {seconds:g} s") from error
