"""Carrying out a lookup: the machine says whom to ask, here it is done (KAD-04, KAD-17; specs/kad.md)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from p2pstack.aio.alarm import NEVER, Alarm
from p2pstack.errors import DeadlineExceeded, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Ask, Finished, GiveUp, QueryEvent, Reason
from p2pstack.kad.query import Query
from p2pstack.services.kad.members import Members
from p2pstack.services.kad.messenger import Messenger, frame_of
from p2pstack.services.kad.results import Progress

__all__ = ["Lookup"]

logger = logging.getLogger("p2pstack.kad")


class Lookup:
    """A query that runs, from the moment that it is made. ``on_event`` is told what it finds.

    Whoever makes it calls :meth:`end` when it is of no use any more: then nothing is left, no request and no dial.
    """

    def __init__(
        self,
        query: Query,
        messenger: Messenger,
        members: Members,
        *,
        patience: float,
        on_event: Callable[[QueryEvent], None] | None = None,
    ) -> None:
        self.query = query
        self._messenger = messenger
        self._members = members
        self._patience = patience
        self._on_event = on_event
        self._frame = frame_of(query.request)
        self._loop = asyncio.get_running_loop()
        self._requests: dict[PeerId, tuple[asyncio.Task[None], float]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._alarm = Alarm(self._loop, self._ring)
        self._started = monotonic()
        self._ended = 0.0
        self._failure: P2PError | None = None
        self._pump()

    @property
    def progress(self) -> Progress:
        """How far it has got; while it runs it counts as stopped."""
        query = self.query
        return Progress(
            reason=query.reason or Reason.STOPPED,
            requests=query.requests,
            failures=query.failures,
            hops=query.hops(),
            seconds=(self._ended or monotonic()) - self._started,
            failure=self._failure,
        )

    async def wait(self) -> Progress:
        """Return when it has ended."""
        await asyncio.shield(self._done)
        return self.progress

    async def end(self) -> None:
        """End it now if it has not ended; nothing is left of it when this returns."""
        self.stop()
        while self._ending:
            await asyncio.wait(self._ending)

    def stop(self) -> None:
        """End it now; it keeps what it has found."""
        self.query.stop()
        self._pump()

    def _pump(self) -> None:
        """Do what the query wants done. HOT PATH."""
        for event in self.query.events():
            if isinstance(event, Ask):
                if self._ended:
                    continue  # who was told of an earlier event has ended the lookup
                task = self._loop.create_task(self._ask(event.contact))
                self._requests[event.contact.peer] = (task, monotonic())
            elif isinstance(event, GiveUp):
                self._failure = DeadlineExceeded(f"{event.contact.peer} did not answer in time")
                self._members.failed(event.contact.peer)
                self._cancel(event.contact.peer)
            elif isinstance(event, Finished):
                self._finish()
            elif self._on_event is not None:
                self._on_event(event)
        if not self._ended:
            self._alarm.at_latest(self.query.next_timeout() or NEVER)

    def _ring(self) -> None:
        self.query.handle_timeout(monotonic())
        self._pump()

    async def _ask(self, contact: Contact) -> None:
        """Ask one peer, and hand in what it says."""
        peer = contact.peer
        try:
            answer = await self._messenger.ask(contact, self.query.kind, self._frame)
        except P2PError as error:
            self._requests.pop(peer, None)
            self._failure = error
            logger.debug("%s was no help: %s", peer, error)
            self._members.failed(peer)
            self.query.receive_failure(peer, monotonic())
        else:
            self._requests.pop(peer, None)
            self._members.heard(contact)
            self.query.receive_answer(peer, answer, monotonic())
        self._pump()

    def _cancel(self, peer: PeerId) -> None:
        request = self._requests.pop(peer, None)
        if request is not None:
            task = request[0]
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _finish(self) -> None:
        """End what is under way. Who has not answered for long is to blame, though it was not waited for."""
        self._ended = monotonic()
        self._alarm.cancel()
        current = asyncio.current_task()
        for peer, (task, since) in list(self._requests.items()):
            if task is current:
                continue
            if self._ended - since >= self._patience:
                self._members.failed(peer)
            self._cancel(peer)
        if not self._done.done():
            self._done.set_result(None)
