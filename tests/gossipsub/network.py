"""Helpers of the router's tests: one router under a clock of its own, and peers that are nothing but their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from p2pstack.gossipsub.codec import decode_rpc, encode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.reasons import BAD_SIGNATURE
from p2pstack.gossipsub.router import Router
from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.signing import build, signature_job, verify_jobs
from p2pstack.gossipsub.values import Message, Rpc, Subscription
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire.framing import FrameReader

V10, V11, V12, V13 = (f"/meshsub/1.{minor}.0" for minor in range(4))
FLOOD = "/floodsub/1.0.0"

TOPIC = "t"
OWN_NUMBER = 255

PASSIVE = GossipsubConfig(d=0, d_low=0, d_out=0)
"""Takes GRAFTs as always, and sends none."""

_CONTROL = ("ihave", "iwant", "graft", "prune", "idontwant", "extensions")


@cache
def key(number: int) -> PrivateKey:
    return PrivateKey.from_seed(bytes((number,)) * 32)


@cache
def peer(number: int) -> PeerId:
    return key(number).peer_id


OWN = peer(OWN_NUMBER)


@cache
def signed(author: int, seqno: int, topic: str = TOPIC, data: bytes = b"data") -> Message:
    """A message as its author publishes it; its default id is that of :func:`id_of`."""
    return build(topic, data, key=key(author), seqno=seqno)


def id_of(author: int, seqno: int) -> bytes:
    return peer(author).to_bytes() + seqno.to_bytes(8, "big")


def forged(author: int, seqno: int, topic: str = TOPIC, data: bytes = b"forged") -> Message:
    """A message with the id of the author's one, and with a signature that is not the author's."""
    true = signed(author, seqno, topic)
    return Message(data, topic, true.source, true.seqno, true.signature, None)


def fault_of(message: Message) -> str | None:
    """What a caller finds when it verifies."""
    job = signature_job(message)
    if isinstance(job, str):
        return job
    return None if verify_jobs([job])[0] else BAD_SIGNATURE


def has_control(rpc: Rpc) -> bool:
    return any(getattr(rpc, name) for name in _CONTROL)


def decoded(rpc: Rpc) -> list[Rpc]:
    """What the frames of an RPC are for who reads them; fails when one can't be encoded or read."""
    config = GossipsubConfig()
    bodies = [body for frame in encode_rpc(rpc) for body in FrameReader(config.max_rpc).receive_data(frame)]
    return [decode_rpc(bytes(body), config) for body in bodies]


class Scores:
    """Scores that a test sets, by the number of a peer; those of topics are added where there are some."""

    def __init__(self, **settings: Any) -> None:
        self.of: dict[PeerId, float] = {}
        settings.setdefault("behaviour_penalty_weight", -1.0)
        settings.setdefault("behaviour_penalty_decay", 0.99)
        self.config = ScoreConfig(
            app_specific_score=lambda peer: self.of.get(peer, 0.0), app_specific_weight=1.0, **settings
        )

    def __setitem__(self, number: int, score: float) -> None:
        self.of[peer(number)] = score


INVALID_ONLY = TopicScoreConfig(
    topic_weight=1.0,
    time_in_mesh_weight=0.0,
    first_message_deliveries_weight=0.0,
    mesh_message_deliveries_weight=0.0,
    mesh_failure_penalty_weight=0.0,
)
"""A topic in which nothing but invalid messages counts."""


