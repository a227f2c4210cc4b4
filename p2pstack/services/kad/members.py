"""Who gets into the routing table, and who leaves it (KAD-03, KAD-11, KAD-21; specs/kad.md)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.errors import HostClosed, P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.groups import groups_of
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.refresh import Refresh
from p2pstack.kad.table import Admission, RoutingTable
from p2pstack.services.events import PeerInfo
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.services.kad.events import DhtPeerAdded, DhtPeerRemoved
from p2pstack.services.kad.messenger import Messenger, frame_of
from p2pstack.services.standard import Host

__all__ = ["Members"]


class Members:
    """Keeps the routing table, and tells the refresh of each newcomer."""

    def __init__(
        self,
        host: Host,
        config: KademliaConfig,
        table: RoutingTable,
        refresh: Refresh,
        messenger: Messenger,
        counters: Counter[str],
    ) -> None:
        self.news = asyncio.Event()
        """Set when the table has changed."""
        self._host = host
        self._config = config
        self._table = table
        self._refresh = refresh
        self._messenger = messenger
        self._counters = counters
        self._probes: dict[PeerId, asyncio.Task[bool]] = {}
        self._answered: dict[PeerId, None] = {}
        """Who has answered, and not yet told what it speaks: the oldest first."""

    def __len__(self) -> int:
        """Peers that are being tried."""
        return len(self._probes)

    # -- what peers say of themselves

    def identified(self, info: PeerInfo, connection: Connection) -> None:
        """A peer has told what it speaks: try it, or let it leave."""
        peer = info.peer
        answered = peer in self._answered
        self._answered.pop(peer, None)
        if self._config.protocol not in info.protocols:
            if self._table.remove(peer, monotonic()):
                self._removed(peer)
        elif answered or peer in self._table:
            self._add(self._contact(peer, info.addresses))
        elif connection.relayed or peer in self._probes or self._messenger.is_asking(connection):
            return  # what it is being asked tells as much as asking it for itself
        elif len(self._probes) < self._config.max_probes:
            self._probe(Contact(peer, info.addresses))
        else:
            self._counters["probe-skipped"] += 1

    def _probe(self, contact: Contact) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self.try_out(contact))
        self._probes[contact.peer] = task
        task.add_done_callback(lambda _: self._probes.pop(contact.peer, None))
        return task

    async def try_out(self, contact: Contact) -> bool:
        """Ask a peer for itself, as go does; whether it answers, and so belongs into the table (KAD-11)."""
        peer = contact.peer
        request = Message(type=MessageType.FIND_NODE, key=peer.to_bytes())
        try:
            await self._messenger.request(contact, request.type, frame_of(request))
        except P2PError:
            self.failed(peer)
            return False
        self.heard(contact)
        return True

    async def admit(self, connection: Connection, timeout: float) -> bool:
        """Wait for a connected peer to tell what it speaks, and try it now; whether it answers.

        Raises:
            P2PError: it does not tell.
        """
        peer = connection.peer_id
        info = await self._host.identify.wait(connection, timeout)
        if peer in self._table:
            return True
        if self._config.protocol not in info.protocols:
            return False
        probe = self._probes.get(peer) or self._probe(Contact(peer, info.addresses))
        await asyncio.wait((probe,))
        if probe.cancelled():
            raise HostClosed("the DHT was stopped")
        return probe.result()

    # -- what became of requests

    def heard(self, contact: Contact) -> None:
        """A peer has answered: it may get into the table, if it is a server (KAD-03)."""
        peer = contact.peer
        if self._table.heard(peer, monotonic()):
            return
        if self._host.peerstore.speaks(peer, self._config.protocol):
            self._add(self._contact(peer, contact.addresses))
            return
        self._answered[peer] = None
        if len(self._answered) > self._config.max_probes:
            del self._answered[next(iter(self._answered))]

    def failed(self, peer: PeerId) -> None:
        """A request to a peer has failed."""
        if self._table.failed(peer, monotonic()):
            self._removed(peer)

    def _add(self, contact: Contact) -> None:
        now = monotonic()
        if self._table.add(contact, now) is Admission.ADDED:
            self._refresh.peer_added(now)
            self._host.emit(DhtPeerAdded(protocol=self._config.protocol, peer=contact.peer))
            self.news.set()

    def _removed(self, peer: PeerId) -> None:
        self._host.emit(DhtPeerRemoved(protocol=self._config.protocol, peer=peer))
        self.news.set()

    def _contact(self, peer: PeerId, told: Sequence[Multiaddr]) -> Contact:
        """Return a peer with the address that we have reached it at in front, and those that it has told, or others.

        Who came to us is at an address that it can't be dialled at, but that tells whose it is (KAD-21).
        """
        connection = self._host.network.best(peer)
        addresses = list(told)
        if connection is not None and not connection.relayed:
            remote = connection.remote_address
            if connection.dialled is not None:
                addresses.insert(0, connection.dialled)
            elif not set(groups_of([remote])) <= set(groups_of(addresses)):
                addresses.append(remote)
        return Contact(peer, tuple(dict.fromkeys(addresses))[: self._config.kad.max_addresses])

    async def stop(self) -> None:
        """End what is being tried."""
        probes = list(self._probes.values())
        for probe in probes:
            probe.cancel()
        if probes:
            await asyncio.wait(probes)
