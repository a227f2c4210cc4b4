"""Gossip: telling peers outside of the mesh what there is, and asking for what is missing (specs/gossipsub.md).

IHAVE tells ids, IWANT asks for messages, IDONTWANT says that one need not come a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from p2pstack.gossipsub.peers import Members, Peer
from p2pstack.gossipsub.promises import Promises
from p2pstack.gossipsub.state import State
from p2pstack.gossipsub.values import IHave

__all__ = ["Gossip"]


class Gossip:
    """Sends and answers the three kinds of gossip, within their limits."""

    __slots__ = ("_promises", "_state")

    def __init__(self, state: State, promises: Promises) -> None:
        self._state = state
        self._promises = promises

    # -- IHAVE

    def emit(self, topic: str, excluded: Members) -> None:
        """Tell some peers of ``topic`` that are not ``excluded`` what came of late (GS11-09)."""
        state = self._state
        config = state.config
        ids = state.cache.gossip_ids(topic)
        if not ids:
            return
        score, threshold = state.score.score, state.score.gossip_threshold
        eligible = [
            peer
            for peer in state.topics.get(topic, ())
            if peer not in excluded and not peer.direct and peer.features.mesh and score(peer.id) >= threshold
        ]
        count = max(config.d_lazy, int(config.gossip_factor * len(eligible)))
        for peer in state.some(eligible, count):
            chosen = state.random.sample(ids, min(len(ids), config.max_ihave_length))
            state.tell(peer).ihave.append(IHave(topic, chosen))

    def greet(self, peer: Peer, topic: str) -> None:
        """Tell a new subscriber what came of late: what was published while its subscription was on its way.

        Once a peer and topic, so that it can't be had again and again by subscribing anew.
        """
        state = self._state
        if topic in peer.greeted or len(peer.greeted) >= state.config.max_topics_per_peer:
            return
        peer.greeted[topic] = None
        if peer.direct or not peer.features.mesh or state.score.score(peer.id) < state.score.gossip_threshold:
            return
        ids = state.cache.gossip_ids(topic)[: state.config.max_ihave_length]
        if ids:
            state.tell(peer).ihave.append(IHave(topic, ids))

    def receive_ihave(self, peer: Peer, entries: list[IHave], checking: Mapping[bytes, object], now: float) -> None:
        """Ask for what we have not seen, as far as the peer's score and the limits allow (GS11-14).

        ``checking`` holds the ids of messages whose signature is being verified.
        """
        state = self._state
        config = state.config
        if state.score.score(peer.id) < state.score.gossip_threshold:
            state.counters["ihave-score"] += 1
            return
        peer.ihave_rpcs += 1
        room = config.max_ihave_length - peer.asked
        if peer.ihave_rpcs > config.max_ihave_messages or room <= 0:
            state.counters["ihave-limit"] += 1
            return
        missing: dict[bytes, None] = {}
        for entry in entries:
            if entry.topic not in state.mesh:
                continue
            for each in entry.ids[: config.max_ihave_length]:
                if len(each) <= config.max_id_size and each not in checking and not state.seen.has(each, now):
                    missing[each] = None
        if not missing:
            return
        asked = list(missing)
        state.random.shuffle(asked)
        del asked[room:]
        peer.asked += len(asked)
        self._promises.add(peer.id, asked, state.random, now)
        state.tell(peer).iwant += asked

    # -- IWANT

    def receive_iwant(self, peer: Peer, ids: list[bytes]) -> None:
        """Send what is asked for and still there, each message a few times at most (GS11-15)."""
        state = self._state
        config = state.config
        if state.score.score(peer.id) < state.score.gossip_threshold:
            state.counters["iwant-score"] += 1
            return
        for each in dict.fromkeys(ids):
            if peer.served >= config.max_iwant_length:
                state.counters["iwant-limit"] += 1
                return
            peer.served += 1
            if each in peer.unwanted:
                continue
            found = state.cache.take(each, peer.id)
            if found is None:
                continue
            message, count = found
            if count > config.gossip_retransmission:
                state.counters["iwant-again"] += 1
                continue
            state.send_message(message, (peer,))

    # -- IDONTWANT

    def decline(self, topic: str, message_id: bytes, senders: Iterable[object]) -> None:
        """Tell the mesh, but not ``senders``, that a message is here (GS12-02)."""
        state = self._state
        have_it = set(senders)
        for peer in state.mesh.get(topic, ()):
            if peer.features.idontwant and peer.id not in have_it:
                state.tell(peer).idontwant.append(message_id)

    def receive_idontwant(self, peer: Peer, ids: list[bytes]) -> None:
        """Note what a peer need not get, for a few heartbeats and up to a number (GS12-03, GS12-04)."""
        state = self._state
        config = state.config
        peer.idontwant_rpcs += 1
        if peer.idontwant_rpcs > config.max_idontwant_messages:
            state.counters["idontwant-limit"] += 1
            return
        until = state.tick + config.idontwant_ttl
        unwanted = peer.unwanted
        for each in ids[: config.max_idontwant_length]:
            if len(each) <= config.max_id_size:
                unwanted.pop(each, None)
                unwanted[each] = until
        while len(unwanted) > config.max_idontwant_ids:
            del unwanted[next(iter(unwanted))]
