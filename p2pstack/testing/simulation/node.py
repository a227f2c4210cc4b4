"""An honest node: the router of production, with the time that checks of messages take around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.events import DirectPeersMissing, PeersOffered
from p2pstack.gossipsub.ids import MessageId, sha256_id
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.gossipsub.reasons import BAD_SIGNATURE
from p2pstack.gossipsub.router import Router
from p2pstack.gossipsub.score.config import ScoreConfig
from p2pstack.gossipsub.signing import SigningPolicy, build, signature_job, verify_jobs
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.identity.peer_id import PeerId
from p2pstack.testing.simulation.member import Member, agreed_protocol
from p2pstack.wire import uvarint

if TYPE_CHECKING:
    from p2pstack.testing.simulation.network import Network

__all__ = ["TOPIC", "Node", "NodeConfig", "Verdict", "accept_all"]

TOPIC = "simulation"
"""The topic that nodes are in unless they are told otherwise."""


class Verdict(Enum):
    """What validators say of a message (GS10-26)."""

    ACCEPT = "accept"
    REJECT = "reject"
    IGNORE = "ignore"


def accept_all(_: Incoming) -> Verdict:
    """Accept every message."""
    return Verdict.ACCEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """How a node is set up. Times are seconds."""

    gossipsub: GossipsubConfig = field(default_factory=GossipsubConfig)
    """The router's parameters; ``heartbeat_delay`` is drawn anew for each node, so that not all beat at once."""

    score: ScoreConfig | None = None
    """The parameters of scoring; None: no scoring."""

    policy: SigningPolicy = SigningPolicy.STRICT_NO_SIGN
    """Signatures are made and verified for real, but where they are forbidden: then a network is much faster."""

    message_id: MessageId = sha256_id
    """What names a message."""

    protocol: str = PROTOCOLS[0]
    """The newest that the node speaks."""

    topics: tuple[str, ...] = (TOPIC,)
    """What it is subscribed to."""

    verification_time: float = 0.0
    """That one message takes on the node's only core; messages wait for each other."""

    verification_queue: int = 1_024
    """Messages that may wait for it; further ones are dropped (GS10-26)."""

    validation_delay: float = 0.0
    """From the end of the verification to the verdict; messages do not wait for each other."""

    validator: Callable[[Incoming], Verdict] = accept_all
    """What gives the verdict."""

    direct: tuple[PeerId, ...] = ()
    """Peers that get everything and are trusted (GS11-01)."""


