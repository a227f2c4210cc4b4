"""A lookup as a machine: it says whom to ask, takes answers and failures, and ends whatever comes (KAD-04, KAD-17).

::

    query = Query(own=own, key=key, seeds=table.closest(position(key), 20, failing=True), config=config, now=now)
    for event in query.events(): ...                  # Ask(contact): send query.request, and then
    query.receive_answer(peer, answer, now)           # or query.receive_failure(peer, now)
    query.next_timeout(); query.handle_timeout(now)
    query.closest()                                   # once there was Finished

Nobody is asked twice, of an answer ``max_closer`` peers are looked at, ``max_requests`` are sent in all, and after
``query_timeout`` it is over in any case. :mod:`.value_query` and :mod:`.provider_query` look for something on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum
from itertools import islice

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Ask, Finished, GiveUp, PeerFound, QueryEvent, Reason
from p2pstack.kad.filters import admit
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.path import Candidate, Path, State

__all__ = ["Query", "Verdict"]


class Verdict(Enum):
    """What a lookup makes of an answer."""

    GO_ON = "go on"
    FAULTY = "faulty"
    """It is no answer to the request: the peer counts as failed, and nobody that it named is asked."""

    ENOUGH = "enough"


class Query:
    """A lookup of the peers nearest to ``key``. The times are seconds on one clock.

    ``seeds`` are the peers to begin with, the nearest of the table; without any it ends at once.
    """

    kind = MessageType.FIND_NODE
    """The type of its request."""

    def __init__(self, *, own: PeerId, key: bytes, seeds: Iterable[Contact], config: KadConfig, now: float) -> None:
        self.key = key
        self.request = Message(type=self.kind, key=key)
        self.reason: Reason | None = None
        """Why it has ended; None: it has not."""
        self.requests = 0
        """Requests that were sent."""
        self.failures = 0
        """Of these, the ones that nobody has answered, or not as they should."""
        self.target: Contact | None = None
        """The peer whose id is ``key``, with the addresses that were told of it."""
        self._own = own
        self._config = config
        self._position = position(key)
        self._candidates: dict[bytes, Candidate] = {}  # by the bytes of their ids
        self._asked: dict[PeerId, Candidate] = {}
        self._fresh: dict[PeerId, Candidate] = {}  # of these, the ones that are not slow
        self._groups: Counter[bytes] = Counter()
        self._paths = [Path(config) for _ in range(config.paths)]
        self._share = -(-config.alpha // config.paths)
        self._deadline = now + config.query_timeout
        self._events: list[QueryEvent] = []
        for number, contact in enumerate(seeds):
            self._hear(contact, 0, self._paths[number % config.paths])
        self._proceed(now)

    # -- what comes in

    def receive_answer(self, peer: PeerId, answer: Message, now: float) -> None:
        """Take the answer of a peer that was asked. Of anybody else, or when it is late, it is ignored."""
        candidate = self._taken(peer)
        if candidate is None:
            return
        verdict = Verdict.FAULTY if answer.type is not self.kind else self._take(candidate, answer)
        candidate.path.settle(candidate, answered=verdict is not Verdict.FAULTY)
        self.failures += verdict is Verdict.FAULTY
        if verdict is not Verdict.FAULTY:
            self._hear_all(answer.closer[: self._config.max_closer], candidate)
        candidate.path.review()
        if verdict is Verdict.ENOUGH:
            self._finish(Reason.ENOUGH)
        self._proceed(now)

    def receive_failure(self, peer: PeerId, now: float) -> None:
        """A peer that was asked could not be reached, or has not answered as it should."""
        candidate = self._taken(peer)
        if candidate is None:
            return
        self._fail(candidate)
        self._proceed(now)

    def stop(self) -> None:
        """End the lookup now; it keeps what it has found."""
        if self.reason is None:
            self._finish(Reason.STOPPED)

    def next_timeout(self) -> float | None:
        """Return when :meth:`handle_timeout` is to be called; None: never."""
        if self.reason is not None:
            return None
        when = self._deadline
        # Both are in the order of asking, which is that of their times.
        for candidate in islice(self._asked.values(), 1):
            when = min(when, candidate.deadline)
        for candidate in islice(self._fresh.values(), 1):
            when = min(when, candidate.slow_at)
        return when

    def handle_timeout(self, now: float) -> None:
        """Give up peers that took too long, ask others beside the slow, and end where the lookup's own time is over."""
        if self.reason is not None:
            return
        for candidate in [each for each in self._asked.values() if each.deadline <= now]:
            self._taken(candidate.contact.peer)
            self._fail(candidate)
            self._events.append(GiveUp(contact=candidate.contact))
        for candidate in [each for each in self._fresh.values() if each.slow_at <= now]:
            del self._fresh[candidate.contact.peer]
            candidate.path.slow(candidate)
            candidate.path.review()
        if now >= self._deadline:
            self._finish(Reason.TIMEOUT)
        self._proceed(now)

    def waits_for(self, peer: PeerId) -> bool:
        """Return whether the answer of a peer is still waited for."""
        return self.reason is None and peer in self._asked

    # -- what goes out

    def events(self) -> list[QueryEvent]:
        """Return what there is to do and to tell since the last call, in order."""
        events, self._events = self._events, []
        return events

    def closest(self) -> list[Contact]:
        """Return the peers nearest to the key that have answered, at most ``k``, the nearest first."""
        return [each.contact for each in self._nearest_answered()]

    def hops(self, count: int = 1) -> int:
        """Return how many peers had to answer, in a row, before the first ``count`` of :meth:`closest` were known."""
        return max((each.hops for each in self._nearest_answered()[:count]), default=0)

    def _nearest_answered(self) -> list[Candidate]:
        answered = [each for path in self._paths for each in path if each.state is State.ANSWERED]
        answered.sort(key=lambda each: each.distance)
        return answered[: self._config.k]

    # -- inside

    def _take(self, candidate: Candidate, answer: Message) -> Verdict:
        """Look at what an answer holds beside closer peers."""
        return Verdict.GO_ON

    def _taken(self, peer: PeerId) -> Candidate | None:
        """Return a peer whose answer is waited for, and wait no more; None: it is not."""
        if self.reason is not None:
            return None
        self._fresh.pop(peer, None)
        return self._asked.pop(peer, None)

    def _fail(self, candidate: Candidate) -> None:
        self.failures += 1
        candidate.path.settle(candidate, answered=False)
        candidate.path.review()

    def _hear_all(self, contacts: Iterable[Contact], by: Candidate) -> None:
        """Take the peers that somebody has named. HOT PATH."""
        known = self._candidates.get
        for contact in contacts:
            candidate = known(contact.peer.to_bytes())
            # Most are known already. Further addresses are of use where it has none, or is the target.
            if candidate is None or not candidate.contact.addresses or not candidate.distance:
                self._hear(contact, by.hops + 1, by.path)

    def _hear(self, contact: Contact, hops: int, path: Path) -> None:
        """Take a peer that is new, or of which more can be known."""
        peer = contact.peer
        known = self._candidates.get(peer.to_bytes())
        is_target = peer.to_bytes() == self.key
        admitted = admit(self._config.network, contact)
        if admitted is None or peer == self._own:
            return
        if is_target and admitted.addresses:
            self._find_target(admitted)
        if known is None:
            if not path.settled:
                self._add(admitted, hops, path)
        elif known.state is State.HEARD and not known.contact.addresses:
            known.contact = admitted  # the first one who named it knew no address

    def _add(self, contact: Contact, hops: int, path: Path) -> None:
        candidate = Candidate(contact, contact.position ^ self._position, hops, path)
        self._candidates[contact.peer.to_bytes()] = candidate
        forgotten = path.hear(candidate)
        if forgotten is not None:
            del self._candidates[forgotten.contact.peer.to_bytes()]

    def _find_target(self, contact: Contact) -> None:
        before = self.target or Contact(contact.peer)
        after = before.with_addresses(contact.addresses, self._config.max_addresses)
        if after is not before:
            self.target = after
            self._events.append(PeerFound(contact=after))

    def _may_ask(self, candidate: Candidate) -> bool:
        """Whether a candidate's IP groups were not asked too often (KAD-21)."""
        limit = self._config.max_from_group
        return all(self._groups[group] < limit for group in candidate.contact.groups)

    def _proceed(self, now: float) -> None:
        """Ask as many as may be asked, and end when nobody is left."""
        if self.reason is not None:
            return
        for path in self._paths:
            while path.under_way < self._share and self.requests < self._config.max_requests:
                candidate = path.next(self._may_ask)
                if candidate is None:
                    break
                self._ask(candidate, now)
        if all(path.done for path in self._paths):
            self._finish(Reason.COMPLETE)

    def _ask(self, candidate: Candidate, now: float) -> None:
        candidate.path.ask(candidate, now)
        self._asked[candidate.contact.peer] = self._fresh[candidate.contact.peer] = candidate
        self._groups.update(candidate.contact.groups)
        self.requests += 1
        self._events.append(Ask(contact=candidate.contact))

    def _finish(self, reason: Reason) -> None:
        self.reason = reason
        self._events.append(Finished(reason=reason))