class Node:
    """A router, its clock, and what it has sent so far by peer."""

    def __init__(
        self,
        config: GossipsubConfig | None = None,
        *,
        topics: Sequence[str] = (TOPIC,),
        seed: int = 1,
        scores: Scores | None = None,
        direct: Sequence[int] = (),
        now: float = 1_000.0,
        **settings: Any,
    ) -> None:
        self.now = now
        self.random = Random(seed)
        self.router = Router(
            OWN,
            config,
            random=self.random,
            now=now,
            score=None if scores is None else scores.config,
            direct=[peer(number) for number in direct],
            **settings,
        )
        for topic in topics:
            self.router.join(topic, now)

    # -- peers

    def add(
        self,
        *numbers: int,
        protocol: str = V12,
        outbound: bool = False,
        topics: Sequence[str] = (TOPIC,),
        ips: Sequence[str] = (),
    ) -> None:
        """Add peers that are subscribed to ``topics``; what they are sent for it is gone."""
        for number in numbers:
            self.router.add_peer(peer(number), protocol, outbound=outbound, ips=ips, now=self.now)
            self.receive(number, subscriptions=[Subscription(True, topic) for topic in topics])
        self.drain()

    def graft(self, *numbers: int, topic: str = TOPIC) -> None:
        """The peers come into the mesh of their own accord."""
        for number in numbers:
            self.receive(number, graft=[topic])
            assert peer(number) in self.router.mesh(topic)
        self.drain()

    def remove(self, number: int) -> None:
        self.router.remove_peer(peer(number), self.now)

    def known(self, number: int) -> Peer:
        return self.router._state.peers[peer(number)]

    def penalties(self, number: int) -> float:
        """P7: how often the peer broke the rules of the mesh."""
        found = self.router.score.inspect(peer(number))
        return 0.0 if found is None else found.behaviour_penalty

    def invalid(self, number: int, topic: str = TOPIC) -> float:
        """P4: how many invalid messages are held against the peer."""
        found = self.router.score.inspect(peer(number))
        if found is None or topic not in found.topics:
            return 0.0
        return found.topics[topic].invalid_message_deliveries

    # -- in

    def receive(self, number: int, *, first: bool = False, **fields: Any) -> list[Incoming]:
        rpc = Rpc(**fields)
        rpc.has_control = has_control(rpc)
        return self.router.receive_rpc(peer(number), rpc, self.now, first=first)

    def publish_from(self, number: int, *messages: Message) -> list[Incoming]:
        return self.receive(number, publish=list(messages))

    def deliver(self, number: int, message: Message, verdict: str = "accept") -> Incoming | None:
        """A peer sends a message, which is verified and settled; None where it never came so far."""
        for incoming in self.publish_from(number, message):
            if self.router.verified(incoming, fault_of(incoming.message), self.now):
                getattr(self.router, verdict)(incoming, self.now)
                return incoming
        return None

    # -- time

    def beat(self, count: int = 1) -> None:
        """Let heartbeats come, and what else is due until then."""
        state = self.router._state
        end = state.tick + count
        while state.tick < end:
            self._wake()

    def _wake(self) -> None:
        self.now = max(self.now, self.router.next_timeout())
        self.router.handle_timeout(self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with what is due in it."""
        end = self.now + seconds
        while self.router.next_timeout() <= end:
            self._wake()
        self.now = end

    # -- out

    def drain(self) -> list[tuple[PeerId, Rpc]]:
        return self.router.data_to_send()

    def sent(self) -> dict[int, Rpc]:
        """All that was sent since, put together by peer, as it is read there."""
        numbers = {peer(number): number for number in range(256)}
        found: dict[int, Rpc] = {}
        for target, rpc in self.drain():
            whole = found.setdefault(numbers[target], Rpc())
            for part in decoded(rpc):
                for name in ("subscriptions", "publish", "ihave", "iwant", "graft", "prune", "idontwant"):
                    getattr(whole, name).extend(getattr(part, name))
                whole.extensions = whole.extensions or part.extensions
                whole.test_extension |= part.test_extension
        return found

    def sent_to(self, number: int) -> Rpc:
        return self.sent().get(number, Rpc())

    def receivers(self, choose: Callable[[Rpc], object]) -> set[int]:
        """The peers to which something was sent of which ``choose`` finds anything."""
        return {number for number, rpc in self.sent().items() if choose(rpc)}

    def mesh(self, topic: str = TOPIC) -> set[int]:
        members = self.router.mesh(topic)
        return {number for number in range(256) if peer(number) in members}
