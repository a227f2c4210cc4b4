"""Publishing: a message of our own is made, waits for peers and for room, and goes out (GS10-22; specs/gossipsub.md).

Waiting is the exception. A message goes straight to the streams of its peers where nobody is behind; who publishes
faster than a peer reads is held back until it has caught up. A peer that lets one message wait in vain is not waited
for again before it has taken something, so that it holds up nobody else for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from p2pstack.errors import DeadlineExceeded, HostClosed, LimitExceeded
from p2pstack.gossipsub.encoding import topic_to_bytes
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.signing import build
from p2pstack.gossipsub.values import Message
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.engine import Engine
from p2pstack.wire.uvarint import encode

__all__ = ["NotEnoughPeers", "PublishResult", "Publisher"]

RPC_OVERHEAD = 8
"""Bytes that the RPC around a message takes at most."""


class NotEnoughPeers(DeadlineExceeded):
    """Too few peers of a topic were known within the time that publish() may wait; nothing was sent.

    A DeadlineExceeded, because more time, or another network, could have changed it: the call itself was right.
    """

    def __init__(self, topic: str, wanted: int, known: int, seconds: float) -> None:
        super().__init__(f"{known} peers of topic {topic!r} are known after {seconds:g} s, {wanted} are wanted")
        self.topic = topic
        self.wanted = wanted
        self.known = known


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """What became of a message. That it was queued does not say that it arrives: gossipsub knows no receipts."""

    message_id: bytes
    """Its id, as peers work it out as well."""

    peers: int
    """To how many peers it was queued."""

    dropped: int
    """How many peers did not get it for lack of room in their queues; gossip may still bring it to them."""


class _Turn:
    """The order of the publishes of one topic that wait."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Publisher:
    """Publishes for one host."""

    def __init__(self, engine: Engine) -> None:
        config = engine.config
        self._engine = engine
        self._key: PrivateKey | None = None
        if config.signs:
            self._key = config.author if isinstance(config.author, PrivateKey) else engine.host.key
        self._seqno = time.time_ns()
        self._turns: dict[str, _Turn] = {}
        self._in_a_row = 0
        self._overhead = len(self._make("", b"").encoded)

    async def publish(
        self, topic: str, data: bytes, *, peers: int, timeout: float | None, drop_when_full: bool
    ) -> PublishResult:
        """See :meth:`p2pstack.services.gossipsub.service.Gossipsub.publish`."""
        if not self._engine.running:
            raise HostClosed("pubsub is not running")
        self._check(topic, data)
        if topic not in self._turns and self._may_go(topic, peers, drop_when_full=drop_when_full):
            result = self._send(topic, data)
        else:
            seconds = self._engine.config.publish_timeout if timeout is None else timeout
            result = await self._wait_and_send(topic, data, peers, seconds, drop_when_full=drop_when_full)
        self._in_a_row += 1
        if self._in_a_row >= self._engine.config.publish_burst:
            self._in_a_row = 0
            await asyncio.sleep(0)
        return result

    def _check(self, topic: str, data: bytes) -> None:
        """Refuse at once what could never be sent."""
        limits = self._engine.config.router
        name = len(topic_to_bytes(topic))
        if name > limits.max_topic_size:
            raise LimitExceeded("gossipsub.max_topic_size", limits.max_topic_size)
        # Each length is in the overhead with the one byte of an empty field; of the RPC around it the router knows.
        size = self._overhead + name + len(data) + len(encode(name)) + len(encode(len(data))) - 2
        if size + RPC_OVERHEAD > limits.max_rpc:
            raise LimitExceeded("gossipsub.max_rpc", limits.max_rpc)

    def _may_go(self, topic: str, peers: int, *, drop_when_full: bool) -> bool:
        """Whether there is nothing to wait for."""
        if peers and self._known(topic) < peers:
            return False
        return drop_when_full or self._has_room(topic)

    def _known(self, topic: str) -> int:
        return len(self._engine.router.peers_in(topic))

    def _has_room(self, topic: str) -> bool:
        congested = self._engine.congested
        return not congested or not self._behind(topic)

    def _behind(self, topic: str) -> list[PeerId]:
        """Return the peers of a message that are worth waiting for."""
        engine = self._engine
        links = engine.links
        return [
            peer
            for peer in engine.router.targets(topic)
            if peer in engine.congested and not links[peer].outbound.stalled
        ]

    async def _wait_and_send(
        self, topic: str, data: bytes, peers: int, seconds: float, *, drop_when_full: bool
    ) -> PublishResult:
        """Wait for the turn, for peers and for room, in this order; without room in time send it all the same."""
        turn = self._turns.get(topic)
        if turn is None:
            turn = self._turns[topic] = _Turn()
        turn.users += 1
        try:
            async with asyncio.timeout(seconds), turn.lock:
                await self._wait(lambda: self._known(topic) >= peers)
                if not drop_when_full:
                    await self._wait(lambda: self._has_room(topic))
                return self._send(topic, data)
        except TimeoutError:
            known = self._known(topic)
            if known < peers:
                raise NotEnoughPeers(topic, peers, known, seconds) from None
            for peer in self._behind(topic):
                self._engine.links[peer].outbound.stalled = True
            return self._send(topic, data)
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[topic]

    async def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._engine.changed.join(asyncio.get_running_loop())
            if not self._engine.running:
                raise HostClosed("pubsub was stopped")

    def _send(self, topic: str, data: bytes) -> PublishResult:
        """Make the message, send it, and hand it to our own subscriptions. HOT PATH."""
        engine = self._engine
        message = self._make(topic, data)
        now = monotonic()
        engine.flush_planned()
        targets = engine.router.publish(message, now)
        dropped = engine.flush()
        message_id = engine.message_id(message)
        if topic in engine.subscriptions:
            engine.deliver(Incoming(message, message_id, engine.host.peer_id, now))
        return PublishResult(message_id=message_id, peers=len(targets) - dropped, dropped=dropped)

    def _make(self, topic: str, data: bytes) -> Message:
        if self._key is None:
            return build(topic, data)
        self._seqno += 1
        return build(topic, data, key=self._key, seqno=self._seqno)
