"""The host: one identity, its listeners, connections, streams and handlers. Services are built on top."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, overload

from p2pstack.aio.connection import Connection
from p2pstack.aio.runtime import Runtime
from p2pstack.aio.tasks import Handler, HandlerEntry
from p2pstack.aio.tcp import adopt_tcp, close_servers, listen_tcp, listening_addresses
from p2pstack.connection.config import YAMUX_PROTOCOL
from p2pstack.connection.machine import Endpoint
from p2pstack.connection.protocols import ProtocolTable
from p2pstack.connection.trace import TraceSink
from p2pstack.errors import HostClosed, LocalError
from p2pstack.host.config import HostConfig
from p2pstack.host.dialer import Dialer
from p2pstack.host.events import AddressesChanged, Event, EventBus, EventStream, ProtocolsChanged
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.interfaces import expand_wildcard
from p2pstack.host.limits import Limits, Usage
from p2pstack.host.manager import ConnectionManager
from p2pstack.host.network import Network
from p2pstack.host.peerstore import FOREVER, Peerstore
from p2pstack.host.reaching import Reacher, Target
from p2pstack.host.resolver import NameService, Resolver
from p2pstack.identity.circuits import is_circuit
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse, tcp_endpoint, with_peer, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise.identity import NoiseIdentity
from p2pstack.noise.verified import VerifyCache

__all__ = ["BaseHost", "Service", "Target"]


class Service(Protocol):
    """What can be added to a host: it is started with the host and stopped before its connections close."""

    async def start(self) -> None:
        """Begin; handlers may be registered earlier, but there is a loop only now."""

    async def stop(self) -> None:
        """End all tasks of its own."""


class BaseHost(Reacher):
    """A host without services; :class:`p2pstack.Host` is this with identify and ping.

    ``key`` is its identity (made anew when left out), ``listen`` the addresses that it listens on from the start.
    Use it with ``async with``: when the block is left nothing remains, no task, no socket.
    """

    def __init__(
        self,
        key: PrivateKey | None = None,
        *,
        listen: Sequence[str | Multiaddr] = (),
        config: HostConfig | None = None,
        gate: ConnectionGate | None = None,
        names: NameService | None = None,
        trace: TraceSink | None = None,
    ) -> None:
        self.key = key if key is not None else PrivateKey.generate()
        self.peer_id = self.key.peer_id
        self.config = config or HostConfig()
        self.peerstore = Peerstore(self.config.peerstore)
        self.services: list[Service] = []
        self._listen = [parse(address) for address in listen]
        self._gate = gate or ConnectionGate()
        self._names = names
        self._trace = trace
        self._limits = Limits(self.config.limits)
        self._manager = ConnectionManager(self.config.manager)
        self._events = EventBus(self.config.event_queue)
        self._protocols = ProtocolTable()
        self._handlers: dict[str, HandlerEntry] = {}
        self.network = Network(
            self.peer_id, self.config, self._limits, self._manager, self.peerstore, self._events, self._gate
        )
        self._servers: list[asyncio.Server] = []
        self._shared: list[asyncio.Server] = []
        self._advertised: dict[str, tuple[Multiaddr, ...]] = {}
        self.circuits = None
        self.routers = []
        self.reuse_port = False
        self._runtime: Runtime | None = None
        self._dialer: Dialer | None = None
        self._closed = asyncio.Event()

    # -- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen, and start the services.

        Raises:
            OSError: an address can't be listened on; nothing is left behind.
        """
        if self._runtime is not None or self.network.closing:
            raise LocalError("a host is started once")
        endpoint = Endpoint(
            identity=NoiseIdentity(self.key, (YAMUX_PROTOCOL,)),
            protocols=self._protocols,
            config=self.config.connection,
            entropy=secrets.token_bytes,
            verified=VerifyCache(),
            budget=self._limits.windows,
            inbound_streams=self._limits.inbound_streams,
        )
        runtime = Runtime(self.network, endpoint, self.config.shell, trace=self._trace)
        runtime.handlers = self._handlers
        self._runtime = runtime
        self._dialer = Dialer(
            runtime,
            self.config.dial,
            self._gate,
            Resolver(self.config.dial, self._names),
            lambda: self.addresses,
            lambda: self.bound_addresses,
        )
        try:
            for address in self._listen:
                if not is_circuit(address):
                    await self.listen(address)
            for service in self.services:
                await service.start()
            for address in self._listen:
                if is_circuit(address):
                    await self.listen(address)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End everything, in good order where peers let it: GoAway, then close; idempotent.

        Takes ``close_timeout`` seconds at most. Where it is cancelled, what is left is cut off at once.
        """
        if self.network.closing:
            await self._closed.wait()
            return
        self.network.closing = True
        try:
            await close_servers(self._servers)
            for service in reversed(self.services):
                await service.stop()
            if self._dialer is not None:
                await self._dialer.close()
            await self._close_connections()
        finally:
            self.network.abort_all()
            self._events.close()
            self._closed.set()

    async def _close_connections(self) -> None:
        """Close all connections, then end by force what is left, handlers included."""
        seconds = self.config.close_timeout
        closing: list[asyncio.Future[None]] = []
        # What passes a relay says goodbye through a connection that must still be there.
        for relayed in (True, False):
            kind = [each for each in self.network.every_connection() if each.relayed is relayed]
            ending = [asyncio.ensure_future(each.close(seconds / 2)) for each in kind]
            if ending:
                await asyncio.wait(ending, timeout=seconds / 2 if relayed else seconds)
            closing += ending
        tasks = [*closing, *self.network.abort_all()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _running(self) -> tuple[Runtime, Dialer]:
        if self._runtime is None or self._dialer is None or self.network.closing:
            raise HostClosed("the host is not running")
        return self._runtime, self._dialer

    # -- addresses

    @property
    def bound_addresses(self) -> list[Multiaddr]:
        """What the listeners are bound to, wildcards included."""
        return [address for server in (*self._servers, *self._shared) for address in listening_addresses(server)]

    @property
    def addresses(self) -> list[Multiaddr]:
        """Where the host can be reached on this machine's interfaces, without ``/p2p``."""
        found = [address for bound in self.bound_addresses for address in expand_wildcard(bound)]
        return list(dict.fromkeys(found))

    @property
    def advertised(self) -> list[Multiaddr]:
        """Where the host can be reached beside that, as services have found out: relays, mapped ports."""
        return list(dict.fromkeys(address for found in self._advertised.values() for address in found))

    def advertise(self, source: str, addresses: Sequence[Multiaddr]) -> None:
        """Replace what ``source``, a service, has found out about where the host can be reached; without ``/p2p``."""
        if self._advertised.get(source, ()) == tuple(addresses):
            return
        self._advertised[source] = tuple(addresses)
        self._events.emit(AddressesChanged(addresses=(*self.addresses, *self.advertised)))

    @property
    def full_addresses(self) -> list[Multiaddr]:
        """All of them, each with ``/p2p`` and the host's id: what others are given to dial."""
        return [with_peer(each, self.peer_id) for each in dict.fromkeys([*self.addresses, *self.advertised])]

    async def listen(self, address: str | Multiaddr) -> list[Multiaddr]:
        """Listen on one more address; return it with its real port. One behind a relay takes a relay client.

        Raises:
            DecodeError: it is no plain TCP address, and none of a relay.
            OSError: it is in use, or not of this machine.
            LocalError: it is one of a relay, and the host has no relay client.
            RemoteError: the relay refuses.
            HostClosed: the host is not running, or was closed meanwhile.
        """
        runtime, _ = self._running()
        wanted = parse(address)
        if is_circuit(wanted):
            if self.circuits is None:
                raise LocalError("listening behind a relay takes a relay client")
            return await self.circuits.listen(wanted)
        endpoint = tcp_endpoint(without_peer(wanted))
        server = await listen_tcp(runtime, endpoint.host, endpoint.port)
        if self.network.closing:
            await close_servers([server])
            raise HostClosed("the host was closed")
        self._servers.append(server)
        self._events.emit(AddressesChanged(addresses=tuple(self.addresses)))
        return listening_addresses(server)

    def share(self, server: asyncio.Server) -> None:
        """Count the addresses of ``server`` as this host's; it belongs to who made it, and is not closed with the host.

        Its protocols find out what a connection is, and hand those of libp2p over by :meth:`adopt`.
        """
        self._shared.append(server)
        self._events.emit(AddressesChanged(addresses=tuple(self.addresses)))

    def adopt(self, transport: asyncio.Transport, data: bytes = b"") -> Connection:
        """Go on with a connected TCP socket as an inbound connection; ``data`` is what was read of it already.

        Limits and gate hold as for any other; where they refuse it, it is closed when this returns.

        Raises:
            HostClosed: the host is not running; the transport is still the caller's.
        """
        runtime, _ = self._running()
        return adopt_tcp(runtime, transport, data)

    # -- peers

    @property
    def gate(self) -> ConnectionGate:
        """What decides with whom the host connects."""
        return self._gate

    def connections(self, peer: PeerId | None = None) -> list[Connection]:
        """Return the open connections, of ``peer`` or of all."""
        return self.network.connections(peer)

    def protect(self, peer: PeerId, tag: str) -> None:
        """Keep the connection manager from closing connections to ``peer``; ``tag`` tells who wants so."""
        self._manager.protect(peer, tag)

    def unprotect(self, peer: PeerId, tag: str) -> bool:
        """Take back ``tag``; whether ``peer`` is still protected by others."""
        return self._manager.unprotect(peer, tag)

    def remember(self, peer: PeerId, addresses: Sequence[str | Multiaddr]) -> None:
        """Keep addresses of ``peer`` for as long as the host lives."""
        self.peerstore.add_addresses(peer, [parse(address) for address in addresses], FOREVER)

    # -- protocols

    @overload
    def handle(self, protocol: str) -> Callable[[Handler], Handler]: ...

    @overload
    def handle(
        self,
        protocol: str,
        handler: Handler,
        *,
        eager: bool = False,
        max_streams: int | None = None,
        relayed: bool = False,
    ) -> Handler: ...

    def handle(
        self,
        protocol: str,
        handler: Handler | None = None,
        *,
        eager: bool = False,
        max_streams: int | None = None,
        relayed: bool = False,
    ) -> Handler | Callable[[Handler], Handler]:
        """Serve ``protocol`` with ``handler``, an ``async def`` that takes the stream; usable as a decorator.

        When the handler returns the stream is closed, when it raises the stream is reset. ``max_streams`` bounds how
        many run at once on one connection. ``eager`` lets its first step run at once on Python 3.11 too; such a handler
        must not use :func:`asyncio.timeout` or the current task before it has first waited on the stream. ``relayed``
        serves it on connections through a relay too, where its streams are reset otherwise (RELAY-12).

        Raises:
            LocalError: ``protocol`` is no protocol id.
        """
        if handler is None:

            def decorate(function: Handler) -> Handler:
                self.handle(protocol, function)
                return function

            return decorate
        limit = self.config.limits.streams_per_protocol if max_streams is None else max_streams
        self._protocols.add(protocol)
        self._handlers[protocol] = HandlerEntry(handler, eager, limit, relayed)
        self._events.emit(ProtocolsChanged(protocols=self.protocols))
        return handler

    def unhandle(self, protocol: str) -> None:
        """Serve ``protocol`` no longer; streams that run go on."""
        self._protocols.remove(protocol)
        if self._handlers.pop(protocol, None) is not None:
            self._events.emit(ProtocolsChanged(protocols=self.protocols))

    @property
    def protocols(self) -> tuple[str, ...]:
        """What the host serves."""
        return tuple(self._protocols)

    # -- what is going on

    def events(self, *types: type[Event]) -> EventStream:
        """Return an async iterator over events from now on, of the given types or of all; see there."""
        return self._events.listen(*types)

    def emit(self, event: Event) -> None:
        """Tell every listener; for services."""
        self._events.emit(event)

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit of the host is taken."""
        peers = Usage(len(self.peerstore), self.config.peerstore.max_peers)
        return {**self._limits.usage(), "peerstore.max_peers": peers}
