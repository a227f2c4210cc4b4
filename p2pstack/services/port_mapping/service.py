"""Keeps the listen ports of a host mapped on the gateway, as long as the host lives.

::

    async with Host(listen=["/ip4/0.0.0.0/tcp/4001"]) as host, PortMapping(host):
        …                                     # peers are told of the gateway's address once it passes the port on

Where there is no gateway, or it refuses, everything else works as it does without: a warning says why, and it is tried
again from time to time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from ipaddress import IPv4Address
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.host.events import AddressesChanged, EventStream
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, TcpEndpoint, from_sockaddr, is_public, tcp_endpoint
from p2pstack.services.life import HostService
from p2pstack.services.port_mapping.config import PortMappingConfig
from p2pstack.services.port_mapping.events import PortMapped, PortMappingFailed
from p2pstack.services.port_mapping.gateway import Gateway, Lease, PortMappingError
from p2pstack.services.port_mapping.ways import gateways

__all__ = ["PortMapping"]

logger = logging.getLogger("p2pstack.port_mapping")

_SOURCE = "port-mapping"


class PortMapping(HostService):
    """Has the gateway pass the host's listen ports on; started and stopped with the host, or by ``async with``."""

    _label = "port mapping"

    def __init__(self, host: BaseHost, config: PortMappingConfig | None = None) -> None:
        self.config = config or PortMappingConfig()
        self._host = host
        self._gateway: Gateway | None = None
        self._leases: dict[int, Lease] = {}
        self._due: dict[int, float] = {}
        self._asking: asyncio.Future[Lease] | None = None
        self._retry_at = 0.0
        self._told: dict[int, Multiaddr] = {}
        self._failure: PortMappingFailed | None = None
        self._changed = asyncio.Event()
        self._events: EventStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Begin; returns at once, what comes of it is told by events."""
        self._events = self._host.events(AddressesChanged)
        self._tasks = [background(self._watch(self._events), self._label), background(self._keep(), self._label)]

    async def _end(self) -> None:
        """Take all mappings back, within ``stop_timeout`` seconds."""
        host = self._host
        try:
            if self._events is not None:
                self._events.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.config.stop_timeout):
                    await self._take_all_back()
        finally:
            if self._asking is not None:
                self._asking.cancel()
            host.advertise(_SOURCE, ())

    @property
    def mapped(self) -> dict[int, Multiaddr]:
        """Where each listen port that is mapped can be reached from outside."""
        return {port: _address(lease) for port, lease in self._leases.items()}

    # -- what goes on

    async def _watch(self, events: EventStream) -> None:
        async for _ in events:
            self._changed.set()

    async def _keep(self) -> None:
        """Do what is due, then wait until something is, or the host listens elsewhere."""
        known: list[Multiaddr] = []
        while True:
            self._changed.clear()
            listening = self._host.bound_addresses
            if listening != known:
                known, self._retry_at = listening, 0.0
            await self._round()
            due = self._due.values() if self._gateway is not None else [self._retry_at] if listening else ()
            wait = max(min(due) - monotonic(), 0.0) if due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _round(self) -> None:
        """Bring the mappings up to date, at the gateway that has them or at the first that gives some."""
        if self._gateway is not None:
            failures = await self._map(self._gateway)
            if self._leases:
                self._tell(failures, self._gateway.name)
                return
            self._gateway, self._retry_at = None, 0.0
        if self._host.bound_addresses and monotonic() >= self._retry_at:
            await self._find()

    async def _find(self) -> None:
        """Try one way after the other, until one gives mappings."""
        reasons = []
        async with contextlib.aclosing(gateways(self.config)) as ways:
            async for name, found in ways:
                if isinstance(found, PortMappingError):
                    reasons.append(f"{name}: {found}")
                    continue
                self._gateway, self._due = found, {}
                failures = await self._map(found)
                if self._leases:
                    self._tell(failures, name)
                    return
                self._gateway = None
                reasons += [f"{name}: {text}" for text in dict.fromkeys(failures.values())]
                if not failures:
                    reasons.append(f"{name}: the host does not listen at {found.local}, to which it would pass on")
        self._retry_at = monotonic() + self.config.retry
        self._fail(sorted({endpoint.port for endpoint in self._listening()}), reasons)

    def _listening(self) -> list[TcpEndpoint]:
        return [tcp_endpoint(address) for address in self._host.bound_addresses]

    def _wanted(self, local: IPv4Address) -> list[int]:
        """Return the ports at which connections to ``local`` are taken."""
        hosts = {str(local), "0.0.0.0"}  # noqa: S104 - compared with, not bound to
        found = dict.fromkeys(endpoint.port for endpoint in self._listening() if endpoint.host in hosts)
        return list(found)[: self.config.max_ports]

    async def _map(self, gateway: Gateway) -> dict[int, str]:
        """Make and renew what is due, take back what is not wanted; return why which ports are not mapped."""
        wanted, failures = self._wanted(gateway.local), {}
        for port in [port for port in self._leases if port not in wanted]:
            await self._take_back(gateway, port)
        self._due = {port: self._due.get(port, 0.0) for port in wanted}
        for port in wanted:
            if self._due[port] > monotonic():
                continue
            try:
                self._leases[port] = lease = await self._lease(gateway, port)
            except PortMappingError as error:
                self._leases.pop(port, None)
                failures[port] = str(error)
                self._due[port] = monotonic() + self.config.retry
            else:
                rest = min(lease.seconds, self.config.lifetime) / 2
                self._due[port] = monotonic() + max(rest, self.config.min_renewal)
        self._advertise(gateway)
        return failures

    async def _lease(self, gateway: Gateway, port: int) -> Lease:
        """Have a port mapped.

        Raises:
            PortMappingError: the gateway refuses, or can't be reached from the internet itself (PMAP-10).
        """
        mapping = gateway.map(port, self.config.lifetime, self._leases.get(port))
        # At the end of the host what was just asked for has to be taken back, too: it is waited for there.
        self._asking = asyncio.ensure_future(mapping)
        try:
            lease = await asyncio.shield(self._asking)
        except PortMappingError:
            self._asking = None
            raise
        self._asking = None
        if not is_public(_address(lease)):
            with contextlib.suppress(PortMappingError):
                await gateway.unmap(lease)
            raise PortMappingError(f"its own address {lease.host} is not public", requirement="PMAP-10")
        return lease

    async def _take_all_back(self) -> None:
        if self._gateway is not None:
            if self._asking is not None:
                await asyncio.wait([self._asking])
                if not self._asking.exception():
                    lease = self._asking.result()
                    self._leases[lease.internal] = lease
            for port in list(self._leases):
                await self._take_back(self._gateway, port)

    async def _take_back(self, gateway: Gateway, port: int) -> None:
        lease = self._leases.pop(port)
        try:
            await gateway.unmap(lease)
        except PortMappingError as error:
            logger.info("%s keeps the mapping of port %d until it ends: %s", gateway.name, port, error)

    # -- what is told of it

    def _advertise(self, gateway: Gateway) -> None:
        """Tell peers and the program what is mapped."""
        mapped = self.mapped
        self._host.advertise(_SOURCE, list(mapped.values()))
        for port, address in mapped.items():
            if self._told.get(port) != address:
                seconds = self._leases[port].seconds
                logger.info("%s passes %s on to port %d", gateway.name, address, port)
                self._host.emit(PortMapped(port=port, address=address, gateway=gateway.name, seconds=seconds))
        self._told = mapped

    def _tell(self, failures: dict[int, str], name: str) -> None:
        """Tell which ports the gateway does not take, or that it takes all."""
        if failures:
            self._fail(sorted(failures), [f"{name}: {text}" for text in dict.fromkeys(failures.values())])
        elif all(port in self._leases for port in self._due):
            self._failure = None

    def _fail(self, ports: list[int], reasons: list[str]) -> None:
        event = PortMappingFailed(ports=tuple(ports), reasons=tuple(reasons))
        if event != self._failure:
            self._failure = event
            logger.warning("no gateway passes on ports %s: %s", ", ".join(map(str, ports)), "; ".join(reasons))
            self._host.emit(event)


def _address(lease: Lease) -> Multiaddr:
    return from_sockaddr((str(lease.host), lease.external))
