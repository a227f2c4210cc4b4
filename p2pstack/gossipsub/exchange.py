"""Peer exchange: a PRUNE names other peers of the topic, with their signed records (GS11-06, GS11-07)."""

from __future__ import annotations

from p2pstack.errors import DecodeError
from p2pstack.gossipsub.events import PeersOffered
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.score.scorer import NoScore
from p2pstack.gossipsub.state import State
from p2pstack.gossipsub.values import PeerInfo, Prune
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord

__all__ = ["Exchange"]


class Exchange:
    """Names peers to those that we prune, and reads whom others name."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def offer(self, peer: Peer, topic: str) -> list[PeerInfo]:
        """Return some peers of ``topic`` for ``peer``, none of bad score; nothing for a peer of bad score."""
        state = self._state
        score = state.score.score
        if score(peer.id) < 0:
            return []
        others = [
            each
            for each in state.topics.get(topic, ())
            if each is not peer and each.features.mesh and score(each.id) >= 0
        ]
        chosen = state.some(others, state.config.prune_peers)
        return [PeerInfo(each.id.to_bytes(), state.record_of(each.id)) for each in chosen]

    def receive(self, peer: Peer, prune: Prune) -> None:
        """Tell whom ``peer`` names, if its score is high enough; entries that are bad are left out.

        Without scoring only a router that exchanges peers itself listens: anybody could send it anywhere.
        """
        state = self._state
        if isinstance(state.score, NoScore):
            trusted = state.config.peer_exchange
        else:
            trusted = state.score.score(peer.id) >= state.score.accept_px_threshold
        if not trusted:
            state.counters["px-refused"] += 1
            return
        count = min(len(prune.peers), state.config.prune_peers, state.config.max_exchanged - peer.named)
        if count <= 0:
            state.counters["px-limit"] += 1
            return
        peer.named += count
        offered = []
        for info in state.random.sample(prune.peers, count):
            try:
                offered.append(_read(info))
            except DecodeError:
                state.counters["px-bad-entry"] += 1
        fresh = [(each, addresses) for each, addresses in offered if each != state.own_id and each not in state.peers]
        if fresh:
            state.happened.append(PeersOffered(topic=prune.topic, sender=peer.id, peers=fresh))


def _read(info: PeerInfo) -> tuple[PeerId, tuple[Multiaddr, ...]]:
    """Return a named peer and the addresses of its record.

    Raises:
        DecodeError: the id or the record is none, or the record is another peer's.
    """
    peer = PeerId.from_bytes(info.peer)
    if not info.record:
        return peer, ()
    record, _ = PeerRecord.open(info.record)
    if record.peer_id != peer:
        raise DecodeError("the record in a PRUNE is another peer's", requirement="GS11-07")
    return peer, tuple(record.addresses)
