"""identify: each side tells the other who it is, and again whenever that changes (specs/identify.md).

A task a connection asks the peer right after the upgrade; nothing waits for it, and a peer that doesn't answer is
served all the same. What comes is cleaned in :mod:`p2pstack.services.identify_message`, then kept in the peerstore.
Pushes go out from one task for the whole host, a moment after a change, always with everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import background
from p2pstack.errors import ConnectionClosed, DeadlineExceeded, HostClosed, P2PError, ProtocolViolation
from p2pstack.host.events import AddressesChanged, ConnectionEnded, EventStream, ProtocolsChanged
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services.config import IdentifyConfig
from p2pstack.services.events import IdentifyFailed, PeerIdentified, PeerInfo
from p2pstack.services.identify_message import (
    IDENTIFY,
    PUSH,
    Announcement,
    MessageReader,
    Update,
    fitting_addresses,
    interpret,
)
from p2pstack.services.observed import ObservedAddresses
from p2pstack.services.pace import Pace
from p2pstack.services.scope import Scope, scope_of, suitable

__all__ = ["IdentifyService"]


class _Known:
    """What has passed between us and the peer on one connection.

    ``told`` is the number of our state that the peer was told last. One of ``info`` and ``error`` is set once the peer
    has been asked; until then ``waiters`` wait for it.
    """

    __slots__ = ("error", "info", "pushes", "told", "waiters")

    def __init__(self, told: int) -> None:
        self.told = told
        self.info: PeerInfo | None = None
        self.error: P2PError | None = None
        self.pushes: Pace | None = None
        self.waiters: list[asyncio.Future[None]] = []

    def settle(self, error: P2PError | None) -> None:
        """End the waiting."""
        self.error = error
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class IdentifyService:
    """Tells peers who this host is, and learns who they are. Made by :class:`p2pstack.Host`."""

    def __init__(self, host: BaseHost, config: IdentifyConfig | None = None) -> None:
        self.config = config = config or IdentifyConfig()
        self._host = host
        self._known: dict[Connection, _Known] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._events: EventStream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._observed = ObservedAddresses(
            confirmations=config.confirmations,
            max_confirmed=config.max_observed,
            max_observations=config.max_observations,
        )
        self._announcements: dict[Scope, Announcement] = {}
        self._state: tuple[tuple[str, ...], tuple[Multiaddr, ...]] = ((), ())
        self._version = 0
        self._seq = 0
        self._pace = Pace(config.push_burst, config.push_interval)
        self._pushing = False
        host.handle(IDENTIFY, self._serve, eager=True, max_streams=config.max_streams, relayed=True)
        host.handle(PUSH, self._receive_push, max_streams=config.max_streams, relayed=True)
        host.network.on_opened.append(self._opened)

    async def start(self) -> None:
        """Begin to push what changes."""
        self._state = (self._host.protocols, self.addresses)
        self._announcements.clear()
        self._events = self._host.events(ProtocolsChanged, AddressesChanged, ConnectionEnded)
        self._spawn(self._watch(self._events))
        self._arm_timer()

    async def stop(self) -> None:
        """End all exchanges."""
        if self._timer is not None:
            self._timer.cancel()
        if self._events is not None:
            self._events.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # -- what programs ask

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Where the host listens, and where enough peers have seen it: what peers are told, as far as it suits them."""
        host = self._host
        return tuple(dict.fromkeys([*host.addresses, *host.advertised, *self._observed.confirmed]))

    def candidates(self) -> list[Multiaddr]:
        """Return the addresses at which peers see the host, believed or not, those that most agree on first.

        For a peer that tries them now, behind a NAT: where the port that the host dials from is the one that it
        listens on, a hole can be punched there (DCUTR-05).
        """
        return self._observed.reported()

    def info(self, connection: Connection) -> PeerInfo | None:
        """Return what the peer has told on ``connection``, or None while it hasn't, and once the connection is gone."""
        known = self._known.get(connection)
        return known.info if known is not None else None

    async def wait(self, connection: Connection, timeout: float = 5.0) -> PeerInfo:
        """Return what the peer tells on ``connection``, as soon as it has.

        Raises:
            DeadlineExceeded: it has not within ``timeout`` seconds, nor in those that an exchange may take.
            ConnectionClosed: the connection ended before.
            P2PError: what else kept it from telling, such as ProtocolNotSupported.
        """
        known = self._entry(connection)
        if known.info is None and known.error is None:
            waiter = connection.loop.create_future()
            known.waiters.append(waiter)
            try:
                async with asyncio.timeout(timeout):
                    await waiter
            except TimeoutError as error:
                raise DeadlineExceeded(f"the peer did not tell who it is within {timeout:g} s") from error
        if known.info is None:
            raise (known.error or HostClosed("the host was closed")).with_traceback(None)
        return known.info

    def _entry(self, connection: Connection) -> _Known:
        """Return what is known of a connection.

        Raises:
            ConnectionClosed: it has ended, and nothing is.
        """
        known = self._known.get(connection)
        if known is None:
            raise ConnectionClosed(reason=connection.close_reason)
        return known

    # -- telling

    async def _serve(self, stream: Stream) -> None:
        """Answer a request: it never waits, and what the peer does not take is dropped with the stream (IDN-12)."""
        stream.write(self._frames(stream.connection))

    def _frames(self, connection: Connection) -> bytes:
        """Return what the peer of ``connection`` is told now, and note that it is."""
        self._entry(connection).told = self._version
        remote = connection.remote_address
        scope = scope_of(remote)
        announcement = self._announcements.get(scope)
        if announcement is None:
            announcement = self._announcements[scope] = self._announce(scope)
        return announcement.frames(remote)

    def _announce(self, scope: Scope) -> Announcement:
        """Encode what peers of ``scope`` are told; a host that has no address for them sends no record, as in go."""
        host = self._host
        addresses = fitting_addresses(suitable(self.addresses, scope))
        record = None
        if addresses:
            self._seq = max(self._seq + 1, time.time_ns())
            record = PeerRecord(host.peer_id, self._seq, addresses).seal(host.key).to_bytes()
        return Announcement(
            public_key=host.key.public_key.to_protobuf(),
            addresses=addresses,
            protocols=host.protocols,
            agent=host.config.agent_version,
            protocol_version=host.config.protocol_version,
            record=record,
        )

    # -- asking

    def _opened(self, connection: Connection) -> None:
        """A connection is open: ask its peer."""
        known = self._known[connection] = _Known(self._version)
        self._spawn(self._identify(connection, known))

    async def _identify(self, connection: Connection, known: _Known) -> None:
        try:
            update = await self._ask(connection)
        except P2PError as error:
            known.settle(error)
            self._host.emit(IdentifyFailed(peer=connection.peer_id, error=error, connection=connection))
        except asyncio.CancelledError:
            known.settle(HostClosed("the host was closed"))
            raise
        else:
            self._accept(connection, known, update)
            known.settle(None)
            if known.told != self._version:
                await self._push(connection.peer_id)

    async def _ask(self, connection: Connection) -> Update:
        """Open a stream and read what the peer tells, to the end (IDN-01)."""
        try:
            async with asyncio.timeout(self.config.timeout):
                async with await connection.open_stream(IDENTIFY, lazy=True) as stream:
                    reader = await _read(stream)
                    if not reader.count:
                        raise ProtocolViolation("identify", "the peer sent no message", requirement="IDN-01")
                    return self._interpret(connection, reader)
        except TimeoutError as error:
            raise DeadlineExceeded(f"the peer did not tell who it is within {self.config.timeout:g} s") from error

    async def _receive_push(self, stream: Stream) -> None:
        """Take what a peer says has changed (IDN-10)."""
        connection = stream.connection
        known = self._entry(connection)
        if known.pushes is None:
            known.pushes = Pace(self.config.received_push_burst, self.config.received_push_interval)
        if not known.pushes.allow(monotonic()):
            raise ProtocolViolation("identify", "pushes come too fast", requirement="GEN-04")
        try:
            async with asyncio.timeout(self.config.timeout):
                reader = await _read(stream)
        except TimeoutError as error:
            raise DeadlineExceeded(f"a push took longer than {self.config.timeout:g} s") from error
        if reader.count:
            self._accept(connection, known, self._interpret(connection, reader), pushed=True)

    def _interpret(self, connection: Connection, reader: MessageReader) -> Update:
        peer = connection.peer_id
        entry = self._host.peerstore.get(peer)
        known_seq = entry.record_seq if entry is not None else -1
        return interpret(reader.message, peer, scope_of(connection.remote_address), known_seq=known_seq)

    def _accept(self, connection: Connection, known: _Known, update: Update, *, pushed: bool = False) -> None:
        """Bring what is known of a peer up to date, on all its connections, and tell the listeners."""
        peer = connection.peer_id
        told = {name: value for name in _FIELDS if (value := getattr(update, name)) is not None}
        info = known.info = replace(known.info or PeerInfo(peer=peer), **told)
        for each in self._host.connections(peer):
            other = self._known.get(each)
            if other is not None and other is not known and other.info is not None:
                other.info = replace(info, observed=other.info.observed)
        self._store(connection, info, update)
        self._host.emit(PeerIdentified(peer=peer, info=info, connection=connection, pushed=pushed))
        observed = update.observed
        own_port = connection.direction == "inbound" or connection.reused_port
        if observed is None or connection.relayed or not own_port:
            return
        if self._observed.report(connection, observed, connection.remote_address):
            self._host.emit(AddressesChanged(addresses=self.addresses))

    def _store(self, connection: Connection, info: PeerInfo, update: Update) -> None:
        """Write what a peer told into the peerstore."""
        store = self._host.peerstore
        peer = info.peer
        store.set_protocols(peer, info.protocols)
        store.set_agent(peer, info.agent, info.protocol_version)
        if update.addresses:
            # The address that we dialled works, whatever the peer says.
            dialled = (connection.dialled,) if connection.dialled is not None else ()
            until = monotonic() + store.config.address_ttl
            store.replace_addresses(peer, [*update.addresses, *dialled], until)
        if update.record is not None:
            store.accept_record(peer, update.record, update.seq)

    # -- what changes

    async def _watch(self, events: EventStream) -> None:
        """Note what changes, and forget connections that have ended."""
        dropped = 0
        async for event in events:
            if isinstance(event, ConnectionEnded):
                self._forget(event.connection)
            else:
                self._look_for_changes()
            if events.dropped != dropped:
                dropped = events.dropped
                for connection in [each for each in self._known if each.closed]:
                    self._forget(connection)
                self._look_for_changes()

    def _forget(self, connection: Connection) -> None:
        self._known.pop(connection, None)
        if self._observed.forget(connection):
            self._host.emit(AddressesChanged(addresses=self.addresses))

    def _look_for_changes(self) -> None:
        """Where the host's state is not what it was, plan a push."""
        state = (self._host.protocols, self.addresses)
        if state == self._state:
            return
        self._state = state
        self._version += 1
        self._announcements.clear()
        if not self._pushing:
            self._pushing = True
            self._spawn(self._push_changes())

    def _arm_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.config.interface_interval, self._look_at_interfaces)

    def _look_at_interfaces(self) -> None:
        """The machine may have got other addresses."""
        addresses = self.addresses
        if addresses != self._state[1]:
            self._host.emit(AddressesChanged(addresses=addresses))
        self._arm_timer()

    async def _push_changes(self) -> None:
        """Push until everybody knows the newest state; changes in quick succession make one push."""
        pushed = -1
        try:
            while pushed != self._version:
                await asyncio.sleep(max(self.config.push_delay, self._pace.delay(monotonic())))
                self._pace.take(monotonic())
                pushed = self._version
                peers = self._host.network.peers
                workers = min(len(peers), self.config.max_pushes)
                waiting = iter(peers)
                await asyncio.gather(*(self._push_each(waiting) for _ in range(workers)))
        finally:
            self._pushing = False

    async def _push_each(self, peers: Iterator[PeerId]) -> None:
        for peer in peers:
            await self._push(peer)

    async def _push(self, peer: PeerId) -> None:
        """Tell one peer everything, if it wants pushes and hasn't been told yet; a failure is its loss (IDN-14)."""
        connection = self._host.network.best(peer)
        known = self._known.get(connection) if connection is not None else None
        if connection is None or known is None or known.told == self._version:
            return
        if not self._host.peerstore.speaks(peer, PUSH):
            return
        with contextlib.suppress(P2PError, TimeoutError):
            async with asyncio.timeout(self.config.timeout):
                # Not lazily: js may miss a FIN that comes before its handler runs.
                async with await connection.open_stream(PUSH) as stream:
                    stream.write(self._frames(connection))
                    await stream.drain()

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = background(coroutine, "identify")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_FIELDS = ("protocols", "addresses", "agent", "protocol_version", "observed", "record")


async def _read(stream: Stream) -> MessageReader:
    """Read the messages on a stream to its end."""
    reader = MessageReader()
    while pieces := await stream.chunks():
        for piece in pieces:
            reader.receive_data(piece)
    reader.receive_eof()
    return reader
