"""Where a node is: by the directory, by what is known of it, by the DHT, in this order (SHK-120; specs/shinkai.md).

A peer id is a key's: whoever answers at an address proves by Noise that it has that key. So it does not matter who has
told the address, and a lie costs time alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from enum import StrEnum
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.errors import DeadlineExceeded, DialError, HostClosed, P2PError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.names import private_service
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.mdns.service import Mdns
from p2pstack.services.standard import Host
from p2pstack.shinkai.network.config import FindingConfig

__all__ = ["MDNS_SERVICE", "Finder", "FoundBy", "join_dht", "search_lan"]

MDNS_SERVICE = private_service(b"shinkai")
"""What nodes are asked for by on the local network (SHK-122)."""


class FoundBy(StrEnum):
    """How it was known where a peer is."""

    CONNECTED = "connected"
    """It did not matter: there was a connection."""

    DIRECTORY = "directory"
    """By the address that the directory lists."""

    KNOWN = "known"
    """By an address that the peer told earlier, or that was found earlier."""

    RELAY = "relay"
    """By the relay of this node, or that which the directory names."""

    DHT = "dht"
    """By asking the DHT."""


def join_dht(host: Host, config: FindingConfig, *, server: bool) -> Kademlia:
    """Take part in the DHT of the network; ``server``: answer others, too."""
    mode = Mode.SERVER if server else Mode.CLIENT
    return Kademlia(host, KademliaConfig(protocol=config.protocol, mode=mode, kad=config.kad))


def search_lan(host: Host, config: FindingConfig) -> Mdns:
    """Find nodes on the local network, be found there, and connect to them."""
    return Mdns(host, MdnsConfig(service=MDNS_SERVICE, interfaces=config.interfaces))


class Finder:
    """Reaches peers of one host, and tells how they were found."""

    def __init__(self, host: BaseHost, config: FindingConfig) -> None:
        self._host = host
        self._config = config
        self._running: dict[tuple[PeerId, tuple[Multiaddr, ...]], asyncio.Task[FoundBy]] = {}

    async def reach(
        self, peer: PeerId, listed: Sequence[str | Multiaddr], relayed: Sequence[Multiaddr], timeout: float
    ) -> FoundBy:
        """Be connected to ``peer``, and return how it was found.

        Dialled are, in this order, the addresses that the directory lists and those that are known, then those by our
        own relay; where all of them fail, or take longer than ``patience``, the DHT is asked. Who wants the same
        meanwhile, waits for the same.

        Raises:
            DialError: it can't be reached.
            DeadlineExceeded: that took longer than ``timeout`` seconds.
            HostClosed: the host was closed.
        """
        if self._host.connections(peer):
            return FoundBy.CONNECTED
        directory = tuple(parse(address) for address in listed)
        key = (peer, directory)
        running = self._running.get(key)
        if running is None:
            coroutine = self._reach(peer, directory, relayed, timeout)
            running = self._running[key] = asyncio.get_running_loop().create_task(coroutine)
            running.add_done_callback(lambda task: self._ended(key, task))
        done, _ = await asyncio.wait((running,), timeout=timeout)
        if not done:
            raise DeadlineExceeded(f"{peer} was not reached within {timeout:g} s")
        if running.cancelled():
            raise HostClosed("the host was closed")
        return running.result()

    async def _reach(
        self, peer: PeerId, directory: tuple[Multiaddr, ...], relayed: Sequence[Multiaddr], timeout: float
    ) -> FoundBy:
        known = self._host.peerstore.addresses(peer, monotonic())
        connection = await self._connect(peer, [*directory, *relayed], monotonic() + timeout)
        address = connection.dialled or connection.circuit
        if address is None:
            return FoundBy.CONNECTED  # it came to us meanwhile
        places = ((FoundBy.DIRECTORY, directory), (FoundBy.KNOWN, known), (FoundBy.RELAY, relayed))
        for found_by, addresses in places:
            if address in addresses:
                return found_by
        return FoundBy.DIRECTORY if await self._stands_for(directory, address) else FoundBy.DHT

    async def _connect(self, peer: PeerId, addresses: Sequence[Multiaddr], until: float) -> Connection:
        """Dial at ``addresses`` and those that are known; then ask the DHT, which dials what it is told.

        A host asks its routers only when all addresses have failed, and one that takes connections and says nothing
        fails late. So here a dial is given up for the lookup, whose dials try the known addresses as well.
        """
        host = self._host
        seconds = until - monotonic()
        try:
            first = min(seconds, self._config.patience) if host.routers else seconds
            return await host.connect(peer, addresses, timeout=first, routed=False)
        except DialError as error:
            attempts, late = [*error.attempts], False
        except DeadlineExceeded as error:
            attempts, late = [("the known addresses", error)], True
        found: list[Multiaddr] = []
        for router in host.routers:
            try:
                found += await router.find_addresses(peer, max(until - monotonic(), 0.0))
            except P2PError as error:
                attempts.append((str(router), error))
            connection = host.network.best(peer)
            if connection is not None:
                return connection
        left = until - monotonic()
        if left > 0 and (found or late):
            return await host.connect(peer, found, timeout=left, routed=False)
        raise DialError(peer, attempts)

    async def _stands_for(self, directory: Sequence[Multiaddr], address: Multiaddr) -> bool:
        """Whether the directory lists a name that ``address`` is that of."""
        for each in directory:
            with contextlib.suppress(P2PError):
                if address in await self._host.resolve(each):
                    return True
        return False

    def _ended(self, key: tuple[PeerId, tuple[Multiaddr, ...]], task: asyncio.Task[FoundBy]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # who has waited for it may have given up

    async def stop(self) -> None:
        """End what is under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
