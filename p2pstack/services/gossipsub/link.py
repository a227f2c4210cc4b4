"""Our stream to one peer: opened with the connection, watched, opened anew (GS10-28; specs/gossipsub.md).

There is one a peer, however many connections. We write on it alone; the peer says nothing on it, so whatever is read
there, an end, a reset or data, means that the peer does not want it any more. A task a link opens it and waits for
that.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import background
from p2pstack.aio.waiting import WaitingList
from p2pstack.errors import P2PError, ProtocolNotSupported
from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.outbound import Outbound
from p2pstack.services.pace import Pace

__all__ = ["Link"]

logger = logging.getLogger("p2pstack.gossipsub")


class Link:
    """One peer, from its first connection to the end of its last.

    ``on_opened`` is told of each new stream, whose protocol is agreed on, and has to attach it; ``on_given_up`` that no
    further one is tried, and ``on_renewed`` that the peer has opened a later stream while ours lives. ``inbound`` is
    the peer's stream to us; ``known_before`` says that an earlier pubsub of this host may have had one already.
    """

    __slots__ = (
        "_config", "_counters", "_distrusted", "_host", "_on_given_up", "_on_opened", "_on_renewed", "_renewals",
        "_row", "_task", "_waiting", "closed", "given_up", "inbound", "known_before", "outbound", "peer",
    )  # fmt: skip

    def __init__(
        self,
        host: BaseHost,
        peer: PeerId,
        config: PubsubConfig,
        counters: Counter[str],
        *,
        on_opened: Callable[[Link, Stream], None],
        on_given_up: Callable[[Link], None],
        on_renewed: Callable[[Link], None],
        on_change: Callable[[Outbound], None],
    ) -> None:
        self.peer = peer
        self.outbound = Outbound(peer, config, counters, on_change)
        self.inbound: Stream | None = None
        self.given_up = self.closed = self.known_before = False
        self._host = host
        self._config = config
        self._counters = counters
        self._on_opened = on_opened
        self._on_given_up = on_given_up
        self._on_renewed = on_renewed
        self._task: asyncio.Task[None] | None = None
        self._waiting = WaitingList()
        self._distrusted = False
        self._row = 0
        self._renewals = Pace(config.max_streams_in_a_row, config.renewal_interval)

    # -- what is known

    @property
    def dialled(self) -> bool:
        """Whether we have dialled the peer ourselves (GS11-10)."""
        return any(each.direction == "outbound" for each in self.connections)

    @property
    def ips(self) -> list[str]:
        """The peer's IP addresses (GS11-36)."""
        return list(dict.fromkeys(each.remote_host for each in self.connections))

    @property
    def connections(self) -> list[Connection]:
        """The connections to the peer that are not ending, and pass no relay: pubsub is too much for one (RELAY-12)."""
        return [each for each in self._host.connections(self.peer) if not each.closed and not each.relayed]

    # -- life

    def start(self, *, anew: bool = False) -> None:
        """Open the stream, unless it is open or being opened; ``anew``: there is a new connection to try it on."""
        if anew:
            self._row = 0
            self.given_up = False
        running = self._task is not None and not self._task.done()
        if not running and not self.closed and not self.given_up:
            self._task = background(self._run(), "pubsub")

    def close(self) -> list[asyncio.Task[None]]:
        """End everything at once; return the tasks, which are to be awaited."""
        self.closed = True
        self._waiting.wake()
        stream = self.outbound.stream
        tasks = self.outbound.close()
        if stream is not None:
            stream.reset()
        if self.inbound is not None:
            self.inbound.reset()
        if self._task is not None:
            self._task.cancel()
            tasks.append(self._task)
        return tasks

    async def finish(self) -> None:
        """End our stream behind what is queued, and wait until the peer has read it all and ends its side."""
        await self.outbound.drained()
        stream, task = self.outbound.stream, self._task
        if stream is not None and task is not None:
            self.closed = True
            stream.close_write()
            await asyncio.wait((task,))

    async def take(self, stream: Stream) -> bool:
        """Have ``stream`` as the peer's stream to us from now on, and reset the former (GS10-05).

        Waits until ours is open, without which nothing can be said; False where that never happens, or not in time.
        """
        former, self.inbound = self.inbound, stream
        if former is not None:
            former.reset()
            self._waiting.wake()
        may_have_forgotten = self.outbound.stream is not None and (former is not None or self.known_before)
        if may_have_forgotten and self._renewals.allow(monotonic()):
            self._on_renewed(self)
        while self.outbound.stream is None:
            if self.closed or self.given_up or stream.failure is not None:
                return False
            await self._waiting.join(asyncio.get_running_loop())
        return True

    # -- the stream

    async def _run(self) -> None:
        """Open one stream after the other, until there is no connection, or the peer does not speak the protocol."""
        while not self.closed and (connection := self._best()) is not None:
            try:
                stream = await self._open(connection)
            except ProtocolNotSupported:
                # Identify or a push may tell otherwise; then start() is called again.
                self._on_given_up(self)
                return
            except P2PError as error:
                logger.debug("%s: no stream: %s", connection, error)
            else:
                await self._use(stream)
            if not connection.closed and not self.closed and not await self._may_try_again():
                self.given_up = True
                self._counters["given-up"] += 1
                logger.debug("%s: gives up pubsub", connection)
                self._on_given_up(self)
                self._waiting.wake()
                return

    def _best(self) -> Connection | None:
        best = self._host.network.best(self.peer)
        return best if best is not None and not best.relayed else None

    async def _open(self, connection: Connection) -> Stream:
        """Open a stream; without waiting for an answer where the peer has told what it speaks."""
        told = self._host.peerstore.protocols(self.peer) or ()
        spoken = next((name for name in PROTOCOLS if name in told), None)
        timeout = self._config.open_timeout
        if spoken is None or self._distrusted:
            return await connection.open_stream(PROTOCOLS, timeout=timeout)
        return await connection.open_stream(spoken, lazy=True, timeout=timeout)

    async def _use(self, stream: Stream) -> None:
        """Hand the stream over, and wait until it ends."""
        stream.timeout = None
        lived_from = monotonic()
        try:
            self._on_opened(self, stream)
            self._waiting.wake()
            if await stream.read(1):
                self._counters["data-on-outbound"] += 1
            elif not self.closed:
                self._counters["end-of-outbound"] += 1
        except P2PError as error:
            # What the peer once told may no longer hold.
            self._distrusted = stream.negotiation is not None
            logger.debug("%s: %s", stream, error)
        finally:
            self.outbound.detach()
            stream.reset()
            self._waiting.wake()
        if monotonic() - lived_from > self._config.reopen_memory:
            self._row = 0

    async def _may_try_again(self) -> bool:
        """Wait as long as it takes before the next try; False where there were enough."""
        self._row += 1
        if self._row >= self._config.max_streams_in_a_row:
            return False
        if self._row > 1:
            delay = self._config.reopen_delay * 2 ** (self._row - 2)
            await asyncio.sleep(delay * (1 + random.random()))  # noqa: S311 - jitter is no secret
        return True
