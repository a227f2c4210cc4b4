"""head: a message is a request on a stream of its own, and what answers it a message too (SHK-71; specs/shinkai.md).

Who asks writes the message as JSON and ends its side; who is asked reads to that end, and answers likewise. An empty
answer is none: the original gives it to a Ping, and to what it drops. A request that is too long, too slow, or one too
many loses its stream, and nothing else does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TypeAlias

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DialError, LimitExceeded
from p2pstack.host.host import BaseHost
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.network.config import DirectConfig
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL
from p2pstack.shinkai.network.turns import Turns

__all__ = ["Answerer", "DirectMessages", "Held"]

_PIECE = 65_536


class DirectMessages:
    """Sends requests, and serves them. Made before the host is started.

    ``admit`` says whether a request of this peer is read at all, and counts those that are not. ``answer`` is given the
    peer and its whole request, and returns what answers it, ``b""`` for nothing; it raises nothing but P2PError.
    """

    def __init__(
        self,
        host: BaseHost,
        config: DirectConfig,
        *,
        admit: Callable[[PeerId], bool],
        answer: Answerer,
        turns: Turns,
        incoming: Bandwidth,
        counters: Counter[str],
    ) -> None:
        self.config = config
        self._host = host
        self._admit = admit
        self._answer = answer
        self._turns = turns
        self._incoming = incoming
        self._counters = counters
        self._serving: Counter[PeerId] = Counter()
        self.held = 0
        """Bytes of requests and answers under way, of all peers."""
        # Twice as many: those that are one too many are refused here, where they are counted.
        host.handle(MESSAGE_PROTOCOL, self._serve, max_streams=2 * config.max_streams, relayed=True)

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken."""
        busiest = max(self._serving.values(), default=0)
        return {
            "direct.max_requests": Usage(self._serving.total(), self.config.max_requests),
            "direct.max_streams": Usage(busiest, self.config.max_streams),
            "direct.max_memory": Usage(self.held, self.config.max_memory),
        }

    # -- asking

    async def request(
        self,
        peer: PeerId,
        data: bytes,
        addresses: Sequence[str | Multiaddr] = (),
        *,
        timeout: float | None = None,
        priority: Priority = Priority.NORMAL,
        dial: bool = True,
    ) -> bytes:
        """Send a request and return what answers it, as it came; ``b""`` where that is nothing.

        A peer that is not connected is dialled, unless ``dial`` says not to.

        Raises:
            LimitExceeded: the request is too long (``max_request``), or its answer (``max_response``, ``max_memory``),
                or too much waits for the peer.
            DeadlineExceeded: it took longer than ``timeout`` seconds (default: the configuration's), all included.
            ProtocolNotSupported: the peer takes no messages.
            DialError: it can't be reached.
            StreamError: the stream or the connection ended meanwhile; the peer may have got the message, or not.
            HostClosed: the manager was stopped.
        """
        if len(data) > self.config.max_request:
            raise LimitExceeded("max_request", self.config.max_request)
        seconds = self.config.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds), self._turns.turn(peer, len(data), priority):
                if not self._host.connections(peer):
                    if not dial:
                        raise DialError(peer, [], "it is not connected, and is not to be dialled")
                    await self._host.connect(peer, addresses)
                stream = await self._host.open_stream(peer, MESSAGE_PROTOCOL, timeout=seconds, relayed=True)
                return await self._exchange(stream, data)
        except DeadlineExceeded:
            raise
        except TimeoutError:
            raise DeadlineExceeded(f"no answer of {peer} within {seconds:g} s") from None

    async def _exchange(self, stream: Stream, data: bytes) -> bytes:
        stream.timeout = None  # the caller's deadline holds for all of it
        held = Held(self)
        try:
            await _write(stream, data)
            stream.close_write()
            await self._read(stream, held, self.config.max_response, "max_response")
            answer = held.data
        except BaseException:
            stream.reset()
            raise
        finally:
            held.release()
        stream.finish()
        return answer

    # -- being asked

    async def _serve(self, stream: Stream) -> None:
        peer = stream.peer_id
        refusal = self._refusal(peer)
        if refusal:
            self._counters[refusal] += 1
            stream.reset()
            return
        stream.timeout = None
        self._serving[peer] += 1
        held = Held(self)
        try:
            async with asyncio.timeout(self.config.timeout):
                await self._read(stream, held, self.config.max_request, "max_request", throttled=True)
                answer = await self._answer(peer, held)
                held.release()
                held.add(answer)  # a peer that takes it slowly holds it for as long
                self._check_memory()
                await _write(stream, answer)
        except TimeoutError:
            self._counters["request-timeout"] += 1
            stream.reset()
        except LimitExceeded as error:
            self._counters[error.name] += 1
            stream.reset()
        finally:
            held.release()
            self._serving[peer] -= 1
            if not self._serving[peer]:
                del self._serving[peer]

    def _refusal(self, peer: PeerId) -> str:
        """Return why a request of ``peer`` is not even read; "" if it is."""
        if self._serving.total() >= self.config.max_requests:
            return "max_requests"
        if self._serving[peer] >= self.config.max_streams:
            return "max_streams"
        return "" if self._admit(peer) else "flooding"

    async def _throttle(self, peer: PeerId, size: int) -> None:
        """Hold a peer back that has sent more than it may."""
        while wait := self._incoming.take(peer, size, Priority.NORMAL, monotonic()):
            self._counters["throttled"] += 1
            await asyncio.sleep(wait)

    async def _read(self, stream: Stream, held: Held, limit: int, name: str, *, throttled: bool = False) -> None:
        """Read to the end of the peer's side.

        ``throttled``: no faster than the peer may send. What it sends meanwhile stays in the stream's window.
        """
        while piece := await stream.read(_PIECE):
            held.add(piece)
            if held.size > limit:
                raise LimitExceeded(name, limit)
            self._check_memory()
            if throttled:
                await self._throttle(stream.peer_id, len(piece))

    def _check_memory(self) -> None:
        if self.held > self.config.max_memory:
            raise LimitExceeded("max_memory", self.config.max_memory)


class Held:
    """The bytes of one message under way, which count among those of all peers until they are released."""

    __slots__ = ("_owner", "_pieces", "size")

    def __init__(self, owner: DirectMessages) -> None:
        self._owner = owner
        self._pieces: list[bytes] = []
        self.size = 0

    @property
    def data(self) -> bytes:
        """All of them."""
        return b"".join(self._pieces)

    def add(self, piece: bytes) -> None:
        """Hold these, too."""
        self._pieces.append(piece)
        self.size += len(piece)
        self._owner.held += len(piece)

    def release(self) -> None:
        """Let go of them. Idempotent."""
        self._owner.held -= self.size
        self._pieces.clear()
        self.size = 0


Answerer: TypeAlias = Callable[[PeerId, Held], Awaitable[bytes]]
"""Answers a request: it may release what it holds as soon as it does not need it any more."""


async def _write(stream: Stream, data: bytes) -> None:
    for start in range(0, len(data), _PIECE):
        stream.write(data[start : start + _PIECE])
        await stream.drain()
