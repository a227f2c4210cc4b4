"""What is known of peers: addresses with their age, protocols, agent, signed record. In memory, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from p2pstack.host.config import PeerstoreConfig
from p2pstack.identity.multiaddrs import Multiaddr, peer_id_of, without_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["PeerRecordEntry", "Peerstore"]

FOREVER = float("inf")


class PeerRecordEntry:
    """One peer. ``addresses`` maps each to the time at which it expires, on the loop's clock."""

    __slots__ = ("addresses", "agent", "protocol_version", "protocols", "record", "record_seq")

    def __init__(self) -> None:
        self.addresses: dict[Multiaddr, float] = {}
        self.protocols: tuple[str, ...] | None = None
        self.agent = ""
        self.protocol_version = ""
        self.record: bytes | None = None
        self.record_seq = -1


class Peerstore:
    """Peers by id. Times are seconds on one clock, which the caller reads."""

    def __init__(self, config: PeerstoreConfig) -> None:
        self.config = config
        self._peers: dict[PeerId, PeerRecordEntry] = {}
        self._pinned: set[PeerId] = set()

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, peer: object) -> bool:
        return peer in self._peers

    def peers(self) -> list[PeerId]:
        """Return all known peers, the one that was used longest ago first."""
        return list(self._peers)

    def get(self, peer: PeerId) -> PeerRecordEntry | None:
        """Return what is known of ``peer``, or None."""
        return self._peers.get(peer)

    def addresses(self, peer: PeerId, now: float) -> list[Multiaddr]:
        """Return the addresses of ``peer`` that have not expired, without ``/p2p``."""
        entry = self._peers.get(peer)
        if entry is None:
            return []
        entry.addresses = {address: until for address, until in entry.addresses.items() if until > now}
        return list(entry.addresses)

    def protocols(self, peer: PeerId) -> tuple[str, ...] | None:
        """Return what ``peer`` said it speaks, or None where it hasn't said yet."""
        entry = self._peers.get(peer)
        return entry.protocols if entry is not None else None

    def speaks(self, peer: PeerId, protocol: str) -> bool:
        """Whether ``peer`` has said that it speaks ``protocol``."""
        return protocol in (self.protocols(peer) or ())

    def add_addresses(self, peer: PeerId, addresses: Iterable[Multiaddr], until: float) -> None:
        """Remember addresses until the time ``until``; one that is known already is never shortened.

        An address that names another peer is left out.
        """
        entry = self._entry(peer)
        for address in addresses:
            if peer_id_of(address) in {None, peer}:
                plain = without_peer(address)
                entry.addresses[plain] = max(until, entry.addresses.get(plain, until))
        self._trim(entry)

    def replace_addresses(self, peer: PeerId, addresses: Iterable[Multiaddr], until: float) -> None:
        """Replace the addresses that a peer once told by those that it tells now; lasting ones stay."""
        entry = self._entry(peer)
        entry.addresses = {address: when for address, when in entry.addresses.items() if when == FOREVER}
        self.add_addresses(peer, addresses, until)

    def set_protocols(self, peer: PeerId, protocols: Iterable[str]) -> None:
        """Replace the protocols of ``peer``; beyond ``max_protocols`` they are dropped."""
        self._entry(peer).protocols = tuple(protocols)[: self.config.max_protocols]

    def set_agent(self, peer: PeerId, agent: str, protocol_version: str) -> None:
        """Remember the names of a peer's program and network."""
        entry = self._entry(peer)
        entry.agent = agent
        entry.protocol_version = protocol_version

    def accept_record(self, peer: PeerId, record: bytes, seq: int) -> bool:
        """Keep a verified signed record unless a newer one is known; whether it was kept (ENV-06)."""
        entry = self._entry(peer)
        if seq < entry.record_seq:
            return False
        entry.record = record
        entry.record_seq = seq
        return True

    def pin(self, peer: PeerId) -> None:
        """Never forget ``peer``: it is connected."""
        self._entry(peer)
        self._pinned.add(peer)

    def unpin(self, peer: PeerId, until: float) -> None:
        """``peer`` is gone: let its addresses expire at ``until``, and itself be forgotten when room is needed."""
        self._pinned.discard(peer)
        entry = self._peers.get(peer)
        if entry is not None:
            for address, when in entry.addresses.items():
                if when != FOREVER:
                    entry.addresses[address] = min(when, until)
        self._make_room()

    def forget(self, peer: PeerId) -> None:
        """Drop everything known of ``peer``."""
        self._peers.pop(peer, None)

    def _entry(self, peer: PeerId) -> PeerRecordEntry:
        """Return the entry of ``peer``, made if need be, as the one used last."""
        entry = self._peers.pop(peer, None) or PeerRecordEntry()
        self._peers[peer] = entry
        self._make_room(peer)
        return entry

    def _make_room(self, spared: PeerId | None = None) -> None:
        """Keep to ``max_peers``: those that were used longest ago go, but none that is connected."""
        excess = len(self._peers) - self.config.max_peers
        if excess > 0:
            idle = (peer for peer in self._peers if peer not in self._pinned and peer != spared)
            for peer in list(islice(idle, excess)):
                del self._peers[peer]

    def _trim(self, entry: PeerRecordEntry) -> None:
        """Keep to ``max_addresses``: those that expire first go."""
        excess = len(entry.addresses) - self.config.max_addresses
        if excess > 0:
            for address, _ in sorted(entry.addresses.items(), key=lambda item: item[1])[:excess]:
                del entry.addresses[address]
