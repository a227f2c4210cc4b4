"""The router under everything that peers, programs and clocks can do, in any order (see ``play``)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from p2pstack.gossipsub.ids import default_id
from p2pstack.gossipsub.values import Extensions, IHave, Message, PeerInfo, Prune, Rpc, Subscription
from tests.gossipsub.network import OWN_NUMBER, forged, has_control, id_of, peer, signed
from tests.gossipsub.play import PROTOCOLS, TOPICS, Play

numbers = st.integers(0, len(PROTOCOLS) - 1)
topics = st.sampled_from([*TOPICS, *TOPICS, "c", "d"])
authors = st.sampled_from([0, 20, 20, 21, OWN_NUMBER])
seqnos = st.integers(0, 5)
ids = st.lists(
    st.builds(id_of, authors, seqnos)
    | st.builds(id_of, st.just(OWN_NUMBER), st.integers(1, 8))
    | st.sampled_from([b"unknown", b"x" * 257, b""]),
    max_size=8,
)
words = st.lists(st.builds(Subscription, st.sampled_from([True, True, False]), topics), max_size=5)
backoffs = st.sampled_from([None, 0, 1, 5, 60, 3_600, 2**63, 2**64 - 1])
exchanged = st.lists(
    st.builds(
        PeerInfo, st.sampled_from([peer(99).to_bytes(), peer(0).to_bytes(), b"", b"no id"]), st.none() | st.just(b"?")
    ),
    max_size=3,
)
prunes = st.lists(st.builds(Prune, topics, exchanged, backoffs), max_size=2)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    author, seqno = draw(authors), draw(seqnos)
    topic = TOPICS[seqno % 2]
    data = bytes(30) if seqno > 3 else b"data"
    true = signed(author, seqno, topic, data)
    form = draw(st.integers(0, 7))
    if form == 0:
        return forged(author, seqno, topic)
    if form == 1:
        return Message(data, topic, true.source, true.seqno, true.signature, None, true.encoded, portable=False)
    if form == 2:
        return Message(data, topic, true.source, draw(st.sampled_from([None, b"short", true.seqno])))
    return true


@st.composite
def rpcs(draw: st.DrawFn) -> Rpc:
    rpc = Rpc(publish=draw(st.lists(messages(), max_size=3)))
    rpc.subscriptions = draw(words)
    if draw(st.booleans()):
        rpc.graft = draw(st.lists(topics, max_size=3))
        rpc.prune = draw(prunes)
        rpc.iwant = draw(ids)
        rpc.idontwant = draw(ids)
        rpc.ihave = draw(st.lists(st.builds(IHave, topics, ids), max_size=2))
        rpc.extensions = draw(st.sampled_from([None, None, Extensions(), Extensions(test=True)]))
    rpc.has_control = has_control(rpc)
    return rpc


class Machine(RuleBasedStateMachine):
    play: Play

    @initialize(
        flooding=st.booleans(),
        seed=st.integers(0, 5),
        here=st.sets(numbers, min_size=4),
        joined=st.sampled_from(TOPICS),
    )
    def start(self, flooding: bool, seed: int, here: set[int], joined: str) -> None:
        self.play = Play(flooding=flooding, seed=seed)
        self.play.join(joined)
        for number in sorted(here):
            self.play.add(number)
            self.play.receive(number, Rpc(subscriptions=[Subscription(True, topic) for topic in TOPICS]))

    @rule(number=numbers)
    def a_peer_comes_or_changes(self, number: int) -> None:
        self.play.add(number)

    @rule(number=numbers)
    def a_peer_goes(self, number: int) -> None:
        self.play.remove(number)

    @rule(topic=topics)
    def join(self, topic: str) -> None:
        self.play.join(topic)

    @rule(topic=topics)
    def leave(self, topic: str) -> None:
        self.play.leave(topic)

    @rule(topic=topics, size=st.sampled_from([0, 30]))
    def publish(self, topic: str, size: int) -> None:
        self.play.publish(topic, size)

    @rule(number=numbers, rpc=rpcs(), first=st.booleans())
    def receive(self, number: int, rpc: Rpc, first: bool) -> None:
        self.play.receive(number, rpc, first=first)

    @rule(number=numbers, message=messages())
    def receive_a_message(self, number: int, message: Message) -> None:
        self.play.receive(number, Rpc(publish=[message]))

    @rule(number=numbers, topic=st.sampled_from(TOPICS))
    def receive_a_graft(self, number: int, topic: str) -> None:
        self.play.receive(number, Rpc(graft=[topic], has_control=True))

    @rule(number=numbers, topic=st.sampled_from(TOPICS), backoff=backoffs)
    def receive_a_prune(self, number: int, topic: str, backoff: int | None) -> None:
        self.play.receive(number, Rpc(prune=[Prune(topic, [], backoff)], has_control=True))

    @rule(
        number=numbers,
        message=messages(),
        verdict=st.sampled_from(["accept", "accept", "reject"]),
        others=st.lists(numbers, max_size=3),
        unwanting=numbers,
    )
    def a_message_passes(self, number: int, message: Message, verdict: str, others: list[int], unwanting: int) -> None:
        self.play.receive(unwanting, Rpc(idontwant=[default_id(message)], has_control=True))
        self.play.deliver(number, message, verdict, others)

    @rule(number=numbers, topic=st.sampled_from(TOPICS))
    def a_peer_changes_its_mind(self, number: int, topic: str) -> None:
        self.play.receive(number, Rpc(subscriptions=[Subscription(False, topic)]))
        rpc = Rpc(subscriptions=[Subscription(True, topic)], prune=[Prune(topic)], has_control=True)
        self.play.receive(number, rpc)

    @rule(index=st.integers(0, 7))
    def verify(self, index: int) -> None:
        self.play.verify(index)

    @rule(index=st.integers(0, 7))
    def drop(self, index: int) -> None:
        self.play.drop(index)

    @rule(index=st.integers(0, 7), verdict=st.sampled_from(["accept", "accept", "reject", "ignore", "throttle"]))
    def settle(self, index: int, verdict: str) -> None:
        self.play.settle(index, verdict)

    @rule(number=numbers, score=st.sampled_from([-1_000.0, -60.0, -20.0, -1.0, 0.0, 1.0, 5.0, 30.0]))
    def a_score_changes(self, number: int, score: float) -> None:
        self.play.score(number, score)

    @rule(seconds=st.sampled_from([0.0, 0.4, 1.0, 1.0, 3.0, 12.0, 130.0]))
    def wait(self, seconds: float) -> None:
        self.play.wait(seconds)


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestMachine = pytest.mark.req(
    "GS10-12", "GS10-17", "GS10-18", "GS10-19", "GS10-21", "GS10-27", "GS11-01", "GS11-02", "GS11-03", "GS11-10",
    "GS11-12", "GS11-14", "GS11-15", "GS11-17", "GS11-20", "GS12-01", "GS12-03", "GS12-04", "GS13-01",
)(Machine.TestCase)  # fmt: skip
