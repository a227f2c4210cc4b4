"""A router among a few peers, and what must hold whatever they do: for the stateful test and the fuzz target.

The other sides are a model of what they were told: who is in whose mesh, who is backed off until when, who has which
message. After each step everything that the router sends is encoded, read again, and held against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from p2pstack.errors import LocalError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.events import Grafted, Pruned
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.protocols import features_of
from p2pstack.gossipsub.reasons import SELF_ORIGIN
from p2pstack.gossipsub.signing import SigningPolicy, check_fields
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.identity.peer_id import PeerId
from tests.gossipsub.network import (
    FLOOD,
    INVALID_ONLY,
    OWN,
    OWN_NUMBER,
    V10,
    V11,
    V12,
    V13,
    Node,
    Scores,
    decoded,
    fault_of,
    peer,
    signed,
)

TOPICS = ("a", "b")
PROTOCOLS = (V13, V12, V11, V10, FLOOD, V12, V12, V13, V12, V11)
"""By the number of a peer."""
OUTBOUND = {0, 3, 6}
DIRECT = {5}

CONFIG = GossipsubConfig(
    d=3,
    d_low=2,
    d_high=4,
    d_score=2,
    d_out=1,
    d_lazy=1,
    prune_backoff=10.0,
    unsubscribe_backoff=3.0,
    graft_flood_threshold=4.0,
    opportunistic_graft_ticks=5,
    max_topics_per_peer=3,
    max_checking=6,
    max_promises=5,
    max_ihave_length=6,
    max_ihave_messages=3,
    max_iwant_length=10,
    max_idontwant_messages=3,
    max_idontwant_length=4,
    max_idontwant_ids=5,
    idontwant_threshold=20,
    max_cache=20_000,
    max_fanout=2,
    test_extension=True,
    peer_exchange=True,
)
_SLACK = 1e-6


class Play:
    """The router, the model, and the steps that can be taken."""

    def __init__(self, *, flooding: bool, seed: int = 1) -> None:
        self.config = replace(CONFIG, flood_publish=flooding)
        self.scores = Scores(topics=dict.fromkeys(TOPICS, INVALID_ONLY), opportunistic_graft_threshold=2.0)
        self.node = Node(self.config, topics=(), seed=seed, scores=self.scores, direct=sorted(DIRECT))
        self.router = self.node.router
        self.here: set[int] = set()
        self.seqno = 0
        self.checking: list[Incoming] = []
        self.validating: list[Incoming] = []
        self.have: dict[Incoming, set[PeerId]] = {}
        self.passed: dict[bytes, float] = {}
        self.backoffs: dict[tuple[str, PeerId], float] = {}
        self.views: set[tuple[str, PeerId]] = set()
        self.told: set[tuple[str, PeerId]] = set()
        self.greeted_first: set[PeerId] = set()
        self.answered: Counter[tuple[PeerId, bytes]] = Counter()
        self.asked: Counter[PeerId] = Counter()

    # -- steps

    def add(self, number: int) -> None:
        """A peer comes; one that is here changes its version and direction instead."""
        known = number in self.here
        protocol = PROTOCOLS[(number + known) % len(PROTOCOLS)]
        outbound = (number in OUTBOUND) != known
        self.here.add(number)
        if not known:
            self.greeted_first.discard(peer(number))
        if not features_of(protocol).mesh:
            self.views -= {(topic, peer(number)) for topic in self.router.topics}
        self.router.add_peer(peer(number), protocol, outbound=outbound, ips=["192.0.2.1"], now=self.node.now)
        self.check()

    def remove(self, number: int) -> None:
        self.here.discard(number)
        self.views = {(topic, who) for topic, who in self.views if who != peer(number)}
        self.asked.pop(peer(number), None)
        self.node.remove(number)
        self.check()

    def join(self, topic: str) -> None:
        self.router.join(topic, self.node.now)
        self.check()

    def leave(self, topic: str) -> None:
        self.router.leave(topic, self.node.now)
        self.check(pruning=self.config.unsubscribe_backoff)

    def publish(self, topic: str, size: int) -> None:
        self.seqno += 1
        message = signed(OWN_NUMBER, self.seqno, topic, bytes(size))
        message_id = self.router._relay.id_of(message)
        assert message_id is not None
        unwanted = self._unwanting(message_id)
        told = self.router.publish(message, self.node.now)
        assert len(told) == len(set(told))
        assert not set(told) & unwanted
        self.passed[message_id] = self.node.now
        self.check(messages={(who, message.encoded) for who in told})
        try:
            self.router.publish(message, self.node.now)
        except LocalError:
            return
        raise AssertionError("published twice")

    def receive(self, number: int, rpc: Rpc, *, first: bool = False) -> None:
        """A peer sends anything."""
        who = peer(number)
        heard = number in self.here and (
            number in DIRECT or self.router.score.score(who) >= self.router.score.graylist_threshold
        )
        joined = set(self.router.topics)
        controls = heard and rpc.has_control and self._known(who).features.mesh
        if number in self.here:
            last = {each.topic: each.subscribe for each in rpc.subscriptions}
            self.views -= {(topic, who) for topic, wanted in last.items() if not wanted}
        if heard:
            for message in rpc.publish:
                self._note_copy(who, message)
        fresh = self.router.receive_rpc(who, rpc, self.node.now, first=first)
        assert heard or not fresh
        for incoming in fresh:
            assert incoming.topic in joined
            assert incoming.peer == who
            assert incoming.id not in self.passed or self._is_long_ago(incoming.id)
            self.have[incoming] = set()
        self.checking += fresh
        if controls:
            self.views |= {(topic, who) for topic in rpc.graft if topic in joined}
            for prune in rpc.prune:
                if prune.topic in joined:
                    self.views.discard((prune.topic, who))
                    self._back_off(prune.topic, who, min(prune.backoff or 10, 3_600))
        self._check_answers(who, rpc if controls else Rpc())

    def verify(self, index: int) -> None:
        if not self.checking:
            return
        incoming = self.checking.pop(index % len(self.checking))
        reason = fault_of(incoming.message)
        went_on = self.router.verified(incoming, reason, self.node.now)
        have = {incoming.peer, *self.have[incoming]}
        if went_on:
            assert reason is None
            assert incoming.id not in self.passed or self._is_long_ago(incoming.id), "delivered twice"
            self.passed[incoming.id] = self.node.now
            self.validating.append(incoming)
        else:
            del self.have[incoming]
            if reason is None:
                assert not incoming.message.portable or incoming.id in self.passed
                self.passed.setdefault(incoming.id, self.node.now)
                for other in self.validating:
                    if other.id == incoming.id:
                        self.have[other] |= have
        declining = {target for target, rpc in self.check().items() if rpc.idontwant}
        if declining:
            assert went_on
            assert len(incoming.data) >= self.config.idontwant_threshold
        assert not declining & have, "who sent it needs not be told"

    def drop(self, index: int) -> None:
        if self.checking:
            incoming = self.checking.pop(index % len(self.checking))
            del self.have[incoming]
            self.router.drop(incoming, self.node.now)
            self.check()

    def settle(self, index: int, verdict: str) -> None:
        if not self.validating:
            return
        incoming = self.validating.pop(index % len(self.validating))
        expected = self._targets(incoming) if verdict == "accept" else set()
        del self.have[incoming]
        getattr(self.router, verdict)(incoming, self.node.now)
        if verdict == "accept":
            for key in [key for key in self.answered if key[1] == incoming.id]:
                del self.answered[key]
        self.check(messages={(who, incoming.message.encoded) for who in expected})

    def deliver(self, number: int, message: Message, verdict: str, others: Sequence[int]) -> None:
        """A message is sent, verified and settled; others send it too, the first before it is verified."""
        self.receive(number, Rpc(publish=[message]))
        for other in others[:1]:
            self.receive(other, Rpc(publish=[message]))
        self.verify(-1)
        for other in others[1:]:
            self.receive(other, Rpc(publish=[message]))
        self.settle(-1, verdict)

    def score(self, number: int, score: float) -> None:
        self.scores[number] = score

    def wait(self, seconds: float) -> None:
        end = self.node.now + seconds
        while self.router.next_timeout() <= end:
            tick = self.router._state.tick
            self.node.now = max(self.node.now, self.router.next_timeout())
            self.router.handle_timeout(self.node.now)
            self.check()
            if self.router._state.tick > tick:
                self.asked.clear()
                self._check_bounds()
        self.node.now = end

    # -- the model

    def _known(self, who: PeerId) -> Peer:
        return self.router._state.peers[who]

    def _meshes(self) -> set[tuple[str, PeerId]]:
        return {(topic, who) for topic in self.router.topics for who in self.router.mesh(topic)}

    def _is_long_ago(self, message_id: bytes) -> bool:
        return self.passed[message_id] + self.config.seen_ttl <= self.node.now

    def _unwanting(self, message_id: bytes) -> set[PeerId]:
        return {who for who in self.router.peers if message_id in self._known(who).unwanted}

    def _back_off(self, topic: str, who: PeerId, seconds: float) -> None:
        key = topic, who
        self.backoffs[key] = max(self.backoffs.get(key, 0.0), self.node.now + seconds)

    def _note_copy(self, who: PeerId, message: Message) -> None:
        """Who sends what is here already has it."""
        if message.topic not in self.router.topics or check_fields(message, SigningPolicy.STRICT_SIGN):
            return
        message_id = self.router._relay.id_of(message)
        for incoming in self.checking:
            if incoming.message.encoded == message.encoded and incoming.id not in self.passed:
                self.have[incoming].add(who)
        for incoming in self.validating:
            if incoming.id == message_id and not self._is_long_ago(incoming.id):
                self.have[incoming].add(who)

    def _targets(self, incoming: Incoming) -> set[PeerId]:
        """Who gets an accepted message."""
        topic = incoming.topic
        if topic not in self.router.topics:
            return set()
        targets = set(self.router.mesh(topic))
        for who in self.router.peers_in(topic):
            known = self._known(who)
            good = self.router.score.score(who) >= self.router.score.publish_threshold
            if known.direct or (not known.features.mesh and good):
                targets.add(who)
        author = incoming.message.author
        assert author != OWN, SELF_ORIGIN
        unwanting = self._unwanting(incoming.id)
        return targets - self.have[incoming] - {incoming.peer} - unwanting - ({author} if author else set())

    def _candidates(self, topic: str) -> list[Peer]:
        """Who could be grafted."""
        known = [self._known(who) for who in self.router.peers_in(topic)]
        over = self.node.now - self.config.heartbeat_interval - _SLACK
        return [
            each
            for each in known
            if each.features.mesh
            and not each.direct
            and each.id not in self.router.mesh(topic)
            and self.router.score.score(each.id) >= 0
            and self.backoffs.get((topic, each.id), 0.0) <= over
        ]

    # -- what must hold

    def check(
        self,
        *,
        messages: set[tuple[PeerId, bytes]] | None = None,
        pruning: float | None = None,
    ) -> dict[PeerId, Rpc]:
        """Take what is sent, and compare; ``messages`` is what may be published, and all of it must be."""
        sent = self._take(pruning)
        published = [(who, each.encoded) for who, rpc in sent.items() for each in rpc.publish]
        assert len(published) == len(set(published)), "sent twice"
        assert set(published) == (messages or set())
        self._check_state()
        return sent

    def _take(self, pruning: float | None = None) -> dict[PeerId, Rpc]:
        """Drain the outbox into the model; return it by peer."""
        sent: dict[PeerId, Rpc] = {}
        for who, rpc in self.router.data_to_send():
            parts = decoded(rpc)
            assert parts, "an empty RPC"
            assert who in self.router.peers
            whole = sent.setdefault(who, Rpc())
            for part in parts:
                self._check_part(who, part, pruning)
                for name in ("subscriptions", "publish", "ihave", "iwant", "graft", "prune", "idontwant"):
                    getattr(whole, name).extend(getattr(part, name))
        assert self.router.data_to_send() == []
        return sent

    def _check_part(self, who: PeerId, part: Rpc, pruning: float | None) -> None:
        known = self._known(who)
        features = known.features
        assert part.extensions is None or who not in self.greeted_first
        self.greeted_first.add(who)
        if not features.mesh:
            control = [*part.graft, *part.prune, *part.ihave, *part.iwant]
            assert not control, "nothing of it is for floodsub"
        assert features.idontwant or not part.idontwant
        assert not (known.direct and (part.graft or part.ihave))
        for topic in part.graft:
            assert topic in self.router.topics
            assert self.backoffs.get((topic, who), 0.0) + self.config.heartbeat_interval <= self.node.now + _SLACK
            self.views.add((topic, who))
        for prune in part.prune:
            self.views.discard((prune.topic, who))
            seconds = self.config.prune_backoff if pruning is None else pruning
            assert prune.backoff == (seconds if features.backoff else None)
            assert features.backoff or not prune.peers
            self._back_off(prune.topic, who, seconds)

    def _check_state(self) -> None:
        for event in self.router.events():
            if isinstance(event, Grafted):
                assert (event.topic, event.peer) not in self.told
                self.told.add((event.topic, event.peer))
            elif isinstance(event, Pruned):
                self.told.remove((event.topic, event.peer))
        meshes = self._meshes()
        self.views = {(topic, who) for topic, who in self.views if topic in self.router.topics}
        assert meshes == self.told, "what the events tell"
        assert meshes == self.views, "what the peers were told"
        for topic, who in meshes:
            known = self._known(who)
            assert who in self.router.peers_in(topic)
            assert known.features.mesh
            assert not known.direct
        assert set(self.router.peers) == {peer(number) for number in self.here}
        for who in self.router.peers:
            known = self._known(who)
            assert len(known.topics) <= self.config.max_topics_per_peer
            assert len(known.greeted) <= self.config.max_topics_per_peer
            assert len(known.unwanted) <= self.config.max_idontwant_ids
        for name, (held, most) in self.router.sizes().items():
            assert held <= most, name
        assert self.router.sizes()["max_checking"][0] == len(self.checking) + len(self.validating)
        members = set(chain.from_iterable(self.router.fanout().values()))
        assert members <= set(self.router.peers)
        for topic, subscribers in self.router._state.topics.items():
            assert subscribers, f"an empty set is kept for {topic!r}"

    def _check_answers(self, who: PeerId, rpc: Rpc) -> None:
        """What an RPC leads to goes to its sender, within the limits."""
        sent = self._take()
        assert set(sent) <= {who}
        answer = sent.get(who, Rpc())
        for each in answer.publish:
            message_id = self.router._relay.id_of(each)
            assert message_id in rpc.iwant
            self.answered[who, message_id] += 1
            assert self.answered[who, message_id] <= self.config.gossip_retransmission
        offered = {each for have in rpc.ihave for each in have.ids}
        assert set(answer.iwant) <= offered
        assert all(each not in self.passed or self._is_long_ago(each) for each in answer.iwant)
        self.asked[who] += len(answer.iwant)
        assert self.asked[who] <= self.config.max_ihave_length
        self._check_state()

    def _check_bounds(self) -> None:
        """After a heartbeat each mesh is as large as it can be and should be."""
        config = self.config
        for topic in self.router.topics:
            members = [self._known(who) for who in self.router.mesh(topic)]
            candidates = self._candidates(topic)
            assert all(self.router.score.score(each.id) >= 0 for each in members)
            outbound = sum(each.outbound for each in members)
            better = config.opportunistic_graft_peers * (
                self.router._state.tick % config.opportunistic_graft_ticks == 0
            )
            # Only what the quota or a poor mesh asked for may come on top.
            assert len(members) <= config.d_high + better + (config.d_out if outbound <= config.d_out else 0)
            if len(members) < config.d_low:
                assert not candidates, "somebody could have been grafted"
            elif outbound < config.d_out:
                assert not any(each.outbound for each in candidates), "the quota could have been met"
