"""Who is remembered: what is learned, what it is worth, and who goes when (specs/peers.md).

Plain bookkeeping without I/O: times come in as ``now``, in seconds since 1970, and what has changed is drained by who
writes it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from itertools import islice

from p2pstack.identity.multiaddrs import Multiaddr, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.events import PeerInfo
from p2pstack.services.peers.attempts import Verdict
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.entries import KnownAddress, KnownPeer
from p2pstack.services.peers.events import ForgetReason

__all__ = ["Forgotten", "Ledger"]

Forgotten = tuple[PeerId, ForgetReason]

_ROOM = 64
"""The part of all places that is made free when there is none."""


class Ledger:
    """The peers that are remembered. ``connected`` is read, never changed: who is connected is not forgotten."""

    def __init__(self, config: PeersConfig, connected: Container[PeerId]) -> None:
        self._config = config
        self._connected = connected
        self._peers: dict[PeerId, KnownPeer] = {}
        self._changed: dict[PeerId, None] = {}
        self._gone: dict[PeerId, None] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, peer: object) -> bool:
        return peer in self._peers

    def get(self, peer: PeerId) -> KnownPeer | None:
        """Return what is remembered of ``peer``, or None."""
        return self._peers.get(peer)

    def peers(self) -> list[KnownPeer]:
        """Return all, in no order."""
        return list(self._peers.values())

    # -- what is learned

    def restore(self, entries: Iterable[KnownPeer], now: float) -> list[Forgotten]:
        """Take what an earlier process has left, as far as it is not over (PEERS-03); return who is not.

        A time that lies ahead is one of a clock that was set back: it counts as now. Who has not failed may be dialled.
        """
        for entry in entries:
            entry.first_seen = min(entry.first_seen, now)
            entry.last_seen = min(entry.last_seen, now)
            entry.last_success = min(entry.last_success, now)
            entry.retry_at = min(entry.retry_at, now + self._config.backoff_max) if entry.failures else 0.0
            for address in entry.addresses.values():
                address.first_seen = min(address.first_seen, now)
                address.last_told = min(address.last_told, now)
                address.last_success = min(address.last_success, now)
            self._peers[entry.peer] = entry
        forgotten = self.sweep(now)
        return [*forgotten, *self._make_room(self._config.max_peers)]

    def connected(self, peer: PeerId, dialled: Multiaddr | None, now: float) -> list[Forgotten]:
        """A connection is open; ``dialled`` is where we reached the peer, None where it came to us."""
        entry, forgotten = self._entry(peer, now)
        entry.last_seen = now
        if dialled is not None:
            entry.last_success = now
            # One that accepts and drops is not dialled again at once (PEERS-06).
            entry.failures, entry.retry_at = 0, now + self._config.backoff_base
            plain = without_peer(dialled)
            address = entry.addresses.get(plain)
            if address is None:
                address = entry.addresses[plain] = KnownAddress(first_seen=now, last_told=now)
            address.last_success = now
            address.failures = 0
            self._trim(entry)
        self._changed[peer] = None
        return forgotten

    def identified(self, info: PeerInfo, now: float) -> list[Forgotten]:
        """A peer has told who it is. What it does not tell any more and never worked is dropped."""
        config = self._config
        entry, forgotten = self._entry(info.peer, now)
        entry.last_seen = now
        entry.protocols = info.protocols[: config.max_protocols]
        entry.agent, entry.protocol_version = info.agent, info.protocol_version
        if info.record is not None and len(info.record) <= config.max_record:
            entry.record = info.record
        if info.addresses:
            told = dict.fromkeys(info.addresses)
            entry.addresses = {
                address: known for address, known in entry.addresses.items() if known.last_success or address in told
            }
            for address in told:
                known = entry.addresses.get(address)
                if known is None:
                    entry.addresses[address] = KnownAddress(first_seen=now, last_told=now)
                else:
                    known.last_told = now
            self._trim(entry)
        self._changed[info.peer] = None
        return forgotten

    def disconnected(self, peer: PeerId, now: float) -> None:
        """The last connection to a peer is gone."""
        entry = self._peers.get(peer)
        if entry is not None:
            entry.last_seen = now
            self._changed[peer] = None

    def failed(
        self, peer: PeerId, verdicts: Mapping[Multiaddr, Verdict], now: float, *, online: bool
    ) -> Forgotten | None:
        """A dial has failed; return the peer if that was one failure too many (PEERS-05).

        A further failure within the back-off is not counted: others may dial as often as they like. Where the machine
        is not ``online``, nobody is forgotten for it.
        """
        entry = self._peers.get(peer)
        if entry is None or peer in self._connected or self._rest(entry, now) > 0:
            return None
        limit = self._config.max_failures
        entry.failures = min(entry.failures + 1, limit if online else limit - 1)
        entry.retry_at = now + self._config.backoff(entry.failures)
        self._changed[peer] = None
        for address, verdict in verdicts.items():
            known = entry.addresses.get(address)
            if known is None:
                continue
            known.failures = min(known.failures + online, limit)
            if verdict is Verdict.WRONG_PEER or (known.failures >= limit and len(entry.addresses) > 1):
                del entry.addresses[address]
        if entry.failures >= limit:
            return self._forget(peer, ForgetReason.FAILURES)
        if not entry.addresses:
            return self._forget(peer, ForgetReason.ADDRESSES)
        return None

    def postpone(self, peer: PeerId, now: float) -> None:
        """Leave a peer alone for a while without counting a failure: it was not tried at all."""
        entry = self._peers.get(peer)
        if entry is not None:
            entry.retry_at = max(entry.retry_at, now + self._config.backoff_base)

    def forget(self, peer: PeerId) -> bool:
        """Forget a peer; whether it was known."""
        known = self._peers.pop(peer, None) is not None
        if known:
            self._note_gone(peer)
        return known

    # -- who is dialled

    def candidates(self, now: float) -> list[KnownPeer]:
        """Return who may be dialled now, best first: those that we reached last, then those met last (PEERS-06)."""
        due = [
            entry
            for entry in self._peers.values()
            if entry.peer not in self._connected and entry.addresses and self._rest(entry, now) <= 0
        ]
        return sorted(due, key=lambda entry: (entry.failures == 0, entry.last_success, entry.last_seen), reverse=True)

    def next_candidate(self, now: float) -> float | None:
        """Return in how many seconds somebody may be dialled, None where nobody is left."""
        rests = [
            self._rest(entry, now)
            for entry in self._peers.values()
            if entry.peer not in self._connected and entry.addresses
        ]
        return max(min(rests), 0.0) if rests else None

    def _rest(self, entry: KnownPeer, now: float) -> float:
        """Return for how long a peer is left alone; never longer than it can be, though the clock was set back."""
        rest = entry.retry_at - now
        return rest if rest <= self._config.backoff_max else 0.0

    # -- who goes

    def sweep(self, now: float) -> list[Forgotten]:
        """Drop addresses that are over, and peers that were not met for long or have none left (PEERS-04)."""
        config = self._config
        forgotten = []
        for peer, entry in list(self._peers.items()):
            if peer in self._connected:
                continue
            live = {
                address: known
                for address, known in entry.addresses.items()
                if known.expires(config.address_lifetime) > now
            }
            if len(live) < len(entry.addresses):
                entry.addresses = live
                self._changed[peer] = None
            if entry.last_seen + config.max_age <= now:
                forgotten.append(self._forget(peer, ForgetReason.AGE))
            elif not live:
                forgotten.append(self._forget(peer, ForgetReason.ADDRESSES))
        return forgotten

    def _entry(self, peer: PeerId, now: float) -> tuple[KnownPeer, list[Forgotten]]:
        """Return the entry of a peer, made if need be, and who had to make room for it."""
        entry = self._peers.get(peer)
        if entry is not None:
            return entry, []
        forgotten = []
        if len(self._peers) >= self._config.max_peers:
            # A few at once: to look at all of them for each stranger would cost more than its handshake.
            forgotten = self._make_room(self._config.max_peers - max(1, self._config.max_peers // _ROOM))
        entry = self._peers[peer] = KnownPeer(peer=peer, first_seen=now, last_seen=now)
        self._gone.pop(peer, None)
        return entry, forgotten

    def _make_room(self, left: int) -> list[Forgotten]:
        """Forget those that are worth least, until no more than ``left`` are (PEERS-02)."""
        least = sorted(self._peers.values(), key=self._worth)[: max(len(self._peers) - left, 0)]
        return [self._forget(entry.peer, ForgetReason.ROOM) for entry in least]

    def _worth(self, entry: KnownPeer) -> tuple[bool, bool, float]:
        """Order peers by who goes last when there is no room: who we reached, who is connected, who was met last."""
        return entry.last_success > 0, entry.peer in self._connected, entry.last_seen

    def _forget(self, peer: PeerId, reason: ForgetReason) -> Forgotten:
        del self._peers[peer]
        self._note_gone(peer)
        return peer, reason

    def _note_gone(self, peer: PeerId) -> None:
        self._changed.pop(peer, None)
        self._gone[peer] = None
        if len(self._gone) > self._config.max_peers:  # nothing can be written; they come back, and go again
            del self._gone[next(iter(self._gone))]

    def _trim(self, entry: KnownPeer) -> None:
        for address in entry.best_addresses()[self._config.max_addresses :]:
            del entry.addresses[address]

    # -- what is written

    @property
    def pending(self) -> int:
        """Peers whose entries are not as they stand in the file."""
        return len(self._changed) + len(self._gone)

    def drain(self, limit: int) -> tuple[list[KnownPeer], list[PeerId]]:
        """Return up to ``limit`` peers to write and to remove; they count as done."""
        gone = list(islice(self._gone, limit))
        changed = list(islice(self._changed, limit - len(gone)))
        for peer in gone:
            del self._gone[peer]
        for peer in changed:
            del self._changed[peer]
        return [self._peers[peer] for peer in changed], gone

    def put_back(self, changed: Iterable[KnownPeer], gone: Iterable[PeerId]) -> None:
        """What was drained could not be written: it is drained again, as it is by then."""
        for entry in changed:
            if entry.peer in self._peers:
                self._changed[entry.peer] = None
        for peer in gone:
            if peer not in self._peers:
                self._gone[peer] = None
