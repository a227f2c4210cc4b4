"""mDNS for a host: finds peers on the local network, and lets them find it, as long as the host lives.

::

    host = Host(listen=["/ip4/0.0.0.0/tcp/0"])
    Mdns(host)
    async with host:
        async for event in host.events(MdnsPeerFound): ...

Interfaces are looked at again every few seconds. Where one can't be used, the others are, and the log says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from functools import partial
from ipaddress import ip_address
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.host.events import AddressesChanged, EventStream
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.advert import NAME_SIZE, peer_name
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.discovery import Discovery, Key
from p2pstack.mdns.segment import Segment
from p2pstack.services.life import HostService
from p2pstack.services.mdns.dialling import FoundPeerDialler
from p2pstack.services.mdns.events import MdnsPeerExpired, MdnsPeerFound
from p2pstack.services.mdns.interfaces import choose, interfaces, segments
from p2pstack.services.mdns.sockets import GROUPS, PORT, open_socket

__all__ = ["Mdns"]

logger = logging.getLogger("p2pstack.mdns")


class Mdns(HostService):
    """Finds peers on the local network; started and stopped with the host, or by ``async with``."""

    _label = "mDNS"

    def __init__(self, host: BaseHost, config: MdnsConfig | None = None) -> None:
        self.config = config = config or MdnsConfig()
        self._host = host
        name = peer_name(secrets.token_bytes(NAME_SIZE))
        self._machine = Discovery(host.peer_id, config, name=name, chance=random.SystemRandom().random)
        self._dialler = FoundPeerDialler(host, config, self._machine.table)
        self._transports: dict[Key, asyncio.DatagramTransport] = {}
        self._unusable: dict[Key, str] = {}
        self._missing: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._events: EventStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Begin to speak on the interfaces that are there."""
        self._events = self._host.events(AddressesChanged)
        self._tasks = [background(self._watch(self._events), self._label), background(self._keep(), self._label)]
        self._dialler.start()

    async def _end(self) -> None:
        """Say goodbye, and end."""
        try:
            if self._events is not None:
                self._events.close()
            self._changed.set()
            # Not cancelled: uvloop would be left with a socket that it is just taking over, and that nobody closes.
            if self._tasks:
                await asyncio.wait(self._tasks)
            await self._dialler.stop()
        finally:
            self._machine.close()
            self._send()
            if self._timer is not None:
                self._timer.cancel()
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()

    # -- what programs ask

    @property
    def peers(self) -> dict[PeerId, tuple[Multiaddr, ...]]:
        """Who is on the local network, and where, without ``/p2p``."""
        return self._machine.table.peers()

    @property
    def segments(self) -> list[Segment]:
        """Where it speaks."""
        return self._machine.segments

    @property
    def counters(self) -> dict[str, int]:
        """Packets and peers that were not taken, by reason."""
        machine = self._machine
        return {
            "malformed": machine.malformed,
            "foreign": machine.foreign,
            "dropped": machine.dropped,
            "refused": machine.table.refused,
        }

    # -- interfaces

    async def _watch(self, events: EventStream) -> None:
        async for _ in events:
            self._changed.set()

    async def _keep(self) -> None:
        """Follow the interfaces, and where the host listens."""
        while self._stopped is None:
            self._changed.clear()
            await self._follow_interfaces()
            self._machine.advertise(self._host.addresses, monotonic())
            self._flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.config.interface_interval):
                    await self._changed.wait()

    async def _follow_interfaces(self) -> None:
        every = interfaces()
        self._tell_missing({each.name for each in every})
        found = {each.key: each for each in segments(choose(every, self.config), self.config)}
        known = {each.key: each for each in self._machine.segments}
        for key, segment in known.items():
            # A socket sends from an address, and stays with an interface's number: where these change, so must it.
            if found.get(key) != segment or self._transports[key].is_closing():
                self._transports.pop(key).close()
                self._machine.leave(key)
        self._unusable = {key: why for key, why in self._unusable.items() if key in found}
        for key, segment in found.items():
            if key not in self._transports:
                await self._join(segment)

    def _tell_missing(self, there: set[str]) -> None:
        """Say which of the interfaces that were asked for are not there, once, or once more when they have gone."""
        missing = set(self.config.interfaces or ()) - there
        for name in sorted(missing - self._missing):
            logger.warning("no mDNS on %s: there is no interface of this name that is up and has an address", name)
        self._missing = missing

    async def _join(self, segment: Segment) -> None:
        """Speak on a segment, if that can be done."""
        key = segment.key
        try:
            transport = await self._open(segment)
        except OSError as error:
            if self._unusable.get(key) != str(error):
                logger.warning("no mDNS on %s by IPv%d: %s", *key, error)
            self._unusable[key] = str(error)
            return
        self._unusable.pop(key, None)
        self._machine.join(segment, monotonic())
        self._transports[key] = transport

    async def _open(self, segment: Segment) -> asyncio.DatagramTransport:
        """Return what sends and receives on a segment.

        Raises:
            OSError: the interface is gone, or can't be used.
        """
        opened = open_socket(segment)
        protocol = partial(_Protocol, self, segment.key)
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(protocol, sock=opened)
        except BaseException:
            opened.close()
            raise
        return transport

    # -- packets

    def receive(self, key: Key, data: bytes, host: str) -> None:
        """Take a packet; called by the socket's protocol."""
        if key in self._transports:
            self._machine.receive(key, data, ip_address(host.partition("%")[0]), monotonic())
            self._flush()

    def _flush(self) -> None:
        """Send what is to be sent, tell what has changed, and come back when something is due."""
        self._send()
        for change in self._machine.changes():
            self._tell(change.peer, change.addresses, change.ttl)
        if self._timer is not None:
            self._timer.cancel()
        due = self._machine.next_timeout()
        if due is not None and self._stopped is None:
            self._timer = asyncio.get_running_loop().call_later(max(due - monotonic(), 0.0), self._due)

    def _due(self) -> None:
        self._machine.handle_timeout(monotonic())
        self._flush()

    def _send(self) -> None:
        for key, packet in self._machine.packets():
            transport = self._transports.get(key)
            if transport is not None and not transport.is_closing():
                # An interface may go at any time; the next look finds out.
                with contextlib.suppress(OSError):
                    transport.sendto(packet, (GROUPS[key[1]], PORT))

    def _tell(self, peer: PeerId, addresses: tuple[Multiaddr, ...], ttl: float) -> None:
        if not addresses:
            self._dialler.forget(peer)
            self._host.emit(MdnsPeerExpired(peer=peer))
            return
        self._host.peerstore.add_addresses(peer, addresses, monotonic() + ttl)
        self._host.emit(MdnsPeerFound(peer=peer, addresses=addresses))
        if self.config.dial:
            self._dialler.want(peer)


class _Protocol(asyncio.DatagramProtocol):
    """Hands packets of one socket on. What goes wrong there, the next look at the interfaces finds out."""

    def __init__(self, service: Mdns, key: Key) -> None:
        self._service = service
        self._key = key

    def datagram_received(self, data: bytes, addr: tuple[str, ...]) -> None:
        """Take a packet."""
        self._service.receive(self._key, data, addr[0])
