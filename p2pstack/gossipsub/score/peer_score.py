"""The score of every peer: told what happens, it says what to think of whom (GS11-30 to GS11-41; specs/gossipsub.md).

``validate``, ``deliver`` and ``duplicate`` are a hot path: they run once a message or copy of it, and are guarded by
benchmarks. ``score`` runs many times a heartbeat: the sum over the topics is kept until a counter changes.

Topics that are not scored leave no trace. Credit is given to connected peers alone, while blame also reaches those
that left: otherwise verdicts that are still out could pay off a bad score that no longer decays.
"""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.score import deliveries
from p2pstack.gossipsub.score.colocation import Colocation, excess_squared
from p2pstack.gossipsub.score.config import MAX_NUMBER, ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.score.counters import PeerCounters, TopicCounters, decayed, topic_terms
from p2pstack.gossipsub.score.deliveries import Deliveries
from p2pstack.gossipsub.score.retention import Retention
from p2pstack.gossipsub.score.snapshot import ScoreSnapshot, TopicSnapshot
from p2pstack.identity.peer_id import PeerId

__all__ = ["PeerScore"]


class PeerScore:
    """Scores peers by ``config``. ``seen_ttl``: seconds for which messages are known; ``now``: seconds, any clock."""

    def __init__(self, config: ScoreConfig, *, seen_ttl: float, now: float) -> None:
        self.config = config
        self.gossip_threshold = config.gossip_threshold
        self.publish_threshold = config.publish_threshold
        self.graylist_threshold = config.graylist_threshold
        self.accept_px_threshold = config.accept_px_threshold
        self.opportunistic_graft_threshold = config.opportunistic_graft_threshold
        self._topics = dict(config.topics)
        self._peers: dict[PeerId, PeerCounters] = {}
        self._deliveries = Deliveries(seen_ttl, config.max_deliveries)
        self._colocation = Colocation(config.ip_colocation_whitelist)
        self._retention = Retention(config.retain_score, config.max_retained)
        self._next_decay = now + config.decay_interval

    # Peers come and go.

    def add_peer(self, peer: PeerId, ips: Iterable[str], now: float) -> None:
        """A peer connected, from these addresses; what is remembered of it counts again (GS11-39)."""
        self._forget_expired(now)
        counters = self._peers.get(peer)
        if counters is None:
            counters = self._peers[peer] = PeerCounters()
        elif not counters.connected:
            self._retention.release(peer)
            counters.connected, counters.retained_until = True, None
        self._move(counters, ips)

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """A peer is gone: it is forgotten, or remembered if its score is 0 or less (GS11-39)."""
        counters = self._peers.get(peer)
        if counters is None or not counters.connected:
            return
        score = self.score(peer)
        if score > 0:
            self._forget(peer)
            return
        for topic, in_topic in counters.topics.items():
            in_topic.first = 0.0
            in_topic.prune(self._topics[topic])
        counters.stale = True
        counters.connected = False
        counters.retained_until, evicted = self._retention.keep(peer, now, blamed=self.score(peer) < 0)
        if evicted is not None:
            self._forget(evicted)

    def set_ips(self, peer: PeerId, ips: Iterable[str]) -> None:
        """A known peer's connections now come from these addresses, which replace the former ones (GS11-36).

        Relayed connections are not to be named: their address is the relay's.
        """
        counters = self._peers.get(peer)
        if counters is not None:
            self._move(counters, ips)

    def _move(self, counters: PeerCounters, ips: Iterable[str]) -> None:
        before = counters.groups
        counters.groups = self._colocation.join(ips)
        self._colocation.leave(before)

    def _forget(self, peer: PeerId) -> None:
        self._colocation.leave(self._peers.pop(peer).groups)

    def _forget_expired(self, now: float) -> None:
        for peer in self._retention.expired(now):
            self._forget(peer)

    # The mesh.

    def graft(self, peer: PeerId, topic: str, now: float) -> None:
        """A peer came into the mesh of a topic."""
        counters = self._peers.get(peer)
        if counters is not None and counters.connected and topic in self._topics:
            counters.topic(topic).graft(now)

    def prune(self, peer: PeerId, topic: str) -> None:
        """A peer left the mesh of a topic, on whose wish ever; what it owed there stays as P3b (GS11-33)."""
        counters = self._peers.get(peer)
        if counters is not None and topic in counters.topics:
            counters.topic(topic).prune(self._topics[topic])

    def add_penalty(self, peer: PeerId, count: float) -> None:
        """A peer broke the rules of the mesh ``count`` times (GS11-37)."""
        counters = self._peers.get(peer)
        if counters is not None:
            counters.faults = min(counters.faults + count, MAX_NUMBER)

    # Messages.

    def validate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A message is new; a peer sent it, and its validation begins (GS11-41)."""
        if topic in self._topics:
            self._deliveries.begin(message_id, peer, now)

    def deliver(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A message that ``peer`` sent first is valid.

        The peer is credited with a first delivery, and all that sent a copy while it was validated with a delivery in
        the mesh (GS11-31, GS11-32). ``peer`` may be ourselves: copies of own messages count as deliveries, too.
        """
        config = self._topics.get(topic)
        if config is None:
            return
        record = self._deliveries.begin(message_id, peer, now)
        if record.status != deliveries.UNKNOWN:
            return
        record.status = deliveries.VALID
        record.validated = now
        counters = self._peers.get(peer)
        if counters is not None and counters.connected:
            counters.topic(topic).credit_first(config)
        for other in record.others or ():
            counters = self._peers.get(other)
            if counters is not None:
                counters.topic(topic).credit_copy(config)

    def reject(self, peer: PeerId, topic: str, message_id: bytes, reason: str, now: float) -> None:
        """A message that ``peer`` sent is not taken (GS11-34); ``reason`` is of :mod:`p2pstack.gossipsub.reasons`.

        REJECTED charges all that sent it before, and everybody who still sends it. IGNORED and THROTTLED charge
        nobody, and no copy counts any more; other blameless reasons leave no trace. All other reasons concern this
        copy alone, as a bad signature does: another copy may be right, so only the sender of this one is charged.
        """
        if topic not in self._topics:
            return
        if reason == reasons.REJECTED:
            record = self._deliveries.begin(message_id, peer, now)
            if record.status == deliveries.UNKNOWN:
                self._charge(peer, topic)
                for other in record.settle(deliveries.INVALID):
                    self._charge(other, topic)
        elif reason in {reasons.IGNORED, reasons.THROTTLED}:
            record = self._deliveries.begin(message_id, peer, now)
            if record.status == deliveries.UNKNOWN:
                record.settle(deliveries.IGNORED if reason == reasons.IGNORED else deliveries.THROTTLED)
        elif reason not in reasons.BLAMELESS:
            self._charge(peer, topic)

    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A peer sent a message that is known (GS11-32, GS11-34).

        It is remembered until the verdict, credited if it comes within the window after an acceptance, and charged,
        each time, after a rejection.
        """
        record = self._deliveries.get(message_id)
        config = self._topics.get(topic)
        if record is None or config is None or record.status > deliveries.INVALID:
            return
        if record.status == deliveries.INVALID:
            self._charge(peer, topic)
            return
        valid = record.status == deliveries.VALID
        if valid and now - record.validated > config.mesh_message_deliveries_window:
            return
        counters = self._peers.get(peer)
        if counters is None or peer == record.sender:
            return
        others = record.others
        if others is None:
            record.others = {peer}
        elif peer in others:
            return
        else:
            others.add(peer)
        if valid:
            counters.topic(topic).credit_copy(config)

    def _charge(self, peer: PeerId, topic: str) -> None:
        """Count an invalid message; the topic is scored."""
        counters = self._peers.get(peer)
        if counters is not None:
            counters.topic(topic).invalid += 1.0

    # The score.

    def score(self, peer: PeerId) -> float:
        """Return the score; 0 for a peer that is unknown. Always finite."""
        counters = self._peers.get(peer)
        if counters is None:
            return 0.0
        if counters.stale:
            self._sum_topics(counters)
        score = counters.topic_score + self._opinion(peer) * self.config.app_specific_weight
        if counters.groups:
            score += self._p6(counters)
        if counters.faults:
            score += self._p7(counters)
        return score

    def _sum_topics(self, counters: PeerCounters) -> None:
        """Work out ``topic_score``: the sum over all topics, at most the cap."""
        total = 0.0
        for topic, in_topic in counters.topics.items():
            config = self._topics[topic]
            total += config.topic_weight * sum(topic_terms(in_topic, config))
        cap = self.config.topic_score_cap
        counters.topic_score = min(total, cap) if cap else total
        counters.stale = False

    def _opinion(self, peer: PeerId) -> float:
        """Return what the application thinks of a peer, as a number that can be reckoned with."""
        opinion = self.config.app_specific_score(peer)
        if -MAX_NUMBER <= opinion <= MAX_NUMBER:
            return opinion
        if opinion > 0:
            return MAX_NUMBER
        return -MAX_NUMBER if opinion < 0 else 0.0

    def _p6(self, counters: PeerCounters) -> float:
        config = self.config
        return config.ip_colocation_weight * excess_squared(counters.groups, config.ip_colocation_threshold)

    def _p7(self, counters: PeerCounters) -> float:
        excess = counters.faults - self.config.behaviour_penalty_threshold
        return self.config.behaviour_penalty_weight * excess * excess if excess > 0 else 0.0

    # Time.

    def next_timeout(self) -> float:
        """Return when the next decay is due. It is for the caller to call :meth:`update` then."""
        return self._next_decay

    def update(self, now: float) -> None:
        """Do what is due: decay, and forgetting messages and peers that are too old.

        As in go, decays that were missed are not made up for: when this program stood still, no peer could deliver.
        """
        self._deliveries.expire(now)
        if now < self._next_decay:
            return
        self.refresh(now)
        interval = self.config.decay_interval
        self._next_decay += interval * ((now - self._next_decay) // interval + 1.0)

    def refresh(self, now: float) -> None:
        """Decay all counters of connected peers once, and forget peers that left long ago (GS11-38, GS11-39)."""
        self._forget_expired(now)
        to_zero = self.config.decay_to_zero
        for counters in self._peers.values():
            if not counters.connected:
                continue
            for topic, in_topic in counters.topics.items():
                in_topic.decay(self._topics[topic], to_zero, now)
            counters.faults = decayed(counters.faults, self.config.behaviour_penalty_decay, to_zero)
            counters.stale = True

    def replace_topic(self, topic: str, config: TopicScoreConfig) -> None:
        """Score a topic in another way from now on; counters above their new cap are set to it (GS11-40).

        A topic that was not scored before is scored from here on: who is in its mesh counts so after its next GRAFT.
        """
        self._topics[topic] = config
        for counters in self._peers.values():
            if topic in counters.topics:
                counters.topic(topic).recap(config)

    # Looking at it.

    def inspect(self, peer: PeerId) -> ScoreSnapshot | None:
        """Return what a score is made of; None for a peer that is unknown."""
        counters = self._peers.get(peer)
        return None if counters is None else self._inspect(peer, counters)

    def inspect_all(self) -> dict[PeerId, ScoreSnapshot]:
        """Return the same for all known peers, also those that left."""
        return {peer: self._inspect(peer, counters) for peer, counters in self._peers.items()}

    def _inspect(self, peer: PeerId, counters: PeerCounters) -> ScoreSnapshot:
        self._sum_topics(counters)
        opinion = self._opinion(peer)
        p5 = opinion * self.config.app_specific_weight
        p6, p7 = self._p6(counters), self._p7(counters)
        return ScoreSnapshot(
            peer=peer,
            connected=counters.connected,
            retained_until=counters.retained_until,
            score=counters.topic_score + p5 + p6 + p7,
            topics={topic: _show(in_topic, self._topics[topic]) for topic, in_topic in counters.topics.items()},
            topic_score=counters.topic_score,
            app_specific_score=opinion,
            p5_app_specific=p5,
            peers_by_ip={group.name: group.size for group in counters.groups},
            p6_ip_colocation=p6,
            behaviour_penalty=counters.faults,
            p7_behaviour_penalty=p7,
        )


def _show(counters: TopicCounters, config: TopicScoreConfig) -> TopicSnapshot:
    terms = topic_terms(counters, config)
    p1, p2, p3, p3b, p4 = terms
    return TopicSnapshot(
        in_mesh=counters.in_mesh,
        mesh_time=counters.mesh_time,
        deliveries_owed=counters.owing,
        first_message_deliveries=counters.first,
        mesh_message_deliveries=counters.mesh,
        mesh_failure_penalty=counters.failures,
        invalid_message_deliveries=counters.invalid,
        p1_time_in_mesh=p1,
        p2_first_message_deliveries=p2,
        p3_mesh_message_deliveries=p3,
        p3b_mesh_failure_penalty=p3b,
        p4_invalid_message_deliveries=p4,
        score=config.topic_weight * sum(terms),
    )
