"""Dialling known peers while the host has too few (PEERS-06)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from p2pstack.aio.tasks import background
from p2pstack.errors import DeadlineExceeded, DialError, P2PError
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.peers.attempts import judge
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.entries import KnownPeer
from p2pstack.services.peers.ledger import Ledger

__all__ = ["KnownPeerDialler"]

logger = logging.getLogger("p2pstack.peers")

_LONGEST_PAUSE = 60.0
"""Seconds after which the wall clock is looked at again: it may have been set."""


class KnownPeerDialler:
    """Dials the best known peers, a few at once, until the host has ``wanted`` of them.

    ``failed`` is told of each dial that did not reach its peer. The ledger's clock is ``clock``.
    """

    def __init__(
        self,
        host: BaseHost,
        ledger: Ledger,
        config: PeersConfig,
        clock: Callable[[], float],
        failed: Callable[[PeerId, DialError | DeadlineExceeded], None],
    ) -> None:
        self._host = host
        self._ledger = ledger
        self._config = config
        self._clock = clock
        self._failed = failed
        self._attempts: dict[PeerId, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    def look(self) -> None:
        """Look again: somebody has gone, or has become known."""
        self._news.set()

    async def run(self) -> None:
        """Go on until cancelled; what is being dialled then is given up."""
        try:
            while True:
                self._news.clear()
                pause = self._begin()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._news.wait()
        finally:
            attempts = list(self._attempts.values())
            for attempt in attempts:
                attempt.cancel()
            if attempts:
                await asyncio.wait(attempts)

    def _begin(self) -> float | None:
        """Start as many dials as are due; return in how many seconds to look again, None: when there is news."""
        missing = self._config.wanted - len(self._host.network.peers) - len(self._attempts)
        free = min(missing, self._config.dial_parallel - len(self._attempts))
        if free <= 0:
            return None
        now = self._clock()
        due = [entry for entry in self._ledger.candidates(now) if entry.peer not in self._attempts]
        for entry in due[:free]:
            self._attempts[entry.peer] = background(self._dial(entry), "the known peers")
        if len(due) >= free or self._attempts:
            return None
        pause = self._ledger.next_candidate(now)
        return None if pause is None else min(pause, _LONGEST_PAUSE)

    async def _dial(self, entry: KnownPeer) -> None:
        peer = entry.peer
        try:
            await self._host.connect(peer, entry.best_addresses())
        except (DialError, DeadlineExceeded) as error:
            logger.debug("%s is not where it was: %s", peer, error)
            if judge(error)[0]:
                self._failed(peer, error)
            else:
                self._ledger.postpone(peer, self._clock())
        except P2PError as error:
            logger.debug("%s was not dialled: %s", peer, error)
            self._ledger.postpone(peer, self._clock())
        finally:
            del self._attempts[peer]
            self._news.set()
