"""The way of a message: taken from a peer, checked, verified by the caller, settled, forwarded (specs/gossipsub.md).

Hot path, guarded by the row ``gossip`` of ``python -m benchmarks``. A message waits twice: for the check of its
signature, and for its validators. Only a verified one is marked as seen. Otherwise a forged copy that comes first would
keep the true one away.
"""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.gossip import Gossip
from p2pstack.gossipsub.ids import MessageId
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.promises import Promises
from p2pstack.gossipsub.signing import SigningPolicy, check_fields
from p2pstack.gossipsub.state import State
from p2pstack.gossipsub.values import Message
from p2pstack.identity.peer_id import PeerId

__all__ = ["Relay"]

_FORGEABLE = frozenset({reasons.MISSING_SIGNATURE, reasons.BAD_SIGNATURE})
"""Such a message may be anybody's: it does not settle a promise to send the one with its id (GS11-16)."""


class Relay:
    """Takes messages in, keeps account of those without a verdict, and sends on what is accepted."""

    __slots__ = (
        "_gossip",
        "_message_id",
        "_own_source",
        "_policy",
        "_promises",
        "_state",
        "checking",
        "unsettled",
        "validating",
    )

    def __init__(
        self, state: State, gossip: Gossip, promises: Promises, message_id: MessageId, policy: SigningPolicy
    ) -> None:
        self._state = state
        self._gossip = gossip
        self._promises = promises
        self._message_id = message_id
        self._policy = policy
        self._own_source = state.own_id.to_bytes()
        self.checking: dict[bytes, dict[bytes, Incoming]] = {}
        self.validating: dict[bytes, Incoming] = {}
        self.unsettled = 0

    # -- in

    def receive(self, peer: Peer, messages: list[Message], now: float) -> list[Incoming]:
        """Return those of ``messages`` that are new and have to be verified, in order."""
        state = self._state
        fresh = []
        for message in messages:
            if message.topic not in state.mesh:
                self._of_no_interest(message)
                continue
            reason = check_fields(message, self._policy)
            if reason is None and message.source == self._own_source:
                reason = reasons.SELF_ORIGIN
            message_id = self.id_of(message)
            if reason is not None or message_id is None:
                self._charge((peer.id,), message, message_id or b"", reason or reasons.BAD_ID, now)
            elif state.seen.has(message_id, now):
                self._duplicate(peer.id, message_id, message, now)
            elif not self._is_being_checked(peer.id, message_id, message):
                if self.unsettled >= state.config.max_checking:
                    self._lack_of_room(message_id, now)
                    continue
                if state.gater is not None:
                    state.gater.validated()
                incoming = Incoming(message, message_id, peer.id, now)
                self.checking.setdefault(message_id, {})[message.encoded] = incoming
                self.unsettled += 1
                fresh.append(incoming)
        return fresh

    def _of_no_interest(self, message: Message) -> None:
        """Count a message of a topic that we are not in; where we had asked for it, before we left, that is kept."""
        self._state.counters[reasons.WRONG_TOPIC] += 1
        if len(self._promises):
            self._promises.rejected(self.id_of(message) or b"")

    def id_of(self, message: Message) -> bytes | None:
        """Return the message's id; None where the program's function can't make one of it (GS10-06)."""
        try:
            # What is no bytes raises here, and not where it is sent.
            message_id = bytes(self._message_id(message))
        except Exception:  # a function of the program must not let a stranger's message end anything
            return None
        return message_id if 0 < len(message_id) <= self._state.config.max_id_size else None

    def _is_being_checked(self, sender: PeerId, message_id: bytes, message: Message) -> bool:
        """Whether the very same bytes are being verified already; then ``sender`` shares their verdict."""
        others = self.checking.get(message_id)
        same = None if others is None else others.get(message.encoded)
        if same is None:
            return False
        self._state.counters[reasons.DUPLICATE] += 1
        same.copies[sender] = same.copies.get(sender, 0) + 1
        return True

    def _duplicate(self, sender: PeerId, message_id: bytes, message: Message, now: float) -> None:
        self._state.counters[reasons.DUPLICATE] += 1
        self._state.score.duplicate(sender, message.topic, message_id, now)
        if self._state.gater is not None:
            self._state.gater.duplicate(sender)
        waiting = self.validating.get(message_id)
        if waiting is not None:
            waiting.copies[sender] = waiting.copies.get(sender, 0) + 1

    def _charge(self, senders: Iterable[PeerId], message: Message, message_id: bytes, reason: str, now: float) -> None:
        """Count a message that is not taken, and charge those who sent it where it is their fault (GS11-34)."""
        state = self._state
        state.counters[reason] += 1
        if reason not in _FORGEABLE:
            self._promises.rejected(message_id)
        for sender in senders:
            state.score.reject(sender, message.topic, message_id, reason, now)
            if state.gater is not None and reason not in reasons.BLAMELESS:
                state.gater.rejected(sender)

    def _lack_of_room(self, message_id: bytes, now: float) -> None:
        """Count a message that is dropped before its verification; nobody is charged, whoever promised it (GS10-26)."""
        self._state.counters[reasons.UNVERIFIED] += 1
        self._promises.rejected(message_id)
        if self._state.gater is not None:
            self._state.gater.throttled(now)

    # -- verified

    def verified(self, incoming: Incoming, reason: str | None, now: float) -> bool:
        """Take the outcome of the verification; whether the message goes on to its validators."""
        state = self._state
        self._stop_checking(incoming)
        message, message_id = incoming.message, incoming.id
        if reason is not None:
            copies = (peer for peer, count in incoming.copies.items() for _ in range(count))
            self._charge((incoming.peer, *copies), message, message_id, reason, now)
            return False
        if message_id in self.validating or not state.seen.add(message_id, now):
            for sender in (incoming.peer, *incoming.copies):
                self._duplicate(sender, message_id, message, now)
            return False
        self.validating[message_id] = incoming
        self.unsettled += 1
        self._promises.delivered(message_id)
        state.score.validate(incoming.peer, message.topic, message_id, now)
        for sender in incoming.copies:
            state.score.duplicate(sender, message.topic, message_id, now)
        if not message.portable:
            self.refuse(incoming, reasons.IGNORED, now)
            return False
        if len(message.data) >= state.config.idontwant_threshold:
            self._gossip.decline(message.topic, message_id, (incoming.peer, *incoming.copies))
        return True

    def drop(self, incoming: Incoming, now: float) -> None:
        """Give up a message before its verification, for our own lack of room."""
        self._lack_of_room(incoming.id, now)
        self._stop_checking(incoming)

    def _stop_checking(self, incoming: Incoming) -> None:
        others = self.checking.get(incoming.id, {})
        if others.get(incoming.message.encoded) is incoming:
            del others[incoming.message.encoded]
            self.unsettled -= 1
            if not others:
                del self.checking[incoming.id]

    def _settle(self, incoming: Incoming) -> bool:
        """Whether a message still waits for its validators' verdict; no longer, then."""
        if self.validating.get(incoming.id) is not incoming:
            return False
        del self.validating[incoming.id]
        self.unsettled -= 1
        return True

    # -- settled

    def accept(self, incoming: Incoming, now: float) -> None:
        """Keep the message for those who ask, and send it on (GS10-21, GS10-23)."""
        state = self._state
        if not self._settle(incoming):
            return
        message = incoming.message
        state.score.deliver(incoming.peer, message.topic, incoming.id, now)
        if state.gater is not None:
            state.gater.delivered(incoming.peer, message.topic)
        state.cache.put(incoming.id, message)
        self._forward(incoming)

    def refuse(self, incoming: Incoming, reason: str, now: float) -> None:
        """Drop the message; all who sent it are charged where it is a fault (GS10-26)."""
        if not self._settle(incoming):
            return
        state = self._state
        state.counters[reason] += 1
        state.score.reject(incoming.peer, incoming.topic, incoming.id, reason, now)
        if state.gater is None:
            return
        if reason == reasons.THROTTLED:
            state.gater.throttled(now)
        elif reason == reasons.IGNORED:
            state.gater.ignored(incoming.peer)
        else:
            state.gater.rejected(incoming.peer)

    def _forward(self, incoming: Incoming) -> None:
        """Send a message to the mesh and to those that get everything; not to who has it (GS10-21)."""
        state = self._state
        message, message_id = incoming.message, incoming.id
        members = state.mesh.get(message.topic)
        if members is None:
            return
        targets = [*members, *self._outside_the_mesh(message.topic)]
        have_it = {incoming.peer, *incoming.copies}
        source = message.source
        chosen = [
            peer
            for peer in targets
            if peer.id not in have_it and message_id not in peer.unwanted and peer.id.to_bytes() != source
        ]
        if chosen:
            state.send_message(message, chosen)

    def _outside_the_mesh(self, topic: str) -> list[Peer]:
        """Return the subscribers of a topic that are in no mesh by rule (GS10-27, GS11-01)."""
        state = self._state
        score, threshold = state.score.score, state.score.publish_threshold
        return [
            peer for peer in state.outsiders if topic in peer.topics and (peer.direct or score(peer.id) >= threshold)
        ]

    # -- out

    def targets(self, topic: str, fanout: Iterable[Peer]) -> list[Peer]:
        """Return the peers that a message of our own goes to; ``fanout`` where we are not subscribed (GS11-08)."""
        state = self._state
        score, threshold = state.score.score, state.score.publish_threshold
        if state.config.flood_publish:
            return [peer for peer in state.topics.get(topic, ()) if peer.direct or score(peer.id) >= threshold]
        return [*state.mesh.get(topic, fanout), *self._outside_the_mesh(topic)]
