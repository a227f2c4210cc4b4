"""The router of gossipsub, without I/O: RPCs and the clock go in, RPCs and events come out (specs/gossipsub.md).

It is told of peers, of the topics that the program wants and of each RPC, and at each heartbeat of the time. What it
wants sent is taken by :meth:`Router.data_to_send`. Messages that are new come back from :meth:`Router.receive_rpc`:
the caller verifies their signatures, where and when it likes, and tells the outcome by :meth:`Router.verified`, then
the validators' verdict by ``accept``, ``reject``, ``ignore`` or ``throttle``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from p2pstack.errors import LimitExceeded, LocalError
from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.backoff import Backoffs
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.encoding import topic_to_bytes
from p2pstack.gossipsub.entropy import Random
from p2pstack.gossipsub.events import DirectPeersMissing, RouterEvent
from p2pstack.gossipsub.exchange import Exchange
from p2pstack.gossipsub.fanout import Fanout
from p2pstack.gossipsub.gater import Gater, GaterConfig
from p2pstack.gossipsub.gossip import Gossip
from p2pstack.gossipsub.heartbeat import MeshKeeper
from p2pstack.gossipsub.ids import MessageId, default_id
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.mesh import Mesh
from p2pstack.gossipsub.message_cache import MessageCache
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.promises import Promises
from p2pstack.gossipsub.relay import Relay
from p2pstack.gossipsub.score.config import ScoreConfig
from p2pstack.gossipsub.score.peer_score import PeerScore
from p2pstack.gossipsub.score.scorer import NoScore, Scorer
from p2pstack.gossipsub.seen import SeenCache
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.gossipsub.state import State
from p2pstack.gossipsub.values import Extensions, Message, Rpc, Subscription
from p2pstack.identity.peer_id import PeerId

__all__ = ["Router"]

_BACKOFF_TICKS = 15
"""Heartbeats between two clearings of back-offs that have ended (GS11-03)."""

_EXTENSIONS_PENALTY = 10
"""For telling of extensions at the wrong time, as in go (GS13-02)."""


class Router:
    """One node's part in gossipsub.

    ``peer_id`` is the node's own, ``random`` its source of chance, ``message_id`` what makes a message's id,
    ``policy`` what is asked of signatures, ``score`` the parameters of scoring (None: no scoring), ``direct`` the
    peers that get everything and are trusted (GS11-01), ``gater`` the parameters of the peer gater (None: no gater),
    ``record_of`` what gives a peer's signed record for peer exchange. Times are seconds of any one clock that does not
    go back.
    """

    def __init__(
        self,
        peer_id: PeerId,
        config: GossipsubConfig | None = None,
        *,
        random: Random,
        now: float,
        message_id: MessageId = default_id,
        policy: SigningPolicy = SigningPolicy.STRICT_SIGN,
        score: ScoreConfig | None = None,
        direct: Iterable[PeerId] = (),
        gater: GaterConfig | None = None,
        record_of: Callable[[PeerId], bytes | None] = lambda _: None,
    ) -> None:
        config = config or GossipsubConfig()
        scorer: Scorer = NoScore() if score is None else PeerScore(score, seen_ttl=config.seen_ttl, now=now)
        self._state = State(
            own_id=peer_id,
            config=config,
            random=random,
            score=scorer,
            seen=SeenCache(config.seen_ttl, config.max_seen),
            cache=MessageCache(config.history_length, config.history_gossip, config.max_cache),
            backoffs=Backoffs(config.max_backoffs),
            gater=None if gater is None else Gater(gater, now),
            record_of=record_of,
        )
        self.config = config
        self.peer_id = peer_id
        self._direct = frozenset(direct)
        self._promises = Promises(config.iwant_followup, config.max_promises)
        self._gossip = Gossip(self._state, self._promises)
        self._mesh = Mesh(self._state, Exchange(self._state))
        self._keeper = MeshKeeper(self._state, self._mesh)
        self._fanout = Fanout(self._state)
        self._relay = Relay(self._state, self._gossip, self._promises, message_id, policy)
        self._next_heartbeat = now + config.heartbeat_delay
        self._next_direct = now + config.direct_connect_delay

    # -- what there is

    @property
    def topics(self) -> list[str]:
        """The topics that we are subscribed to."""
        return list(self._state.mesh)

    @property
    def peers(self) -> list[PeerId]:
        """The peers with which pubsub is spoken."""
        return list(self._state.peers)

    @property
    def score(self) -> Scorer:
        """The scores of peers."""
        return self._state.score

    @property
    def counters(self) -> Counter[str]:
        """How often what was refused, dropped or cut short, by reason."""
        return self._state.counters

    def peers_in(self, topic: str) -> list[PeerId]:
        """Return the peers that are subscribed to ``topic``."""
        return [peer.id for peer in self._state.topics.get(topic, ())]

    def mesh(self, topic: str) -> list[PeerId]:
        """Return the peers in our mesh of ``topic``; none where we are not subscribed."""
        return [peer.id for peer in self._state.mesh.get(topic, ())]

    def fanout(self) -> Mapping[str, list[PeerId]]:
        """Return the topics that we publish to without being subscribed, with the peers that messages go to."""
        return {topic: [peer.id for peer in members] for topic, members in self._fanout.topics.items()}

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return, by the name of the limit, how much is held and how much may be."""
        state, config = self._state, self.config
        return {
            "max_seen": (len(state.seen), config.max_seen),
            "max_cache": (state.cache.bytes, config.max_cache),
            "max_checking": (self._relay.unsettled, config.max_checking),
            "max_backoffs": (len(state.backoffs), config.max_backoffs),
            "max_promises": (len(self._promises), config.max_promises),
            "max_fanout": (len(self._fanout.topics), config.max_fanout),
        }

    # -- peers

    def add_peer(self, peer: PeerId, protocol: str, *, outbound: bool, ips: Iterable[str] = (), now: float) -> None:
        """Begin to speak with ``peer``, or learn that another ``protocol`` or connection is used with it.

        ``outbound`` tells whether we dialled it (GS11-10), ``ips`` are its addresses. The hello is queued the first
        time; see :meth:`hello` for later streams.
        """
        state = self._state
        known = state.peers.get(peer)
        if known is not None:
            known.update(protocol, outbound=outbound)
            state.outsider(known)
            if not known.features.mesh:
                self._leave_meshes(known)
            state.score.set_ips(peer, ips)
            return
        added = state.peers[peer] = Peer(peer, protocol, outbound=outbound, direct=peer in self._direct)
        state.outsider(added)
        addresses = list(ips)
        state.score.add_peer(peer, addresses, now)
        if state.gater is not None:
            state.gater.add_peer(peer, *addresses[:1])
        hello = self.hello(peer)
        if not hello.is_empty:
            # Nothing may come before it: extensions stand in the first RPC (GS13-01).
            added.pending = hello
            state.waiting.append(added)

    def hello(self, peer: PeerId) -> Rpc:
        """Return the first RPC of a new stream: all our subscriptions, and extensions (GS10-04, GS13-01)."""
        state = self._state
        rpc = Rpc(subscriptions=[Subscription(True, topic) for topic in state.mesh])
        if self.config.test_extension and state.peers[peer].features.extensions:
            rpc.extensions = Extensions(test=True)
        return rpc

    def greet_again(self, peer: PeerId) -> None:
        """Tell ``peer`` anew what we are subscribed to, and in which of our meshes it is.

        For a peer that has opened a new stream to us while ours lived on: go forgets all of this when its own ends.
        """
        state = self._state
        known = state.peers.get(peer)
        if known is None or not state.mesh:
            return
        pending = state.tell(known)
        pending.subscriptions += [Subscription(True, topic) for topic in state.mesh]
        pending.graft += [topic for topic, members in state.mesh.items() if known in members]

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """Forget ``peer``, which is gone; its score and back-offs stay (GS11-20, GS11-39)."""
        state = self._state
        gone = state.peers.pop(peer, None)
        if gone is None:
            return
        gone.pending = None
        state.outbox = [each for each in state.outbox if each[0] != peer]
        state.outsiders.pop(gone, None)
        if state.gater is not None:
            state.gater.remove_peer(peer, now)
        # Out of the score first: it takes the deficits of the meshes that the peer is in.
        state.score.remove_peer(peer, now)
        for topic in list(gone.topics):
            self._fanout.forget(gone, topic)
            state.unsubscribed(gone, topic)

    def _leave_meshes(self, peer: Peer) -> None:
        """Speak of nothing but subscriptions and messages with a peer that knows no mesh any more (GS10-27)."""
        for topic in peer.topics:
            self._fanout.forget(peer, topic)
            self._state.leave_mesh(peer, topic)
        if peer.pending is not None:
            peer.pending = Rpc(subscriptions=peer.pending.subscriptions)

    # -- topics

    def join(self, topic: str, now: float) -> None:
        """Subscribe to ``topic``: tell everybody, and make a mesh (GS10-17).

        Raises:
            LocalError: its name is longer than ``max_topic_size`` bytes.
        """
        state = self._state
        self._check_topic(topic)
        if topic in state.mesh:
            return
        self._announce(topic, subscribe=True)
        self._mesh.join(topic, self._fanout.take(topic), now)

    def leave(self, topic: str, now: float) -> None:
        """Unsubscribe from ``topic``: tell everybody, and leave the mesh (GS10-17)."""
        if topic in self._state.mesh:
            self._announce(topic, subscribe=False)
            self._mesh.leave(topic, now)

    def _announce(self, topic: str, *, subscribe: bool) -> None:
        for peer in self._state.peers.values():
            self._state.tell(peer).subscriptions.append(Subscription(subscribe, topic))

    def _check_topic(self, topic: str) -> None:
        size = len(topic_to_bytes(topic))
        if size > self.config.max_topic_size:
            raise LocalError(f"a topic's name of {size} bytes is longer than max_topic_size")

    # -- RPCs

    def receive_rpc(self, peer: PeerId, rpc: Rpc, now: float, *, first: bool = False) -> list[Incoming]:
        """Act on an RPC of ``peer``; return the messages that have to be verified. HOT PATH.

        ``first`` tells that it is the first one on its stream: only there extensions may stand (GS13-02). An RPC of a
        peer that was not added, or is gone, is dropped.
        """
        state = self._state
        sender = state.peers.get(peer)
        if sender is None:
            state.counters["unknown-peer"] += 1
            return []
        if rpc.subscriptions:
            self._receive_subscriptions(sender, rpc.subscriptions, now)
        if not sender.direct and state.score.score(peer) < state.score.graylist_threshold:
            state.counters["graylisted"] += 1
            return []
        fresh: list[Incoming] = []
        if rpc.publish:
            if state.gater is None or sender.direct or state.gater.accept(peer, now, state.random):
                fresh = self._relay.receive(sender, rpc.publish, now)
            else:
                state.counters["gated"] += len(rpc.publish)
                self._promises.throttled(peer)
        if rpc.ihave or rpc.iwant or rpc.graft or rpc.prune or rpc.idontwant or rpc.extensions is not None:
            self._receive_control(sender, rpc, now, first=first)
        return fresh

    def _receive_subscriptions(self, peer: Peer, subscriptions: list[Subscription], now: float) -> None:
        """Note what a peer wants; where our mesh is short of members it comes in at once (GS10-15)."""
        state = self._state
        # The last word on a topic counts: a peer can't make us work by changing its mind in one RPC.
        for topic, wanted in {each.topic: each.subscribe for each in subscriptions}.items():
            if not wanted:
                self._fanout.forget(peer, topic)
                state.unsubscribed(peer, topic)
            elif state.subscribed(peer, topic):
                members = state.mesh.get(topic)
                if members is not None and len(members) < self.config.d_low and peer in state.may_graft(topic, now):
                    self._mesh.graft(peer, topic, now)
                self._gossip.greet(peer, topic)

    def _receive_control(self, peer: Peer, rpc: Rpc, now: float, *, first: bool) -> None:
        """Act on the control part; a peer of floodsub should have none (GS10-14, GS10-27)."""
        if not peer.features.mesh:
            self._state.counters["control-of-floodsub"] += 1
            return
        if rpc.extensions is not None and peer.features.extensions:
            self._receive_extensions(peer, rpc.extensions, first=first)
        if rpc.ihave:
            self._gossip.receive_ihave(peer, rpc.ihave, self._relay.checking, now)
        if rpc.iwant:
            self._gossip.receive_iwant(peer, rpc.iwant)
        if rpc.graft:
            self._mesh.receive_grafts(peer, rpc.graft, now)
        if rpc.prune:
            self._mesh.receive_prunes(peer, rpc.prune, now)
        if rpc.idontwant:
            self._gossip.receive_idontwant(peer, rpc.idontwant)

    def _receive_extensions(self, peer: Peer, extensions: Extensions, *, first: bool) -> None:
        """Note which extensions a peer has (GS13-01 to GS13-03)."""
        if not first:
            self._state.counters["extensions-late"] += 1
            self._state.score.add_penalty(peer.id, _EXTENSIONS_PENALTY)
            return
        if extensions.test and self.config.test_extension and not peer.test_extension:
            peer.test_extension = True
            self._state.outbox.append((peer.id, Rpc(test_extension=True)))

    # -- verdicts

    def verified(self, incoming: Incoming, reason: str | None, now: float) -> bool:
        """Tell how the verification ended: None for well, else why not, by a name of ``reasons``.

        Returns whether the message goes on to its validators; not so where another copy was first (GS10-12).
        """
        return self._relay.verified(incoming, reason, now)

    def drop(self, incoming: Incoming, now: float) -> None:
        """Give up a message before its verification for lack of room: it may come again, nobody is blamed (GS10-26)."""
        self._relay.drop(incoming, now)

    def accept(self, incoming: Incoming, now: float) -> None:
        """The message is good: it is kept, and sent on."""
        self._relay.accept(incoming, now)

    def reject(self, incoming: Incoming, now: float) -> None:
        """The message is bad: all who sent it are charged (GS11-34)."""
        self._relay.refuse(incoming, reasons.REJECTED, now)

    def ignore(self, incoming: Incoming, now: float) -> None:
        """The message is neither: it goes nowhere, and nobody is charged."""
        self._relay.refuse(incoming, reasons.IGNORED, now)

    def throttle(self, incoming: Incoming, now: float) -> None:
        """There was no room to validate the message: it goes nowhere, and nobody is charged (GS10-26)."""
        self._relay.refuse(incoming, reasons.THROTTLED, now)

    # -- publishing

    def targets(self, topic: str) -> list[PeerId]:
        """Return the peers that a message to ``topic`` would go to now, where that is known beforehand."""
        fanout = self._fanout.topics.get(topic, {})
        return [peer.id for peer in self._relay.targets(topic, fanout)]

    def publish(self, message: Message, now: float) -> list[PeerId]:
        """Send a message of our own; return the peers that it goes to (GS10-22, GS11-08).

        Raises:
            LimitExceeded: it is longer than ``max_rpc`` (GS10-03).
            LocalError: a message with this id was seen already, or none can be made.
        """
        state = self._state
        topic = message.topic
        self._check_topic(topic)
        if len(message.encoded) + 8 > self.config.max_rpc:
            raise LimitExceeded("gossipsub.max_rpc", self.config.max_rpc)
        message_id = self._relay.id_of(message)
        if message_id is None:
            raise LocalError("the function for message ids makes none of this message")
        if not state.seen.add(message_id, now):
            raise LocalError("a message with this id was published or received before")
        state.cache.put(message_id, message)
        state.score.deliver(self.peer_id, topic, message_id, now)
        fanout = () if topic in state.mesh or self.config.flood_publish else self._fanout.use(topic, now)
        chosen = [peer for peer in self._relay.targets(topic, fanout) if message_id not in peer.unwanted]
        state.send_message(message, chosen)
        return [peer.id for peer in chosen]

    # -- time

    def next_timeout(self) -> float:
        """When :meth:`handle_timeout` should be called next."""
        return min(self._next_heartbeat, self._state.score.next_timeout())

    def handle_timeout(self, now: float) -> None:
        """Do what is due: decay of scores, and a heartbeat; those that were missed are not made up for."""
        self._state.score.update(now)
        if now < self._next_heartbeat:
            return
        self._heartbeat(now)
        interval = self.config.heartbeat_interval
        self._next_heartbeat = max(self._next_heartbeat + interval, now + interval / 2)

    def _heartbeat(self, now: float) -> None:
        state = self._state
        state.tick += 1
        for peer in state.peers.values():
            peer.new_heartbeat()
            peer.forget_unwanted(state.tick)
            peer.forget_cuts(now - self.config.graft_grace)
        for sender, count in self._promises.broken(now).items():
            state.counters["broken-promise"] += count
            state.score.add_penalty(sender, count)
        if state.gater is not None:
            state.gater.decay(now)
        state.seen.expire(now)
        if state.tick % _BACKOFF_TICKS == 0:
            state.backoffs.expire(now, self.config.heartbeat_interval)
        for topic in list(state.mesh):
            self._keeper.maintain(topic, now)
            self._gossip.emit(topic, state.mesh[topic])
        self._fanout.maintain(now)
        for topic, members in self._fanout.topics.items():
            self._gossip.emit(topic, members)
        state.cache.shift()
        if now >= self._next_direct:
            self._look_for_direct(now)

    def _look_for_direct(self, now: float) -> None:
        """Tell which direct peers are not there (GS11-01)."""
        self._next_direct = now + self.config.direct_connect_ticks * self.config.heartbeat_interval
        missing = [peer for peer in self._direct if peer not in self._state.peers]
        if missing:
            self._state.happened.append(DirectPeersMissing(peers=sorted(missing)))

    # -- out

    def data_to_send(self) -> list[tuple[PeerId, Rpc]]:
        """Return what is to be sent, in order, drained; an RPC for several peers is one object."""
        return self._state.data_to_send()

    def events(self) -> list[RouterEvent]:
        """Return what has happened, in order, drained."""
        happened, self._state.happened = self._state.happened, []
        return happened
