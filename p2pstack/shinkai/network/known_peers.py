"""Peers that are found again after a restart, in the node's file (SHK-77; specs/shinkai.md)."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.network.config import KnownPeersConfig
from p2pstack.storage.database import Database

__all__ = ["KnownPeer", "KnownPeers"]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS known_peer (profile TEXT NOT NULL, peer TEXT NOT NULL, addresses TEXT NOT NULL,"
    " worked INTEGER NOT NULL, last_seen REAL NOT NULL, PRIMARY KEY (profile, peer)) WITHOUT ROWID"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeer:
    """A peer and where it is. ``worked``: we have reached it there; ``last_seen`` is in seconds since 1970."""

    peer: PeerId
    addresses: tuple[Multiaddr, ...]
    worked: bool
    last_seen: float


class KnownPeers:
    """The peers of one profile. Without a database they last as long as the process.

    Those that we reached ourselves go last when there is no room: strangers who come to us can't push them out.
    """

    def __init__(
        self,
        profile: str,
        database: Database | None,
        config: KnownPeersConfig,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._profile = profile
        self._database = database
        self._clock = clock
        self._peers: dict[PeerId, KnownPeer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    async def load(self) -> None:
        """Read what an earlier process has left.

        Raises:
            StorageError: the file can't be read.
            DeadlineExceeded: it took too long.
        """
        if self._database is None:
            return
        oldest = self._clock() - self.config.max_age

        def operation(connection: sqlite3.Connection) -> list[tuple[str, str, int, float]]:
            connection.execute(_TABLE)
            connection.execute("DELETE FROM known_peer WHERE last_seen < ?", (oldest,))
            return connection.execute(
                "SELECT peer, addresses, worked, last_seen FROM known_peer WHERE profile = ?"
                " ORDER BY worked DESC, last_seen DESC LIMIT ?",
                (self._profile, self.config.max_peers),
            ).fetchall()

        for peer, addresses, worked, last_seen in await self._database.run(operation):
            found = _read(peer, addresses, bool(worked), last_seen)
            if found is not None:
                self._peers.setdefault(found.peer, found)

    def newest(self, count: int) -> list[KnownPeer]:
        """Return up to ``count`` peers, those that we reached ourselves first, then those seen last."""
        return sorted(self._peers.values(), key=_worth, reverse=True)[:count]

    async def seen(self, peer: PeerId, addresses: Iterable[Multiaddr], *, worked: bool) -> None:
        """Remember a peer that is connected; ``worked``: at the first of these addresses, by our own dial.

        Raises:
            StorageError: the file can't be written.
            DeadlineExceeded: it took too long.
            LimitExceeded: too much waits for the file.
            LocalError: the file is closed.
        """
        former = self._peers.get(peer)
        kept = former.addresses if former is not None else ()
        now = self._clock()
        if former is not None and now - former.last_seen < self.config.rewrite_interval and worked <= former.worked:
            return
        plain = dict.fromkeys([*map(without_peer, addresses), *kept])
        if not plain:
            return
        entry = KnownPeer(
            peer=peer,
            addresses=tuple(plain)[: self.config.max_addresses],
            worked=worked or (former is not None and former.worked),
            last_seen=now,
        )
        self._peers[peer] = entry
        surplus = []
        if len(self._peers) > self.config.max_peers:
            least = min(self._peers.values(), key=_worth)
            del self._peers[least.peer]
            surplus = [least.peer]
        await self._write(None if peer in surplus else entry, surplus)

    async def forget(self, peer: PeerId) -> bool:
        """Forget a peer; whether it was known. Raises as :meth:`seen` does."""
        known = self._peers.pop(peer, None) is not None
        if known:
            await self._write(None, [peer])
        return known

    async def _write(self, entry: KnownPeer | None, gone: Sequence[PeerId]) -> None:
        if self._database is None:
            return
        profile = self._profile

        def operation(connection: sqlite3.Connection) -> None:
            for peer in gone:
                connection.execute("DELETE FROM known_peer WHERE profile = ? AND peer = ?", (profile, str(peer)))
            if entry is not None:
                addresses = json.dumps([str(address) for address in entry.addresses])
                connection.execute(
                    "INSERT OR REPLACE INTO known_peer VALUES (?, ?, ?, ?, ?)",
                    (profile, str(entry.peer), addresses, int(entry.worked), entry.last_seen),
                )

        await self._database.run(operation)


def _worth(peer: KnownPeer) -> tuple[bool, float]:
    return peer.worked, peer.last_seen


def _read(peer: str, addresses: str, worked: bool, last_seen: float) -> KnownPeer | None:  # noqa: FBT001 - a column
    """Return the peer of a row; None where another version of the program has written what we can't read."""
    try:
        return KnownPeer(
            peer=PeerId.from_string(peer),
            addresses=tuple(parse(address) for address in json.loads(addresses)),
            worked=worked,
            last_seen=last_seen,
        )
    except (DecodeError, ValueError, TypeError):
        return None