class Node(Member):
    """A node around a :class:`~p2pstack.gossipsub.router.Router`; to be made by the network that it is in."""

    def __init__(self, network: Network, address: int, config: NodeConfig, random: Random, *, ip: str | None = None):
        super().__init__(network, address, ip=ip)
        self.config = config
        self.protocol = config.protocol
        delay = config.gossipsub.heartbeat_interval * random.random()
        self.router = Router(
            self.peer_id,
            replace(config.gossipsub, heartbeat_delay=delay),
            random=random,
            now=network.clock.now,
            message_id=config.message_id,
            policy=config.policy,
            score=config.score,
            direct=config.direct,
        )
        self._strangers: set[int] = set()  # they have not sent their first RPC yet
        self._busy_until = 0.0
        self._waiting = 0
        self._seqno = 0

    def start(self) -> None:
        """Subscribe, and begin with the heartbeats."""
        super().start()
        for topic in self.config.topics:
            self.router.join(topic, self.network.clock.now)
        self._plan_heartbeat()

    # -- connections

    def connected(self, other: int, *, outbound: bool) -> None:
        """Tell the router."""
        member = self.network.members[other]
        self._strangers.add(other)
        protocol = agreed_protocol(self.protocol, member.protocol)
        self.router.add_peer(member.peer_id, protocol, outbound=outbound, ips=[member.ip], now=self.network.clock.now)
        self.flush()

    def disconnected(self, other: int) -> None:
        """Tell the router."""
        self._strangers.discard(other)
        self.router.remove_peer(self.network.members[other].peer_id, self.network.clock.now)
        self.flush()

    def received(self, sender: int, payload: Rpc | bytes) -> None:
        """Hand an RPC to the router, and what is new in it to the checks. HOT PATH."""
        if isinstance(payload, bytes):
            _, start = uvarint.decode(payload, 0)
            payload = decode_rpc(payload[start:], self.config.gossipsub)
        network = self.network
        for message in payload.publish:
            network.record.copy(message)
        first = sender in self._strangers
        if first:
            self._strangers.discard(sender)
        peer = network.members[sender].peer_id
        for incoming in self.router.receive_rpc(peer, payload, network.clock.now, first=first):
            self._queue(incoming)
        self.flush()

    # -- the checks of a message

    def _queue(self, incoming: Incoming) -> None:
        seconds = self.config.verification_time
        if not seconds:
            self._verify(incoming)
        elif self._waiting >= self.config.verification_queue:
            self.router.drop(incoming, self.network.clock.now)
        else:
            clock = self.network.clock
            self._waiting += 1
            self._busy_until = max(self._busy_until, clock.now) + seconds
            clock.call_at(self._busy_until, self._verify_later, incoming)

    def _verify_later(self, incoming: Incoming) -> None:
        self._waiting -= 1
        if self.running:
            self._verify(incoming)
            self.flush()

    def _verify(self, incoming: Incoming) -> None:
        if not self.router.verified(incoming, self._fault_of(incoming.message), self.network.clock.now):
            return
        if self.config.validation_delay:
            self.network.clock.call_later(self.config.validation_delay, self._settle_later, incoming)
        else:
            self._settle(incoming)

    def _fault_of(self, message: Message) -> str | None:
        """What is wrong with the signature; None: nothing."""
        if self.config.policy is SigningPolicy.STRICT_NO_SIGN or message.signature is None:
            return None
        job = signature_job(message)
        if isinstance(job, str):
            return job
        return None if verify_jobs([job])[0] else BAD_SIGNATURE

    def _settle_later(self, incoming: Incoming) -> None:
        if self.running:
            self._settle(incoming)
            self.flush()

    def _settle(self, incoming: Incoming) -> None:
        network, router = self.network, self.router
        now = network.clock.now
        verdict = self.config.validator(incoming)
        if verdict is Verdict.ACCEPT:
            router.accept(incoming, now)
            network.record.delivered(incoming.message, self.address, network.addresses[incoming.peer], now)
        elif verdict is Verdict.REJECT:
            router.reject(incoming, now)
        else:
            router.ignore(incoming, now)

    # -- publishing

    def make(self, data: bytes, topic: str = TOPIC) -> Message:
        """Return a message of this node, signed where the policy wants it."""
        if self.config.policy is SigningPolicy.STRICT_NO_SIGN:
            return build(topic, data)
        self._seqno += 1
        return build(topic, data, key=self.key, seqno=self._seqno)

    def publish(self, data: bytes, topic: str = TOPIC) -> list[PeerId]:
        """Publish; return the peers that it goes to.

        Raises:
            LocalError: the data was published before.
        """
        chosen = self.router.publish(self.make(data, topic), self.network.clock.now)
        self.flush()
        return chosen

    # -- time and output

    def _plan_heartbeat(self) -> None:
        self.network.clock.call_at(self.router.next_timeout(), self._heartbeat)

    def _heartbeat(self) -> None:
        if self.running:
            self.router.handle_timeout(self.network.clock.now)
            self.flush()
            self._plan_heartbeat()

    def flush(self) -> None:
        """Send what the router has to say, and do what it asks for. HOT PATH."""
        network, router = self.network, self.router
        for peer, rpc in router.data_to_send():
            network.send(self.address, peer, rpc)
        for event in router.events():
            if isinstance(event, PeersOffered):
                for peer, _ in event.peers:
                    network.dial(self.address, peer)
            elif isinstance(event, DirectPeersMissing):
                for peer in event.peers:
                    network.dial(self.address, peer)
