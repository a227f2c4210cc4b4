"""A lookup played to its end against peers that are functions, with what the machine promises checked at each step."""

from __future__ import annotations

from collections.abc import Callable

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Ask, Finished, GiveUp, QueryEvent
from p2pstack.kad.messages import Message
from p2pstack.kad.query import Query
from tests.kad.making import Answers

MAX_STEPS = 5_000


class Play:
    """Runs ``query`` on a clock of its own. ``pick`` chooses which of the peers that are asked answers next."""

    def __init__(self, query: Query, config: KadConfig, pick: Callable[[int], int] = lambda _: 0) -> None:
        self.query = query
        self.config = config
        self.pick = pick
        self.now = 0.0
        self.waiting: list[Contact] = []
        self.asked: list[PeerId] = []
        self.events: list[QueryEvent] = []
        self.drain()

    def drain(self) -> None:
        for event in self.query.events():
            assert not any(isinstance(each, Finished) for each in self.events), "nothing comes behind Finished"
            self.events.append(event)
            if isinstance(event, Ask):
                assert event.contact.peer not in self.asked, "nobody is asked twice"
                self.asked.append(event.contact.peer)
                self.waiting.append(event.contact)
            elif isinstance(event, GiveUp):
                self.waiting.remove(event.contact)
        assert len(self.asked) == self.query.requests <= self.config.max_requests
        rounds = 1 + self.config.peer_timeout // self.config.patience
        assert len(self.waiting) <= rounds * (self.config.alpha + self.config.paths)
        assert (self.query.reason is not None) == any(isinstance(each, Finished) for each in self.events)
        assert (self.query.next_timeout() is None) == (self.query.reason is not None)

    def step(self, answers: Answers) -> None:
        contact = self.waiting.pop(self.pick(len(self.waiting)))
        answer = answers(contact)
        if answer is None:
            self.query.receive_failure(contact.peer, self.now)
        else:
            self.query.receive_answer(contact.peer, answer, self.now)
        self.drain()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.query.handle_timeout(self.now)
        self.drain()

    def to_the_end(self, answers: Answers) -> Query:
        for _ in range(MAX_STEPS):
            if self.query.reason is not None:
                return self.query
            self.step(answers)
        raise AssertionError("the lookup does not end")


def answer(query: Query, *closer: Contact, **more: object) -> Message:
    return Message(type=query.kind, closer=closer, **more)  # type: ignore[arg-type]
