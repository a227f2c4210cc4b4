"""Who is registered in a namespace of one point, as far as the point has told (RDV-07, RDV-08, RDV-10).

A point is asked again with its last cookie and tells only what is new; this is what keeps the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest
from operator import attrgetter

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, peer_id_of, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.rendezvous.messages import Discover, Register
from p2pstack.rendezvous.protocols import DEFAULT_TTL, MAX_NAMESPACE, MAX_TTL, read_namespace

__all__ = ["MAX_COOKIE", "RegisteredPeer", "View"]

MAX_COOKIE = 1_024
"""Bytes of a cookie that is kept: it is sent back each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPeer:
    """A peer that has registered: its own word on its addresses, without ``/p2p``, which was verified.

    ``seq`` tells which of two records is newer; ``expires`` is on the caller's clock.
    """

    peer: PeerId
    namespace: str
    addresses: tuple[Multiaddr, ...]
    seq: int
    expires: float


class View:
    """The peers of ``namespace`` ("": of all) at one point. ``own`` is left out.

    ``max_peers`` bounds them; beyond, whoever expires first goes. Of a peer up to ``max_addresses`` are kept.
    ``skipped`` counts registrations that were none: a bad record, no address, another namespace (RDV-10).
    """

    __slots__ = ("_cookie", "_max_addresses", "_max_peers", "_own", "_peers", "namespace", "skipped")

    def __init__(self, namespace: str, own: PeerId, *, max_peers: int, max_addresses: int) -> None:
        self.namespace = namespace
        self.skipped = 0
        self._own = own
        self._max_peers = max_peers
        self._max_addresses = max_addresses
        self._cookie = b""
        self._peers: dict[PeerId, RegisteredPeer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def asked(self) -> bool:
        """Whether the next question goes on from an earlier answer."""
        return bool(self._cookie)

    def request(self, limit: int) -> Discover:
        """Return the question for what is new, for up to ``limit`` registrations."""
        return Discover(self.namespace.encode(), limit, self._cookie)

    def restart(self) -> None:
        """Ask from the beginning next time: the point does not take the cookie. The peers stay."""
        self._cookie = b""

    def read(self, registrations: Iterable[Register], now: float) -> list[RegisteredPeer]:
        """Return who these registrations of an answer are of, without those that are none, and ourselves.

        Each costs the check of a signature, 0.1 ms or more: let others do something in between. Nothing is kept yet.
        """
        return [found for each in registrations if (found := self._read(each, now)) is not None]

    def accept(self, cookie: bytes, found: Iterable[RegisteredPeer]) -> list[RegisteredPeer]:
        """Keep what was read of an answer, and its cookie; return the peers that are new or have told other addresses.

        Raises:
            DecodeError: there is no cookie, or a huge one (RDV-08).
        """
        if not 0 < len(cookie) <= MAX_COOKIE:
            raise DecodeError(f"a cookie of {len(cookie)} bytes is of no use", requirement="RDV-08")
        self._cookie = cookie
        news = {each.peer: each for each in found if self._keep(each)}
        excess = len(self._peers) - self._max_peers
        if excess > 0:
            for each in nsmallest(excess, self._peers.values(), key=attrgetter("expires")):
                del self._peers[each.peer]
        return [each for peer, each in news.items() if peer in self._peers]

    def peers(self, now: float) -> list[RegisteredPeer]:
        """Return those whose time is not over."""
        self._peers = {peer: found for peer, found in self._peers.items() if found.expires > now}
        return list(self._peers.values())

    def _keep(self, found: RegisteredPeer) -> bool:
        """Note a peer, unless a newer record of it is known; whether it is news."""
        known = self._peers.get(found.peer)
        if known is not None and known.seq > found.seq:
            return False
        self._peers[found.peer] = found
        return known is None or known.addresses != found.addresses

    def _read(self, told: Register, now: float) -> RegisteredPeer | None:
        """Return who a registration is of; None for ourselves, and for one that is none."""
        try:
            namespace = read_namespace(told.namespace[: MAX_NAMESPACE + 1])
            record, _ = PeerRecord.open(told.record)
        except DecodeError:
            self.skipped += 1
            return None
        peer = record.peer_id
        if peer == self._own:
            return None
        usable = [without_peer(each) for each in record.addresses if peer_id_of(each) in {None, peer}]
        addresses = tuple(dict.fromkeys(usable))[: self._max_addresses]
        if not addresses or self.namespace not in {"", namespace}:
            self.skipped += 1
            return None
        ttl = min(DEFAULT_TTL if told.ttl is None else told.ttl, MAX_TTL)
        return RegisteredPeer(peer=peer, namespace=namespace, addresses=addresses, seq=record.seq, expires=now + ttl)
