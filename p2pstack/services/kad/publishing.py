"""Values and announcements: sending them, again and again, and asking for values (KAD-05, KAD-06, KAD-09, KAD-15)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic, time

from p2pstack.errors import DeadlineExceeded, DecodeError, LocalError, P2PError, ProtocolViolation
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.publications import Publications
from p2pstack.kad.records import Record, rfc3339
from p2pstack.kad.validators import namespace_of
from p2pstack.kad.value_query import ValueQuery
from p2pstack.kad.values import PutOutcome
from p2pstack.services.kad.engine import Engine
from p2pstack.services.kad.errors import LookupFailed
from p2pstack.services.kad.finding import find_closest
from p2pstack.services.kad.messenger import frame_of
from p2pstack.services.kad.results import FoundValue, Sent

__all__ = ["Publisher"]

logger = logging.getLogger("p2pstack.kad")

_FOR_LOOKUP = 0.75
"""The share of an operation's time that its lookup may take: the rest is for those that it has found."""

Send = Callable[[Contact], Awaitable[None]]


class Publisher:
    """Sends values and announcements to the peers nearest to their keys, and remembers which to send again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        kad = engine.config.kad
        self.values = Publications(kad.value_interval, kad.max_publications)
        self.provided = Publications(kad.provider_interval, kad.max_publications)
        self._records: dict[bytes, bytes] = {}
        self._corrections = 0

    # -- values

    async def put_value(self, key: bytes, value: bytes, *, quorum: int, timeout: float, again: bool) -> Sent:
        """See :meth:`Kademlia.put_value`."""
        engine = self._engine
        engine.check_running()
        record = Record(key=key, value=value)
        if engine.values.put(record, time()) is PutOutcome.OLDER:
            raise LocalError("a better value of this key is known")
        if again:
            self.values.add(key, monotonic())
            self._records[key] = value
            engine.members.news.set()
        sent = await self._put_nearest(key, value, timeout)
        return _enough(sent, quorum, "took the value")

    async def _put_nearest(self, key: bytes, value: bytes, timeout: float) -> Sent:
        stamped = Record(key=key, value=value, time_received=rfc3339(int(time() * 1_000_000) * 1_000))
        message = Message(type=MessageType.PUT_VALUE, key=key, record=stamped)
        return await self._send(key, timeout, lambda contact: self._put(contact, message))

    async def _put(self, contact: Contact, message: Message) -> None:
        """Send a value to one peer.

        Raises:
            ProtocolViolation: what it says is no yes.
            P2PError: it refuses, or can't be reached.
        """
        answer = await self._engine.messenger.request(contact, message.type, frame_of(message))
        sent = message.record
        if answer.type is not message.type or sent is None or answer.record is None:
            raise ProtocolViolation("kad", "PUT_VALUE was not answered by itself", requirement="KAD-05")
        if answer.record.value != sent.value:
            raise ProtocolViolation("kad", "PUT_VALUE was answered by another value", requirement="KAD-05")

    async def get_value(self, key: bytes, *, quorum: int, timeout: float) -> FoundValue:
        """See :meth:`Kademlia.get_value`."""
        engine = self._engine
        if namespace_of(key) not in engine.validators.by_namespace:
            raise DecodeError("a key's namespace has no validator", requirement="KAD-14")
        own = engine.values.record(key, time())
        queries: list[ValueQuery] = []

        def make(kad: KadConfig, seeds: list[Contact], now: float) -> ValueQuery:
            query = ValueQuery(
                own=engine.host.peer_id, key=key, seeds=seeds, config=kad, now=now,
                validators=engine.validators, quorum=quorum, own_record=own,
            )  # fmt: skip
            queries.append(query)
            return query

        async with engine.lookup(key, timeout, make) as lookup:
            progress = await lookup.wait()
        (query,) = queries
        if query.best is None:
            raise LookupFailed("no value was found", progress)
        outdated = query.outdated()
        self._correct(query.best, outdated, held=own)
        return FoundValue(
            value=query.best.value,
            holders=query.values,
            invalid=query.invalid,
            outdated=len(outdated),
            progress=progress,
        )

    def _correct(self, best: Record, outdated: Iterable[Contact], held: Record | None) -> None:
        """Send the best value, in the background, to near peers that did not give it, without a time as go does."""
        engine = self._engine
        if held is not None and held.value != best.value:
            self._keep(best)
        message = Message(type=MessageType.PUT_VALUE, key=best.key, record=Record(key=best.key, value=best.value))
        for contact in outdated:
            if self._corrections >= engine.config.max_corrections:
                engine.counters["correction-skipped"] += 1
                continue
            self._corrections += 1
            engine.counters["correction"] += 1
            engine.spawn(self._put_quietly(contact, message))

    def _keep(self, best: Record) -> None:
        """Replace our own value by a better one; one that is too long to be stored here is left."""
        try:
            self._engine.values.put(Record(key=best.key, value=best.value), time())
        except DecodeError as error:
            logger.debug("a better value is not kept: %s", error)

    async def _put_quietly(self, contact: Contact, message: Message) -> None:
        try:
            await self._put(contact, message)
        except P2PError as error:
            logger.debug("%s did not take a better value: %s", contact.peer, error)
        finally:
            self._corrections -= 1

    @property
    def corrections(self) -> int:
        """PUTs of better values that are under way."""
        return self._corrections

    # -- providers

    async def provide(self, key: bytes, *, quorum: int, timeout: float, again: bool) -> Sent:
        """See :meth:`Kademlia.provide`."""
        engine = self._engine
        engine.check_running()
        if not 0 < len(key) <= engine.config.kad.max_provider_key:
            raise LocalError(f"a provided key has 1 to {engine.config.kad.max_provider_key} bytes, not {len(key)}")
        own = engine.own_contact()
        if not own.addresses:
            raise LocalError("the host has no address at which it could provide something in this network")
        if again:
            self.provided.add(key, monotonic())
            engine.members.news.set()
        engine.providers.add(key, own, time())
        sent = await self._announce(key, own, timeout)
        return _enough(sent, quorum, "took the announcement")

    async def _announce(self, key: bytes, own: Contact, timeout: float) -> Sent:
        message = Message(type=MessageType.ADD_PROVIDER, key=key, providers=(own,))
        frame = frame_of(message)
        return await self._send(key, timeout, lambda each: self._engine.messenger.tell(each, message.type, frame))

    # -- sending

    async def _send(self, key: bytes, timeout: float, send: Send) -> Sent:
        """Look the nearest peers up, and send to all of them at once."""
        until = monotonic() + timeout
        found = await find_closest(self._engine, key, timeout * _FOR_LOOKUP)
        late = DeadlineExceeded(f"it has not answered within {timeout:g} s, the lookup included")
        refused: dict[PeerId, P2PError] = dict.fromkeys((each.peer for each in found.peers), late)
        accepted: list[PeerId] = []

        async def one(contact: Contact) -> None:
            try:
                await send(contact)
            except P2PError as error:
                refused[contact.peer] = error
            else:
                del refused[contact.peer]
                accepted.append(contact.peer)

        tasks = [asyncio.ensure_future(one(each)) for each in found.peers]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=max(0.0, until - monotonic()))
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
        return Sent(accepted=tuple(accepted), refused=refused, progress=found.progress)

    # -- again

    def next_timeout(self) -> float | None:
        """Return when something is to be sent again; None: never."""
        due = [each for each in (self.values.next_timeout(), self.provided.next_timeout()) if each is not None]
        return min(due, default=None)

    async def republish(self, now: float) -> None:
        """Send again what is due, one after the other."""
        timeout = self._engine.config.kad.query_timeout
        while (key := self.values.handle_timeout(now)) is not None:
            await self._again(self.put_value(key, self._records[key], quorum=0, timeout=timeout, again=True))
        while (key := self.provided.handle_timeout(now)) is not None:
            await self._again(self.provide(key, quorum=0, timeout=timeout, again=True))

    async def _again(self, sending: Awaitable[Sent]) -> None:
        self._engine.counters["republished"] += 1
        try:
            await sending
        except P2PError as error:
            logger.debug("what is due was not sent again: %s", error)

    def withdraw(self, key: bytes) -> None:
        """Send ``key`` no more, whatever is published under it."""
        self.values.remove(key)
        self.provided.remove(key)
        self._records.pop(key, None)


def _enough(sent: Sent, quorum: int, what: str) -> Sent:
    """Return ``sent`` where enough peers have accepted.

    Raises:
        LookupFailed: they have not.
    """
    if len(sent.accepted) < quorum:
        raise LookupFailed(f"{len(sent.accepted)} of {quorum} peers {what}", sent.progress)
    return sent
