"""What came in over the network, checked and made a job (SHK-73 to SHK-75; specs/shinkai.md).

A message passes, in this order: how often its peer sends; whether it is one at all; whether it is for this node; its
time; whether it was seen before. What passes is on disk when :meth:`ShinkaiMessageHandler.handle` returns. Signatures
and decryption come later, when the job is worked on: they need the directory. Whatever is refused has a ``reason``,
counted under that name; no bytes make the handler raise.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from p2pstack.errors import LimitExceeded, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import json_form
from p2pstack.shinkai.addresses import synthetic_address
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.frames import MessageType
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import HandlerConfig
from p2pstack.shinkai.network.rates import Rates
from p2pstack.shinkai.network.responses import ResponseChannel, Responses
from p2pstack.shinkai.storage.job_queue import JobQueue, NetworkJob
from p2pstack.shinkai.storage.replay import message_key
from p2pstack.shinkai.times import parse_time

__all__ = ["Arrival", "Received", "ShinkaiMessageHandler", "Via"]

logger = logging.getLogger("p2pstack.shinkai")

DUPLICATE = "duplicate"
NOT_FOR_US = "not-for-us"
TOO_OLD = "too-old"
FROM_THE_FUTURE = "from-the-future"
QUEUE_FULL = "queue-full"
NOT_STORED = "not-stored"
FLOODING = "flooding"


class Via(StrEnum):
    """By what a message came."""

    GOSSIP = "gossip"
    DIRECT = "direct"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message that was accepted before and comes again."""

    key: str
    message: ShinkaiMessage
    source: PeerId | Endpoint
    via: Via


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of what came in: ``reason`` is empty for a new job, else why there is none.

    ``key`` is the job's, also for a duplicate; it and ``message`` are missing where nothing could be read.
    """

    reason: str = ""
    key: str = ""
    message: ShinkaiMessage | None = None

    @property
    def accepted(self) -> bool:
        """Whether it is a job now."""
        return not self.reason


class ShinkaiMessageHandler:
    """Makes jobs of what comes in. One node has one, whatever the number of its managers.

    Args:
        name: the node's.
        jobs: where its jobs go.
        receiver: where the node listens; a field of each job.
        also: further names whose messages are ours, such as that of a localhost node behind a relay.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        name: ShinkaiName,
        jobs: JobQueue,
        *,
        receiver: Endpoint | None = None,
        also: Iterable[ShinkaiName] = (),
        config: HandlerConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config = config or HandlerConfig()
        self.jobs = jobs
        self.receiver = receiver or Endpoint("0.0.0.0", 9_552)  # noqa: S104 - a field of jobs, nothing is bound to it
        self.names = frozenset(each.node for each in (name, *also))
        self.counters: Counter[str] = Counter()
        """How often what became of messages: ``accepted``, and the reasons of all that was refused."""
        self.responses = Responses(config.max_responses)
        self.on_duplicate: Callable[[Arrival], Awaitable[ShinkaiMessage | None]] | None = None
        """Asked when an accepted message comes again, because its acknowledgement was lost: a request at any time, what
        came by other ways later than an echo does. It returns what answers a request, or None while the job is still to
        be done, whose :meth:`answer` then serves all. For other ways it sends an acknowledgement by itself, and returns
        None. It must raise nothing but P2PError."""
        self._clock = clock
        self._rates = Rates(config.messages_per_second, config.message_burst, config.max_tracked)
        self._mappings: OrderedDict[PeerId, Endpoint] = OrderedDict()
        self._echoes: OrderedDict[str, float] = OrderedDict()

    # -- who sends

    def admit(self, sender: PeerId | str) -> bool:
        """Count one message of a peer, or of a TCP address; False, counted as ``flooding``, where that is too many.

        Called before anything else is done with what came. For gossip it is whoever handed it on.
        """
        if self._rates.take(sender, time.monotonic()):
            return True
        self.counters[FLOODING] += 1
        return False

    def add_peer_mapping(self, peer: PeerId, address: Endpoint) -> None:
        """Say where ``peer`` is: its jobs carry this address from now on."""
        self._mappings.pop(peer, None)
        self._mappings[peer] = address
        if len(self._mappings) > self.config.max_mappings:
            self._mappings.popitem(last=False)

    def remove_peer_mapping(self, peer: PeerId) -> bool:
        """Forget what :meth:`add_peer_mapping` said; whether there was anything."""
        return self._mappings.pop(peer, None) is not None

    def address_of(self, peer: PeerId) -> Endpoint:
        """Return where ``peer`` is, or the address that stands for it (SHK-09). Never to be trusted."""
        found = self._mappings.get(peer)
        return Endpoint(*synthetic_address(peer)) if found is None else found

    # -- what comes in

    async def handle(
        self,
        source: PeerId | Endpoint,
        content: bytes | ShinkaiMessage,
        *,
        via: Via,
        channel: ResponseChannel | None = None,
    ) -> Received:
        """Make a job of a message, or say why not. When this returns an accepted one survives the process.

        Args:
            source: the peer that the message is from, or the address of a TCP connection. Nothing proves the former in
                the seed era.
            content: what came, or the message if that was read already.
            via: by what it came.
            channel: the way back, of a request. It is answered by :meth:`answer` with the same key, or at once.
        """
        try:
            message = content if isinstance(content, ShinkaiMessage) else json_form.decode(content)
            reason = self._refusal(message)
        except MessageError as error:
            return self._refused(error.reason, source, str(error))
        if reason:
            return self._refused(reason, source, message.external_metadata.sender, message)
        key = message_key(message)
        if channel is not None:
            try:
                self.responses.add(key, channel)
            except LimitExceeded:
                self.counters["responses-full"] += 1
                channel.send(None)
        if self._is_echo(key):
            self.counters[DUPLICATE] += 1
            if channel is not None:
                await self._again(Arrival(key=key, message=message, source=source, via=via), channel)
            return Received(reason=DUPLICATE, key=key, message=message)
        return await self._add(Arrival(key=key, message=message, source=source, via=via), channel)

    def answer(self, key: str, message: ShinkaiMessage | None) -> int:
        """Answer the requests that brought the job with this key; return how many those were, 0 if nobody waits.

        None answers with nothing, as the original does for a Ping and for what it drops.
        """
        return self.responses.answer(key, message)

    # -- steps

    def _refusal(self, message: ShinkaiMessage) -> str:
        """Return why a message is not for us, or not of this time; "" if it is."""
        if message.recipient_node not in self.names:
            return NOT_FOR_US
        if not self.config.check_time:
            return ""
        age = self._clock() - parse_time(message.external_metadata.scheduled_time)
        if age < -self.config.max_ahead:
            return FROM_THE_FUTURE
        # By as much less than the queue remembers as a clock may be ahead: or its key would be forgotten before it.
        if age > self.jobs.config.replay_window - self.config.max_ahead:
            return TOO_OLD
        return ""

    async def _add(self, arrival: Arrival, channel: ResponseChannel | None) -> Received:
        key, message = arrival.key, arrival.message
        source = arrival.source
        self._note_echo(key)
        job = NetworkJob(
            receiver_address=self.receiver,
            unsafe_sender_address=source if isinstance(source, Endpoint) else self.address_of(source),
            message_type=MessageType.SHINKAI_MESSAGE,
            content=json_form.encode(message),
            date_created=self._clock(),
        )
        try:
            new = await self.jobs.add(job, key=key)
        except P2PError as error:
            self._undo(key)
            reason = QUEUE_FULL if isinstance(error, LimitExceeded) else NOT_STORED
            if reason == NOT_STORED:
                logger.warning("a message from %s can't be stored: %s", source, error)
            return self._refused(reason, source, str(error), message)
        except BaseException:
            self._undo(key)
            raise
        if new:
            self.counters["accepted"] += 1
            return Received(key=key, message=message)
        self.counters[DUPLICATE] += 1
        await self._again(arrival, channel)
        return Received(reason=DUPLICATE, key=key, message=message)

    def _undo(self, key: str) -> None:
        """There is no job of this key after all: its copies that come next are looked at, and nobody waits for it."""
        self._echoes.pop(key, None)
        self.responses.answer(key, None)

    async def _again(self, arrival: Arrival, channel: ResponseChannel | None) -> None:
        """A message came again, whose acknowledgement may have been lost."""
        if self.on_duplicate is None:
            return
        try:
            answer = await self.on_duplicate(arrival)
        except P2PError as error:
            logger.info("a message from %s that came again gets no answer: %s", arrival.source, error)
            return
        if answer is not None and channel is not None:
            channel.send(answer)

    def _is_echo(self, key: str) -> bool:
        since = self._echoes.get(key)
        return since is not None and time.monotonic() - since < self.config.echo_window

    def _note_echo(self, key: str) -> None:
        self._echoes.pop(key, None)
        self._echoes[key] = time.monotonic()
        if len(self._echoes) > self.config.max_echoes:
            self._echoes.popitem(last=False)

    def _refused(
        self, reason: str, source: PeerId | Endpoint, why: str, message: ShinkaiMessage | None = None
    ) -> Received:
        self.counters[reason] += 1
        logger.debug("a message from %s is refused, %s: %s", source, reason, why)
        return Received(reason=reason, message=message)
