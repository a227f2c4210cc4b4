"""What simulated networks are put through, piece by piece; the tests and the command line put them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeVar

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.values import Message
from p2pstack.testing.simulation.attackers import SPAM, Attacker
from p2pstack.testing.simulation.network import Network
from p2pstack.testing.simulation.node import TOPIC, Verdict
from p2pstack.testing.simulation.record import Trace

__all__ = [
    "ETHEREUM",
    "SCORE",
    "besiege",
    "churn",
    "ethereum_id",
    "publish_some",
    "refuse_spam",
    "spread",
    "warm_up",
]

AnyAttacker = TypeVar("AnyAttacker", bound=Attacker)

SCORE = ScoreConfig(
    topics={
        TOPIC: TopicScoreConfig(
            topic_weight=1.0,
            time_in_mesh_weight=0.01,
            time_in_mesh_quantum=1.0,
            time_in_mesh_cap=100.0,
            first_message_deliveries_weight=1.0,
            first_message_deliveries_decay=0.95,
            first_message_deliveries_cap=20.0,
            mesh_message_deliveries_weight=-10.0,
            mesh_message_deliveries_decay=0.95,
            mesh_message_deliveries_cap=40.0,
            mesh_message_deliveries_threshold=1.0,
            mesh_message_deliveries_window=1.0,
            mesh_message_deliveries_activation=10.0,
            mesh_failure_penalty_weight=-5.0,
            mesh_failure_penalty_decay=0.97,
            invalid_message_deliveries_weight=-10.0,
            invalid_message_deliveries_decay=0.97,
        )
    },
    topic_score_cap=30.0,
    ip_colocation_weight=-10.0,
    ip_colocation_threshold=3.0,
    behaviour_penalty_weight=-5.0,
    behaviour_penalty_threshold=1.0,
    behaviour_penalty_decay=0.97,
    decay_to_zero=0.01,
    opportunistic_graft_threshold=1.0,
)
"""Scoring with all its terms, for topics with about two messages a second.

A mesh peer owes one delivery of the about twenty seconds that its counter remembers. More would hit honest ones: who
gets most messages from us first has no reason to send them back.
"""

ETHEREUM = GossipsubConfig(
    d=8,
    d_low=6,
    d_high=12,
    d_lazy=6,
    heartbeat_interval=0.7,
    fanout_ttl=60.0,
    history_length=6,
    history_gossip=3,
    seen_ttl=768.0,
    max_rpc=10 * 1024 * 1024,
)
"""The mesh of Ethereum's consensus clients; the score is :func:`p2pstack.gossipsub.score.presets.ethereum`."""


def ethereum_id(message: Message) -> bytes:
    """Return the id that Ethereum's clients give a message whose data do not decompress."""
    topic = message.topic.encode()
    return sha256(bytes(4) + len(topic).to_bytes(8, "little") + topic + message.data).digest()[:20]


def refuse_spam(incoming: Incoming) -> Verdict:
    """A validator: reject what the attackers make up."""
    return Verdict.REJECT if incoming.data.startswith(SPAM) else Verdict.ACCEPT


def warm_up(network: Network, nodes: int, *, degree: int = 20, seconds: float = 5.0) -> None:
    """Add nodes, connect them by chance, and let meshes form."""
    network.add_nodes(nodes)
    network.connect_randomly(degree)
    network.run(seconds)


def publish_some(
    network: Network, count: int, *, interval: float = 0.5, size: int = 64, authors: Sequence[int] | None = None
) -> list[Trace]:
    """Let nodes chosen by chance, of ``authors`` or all, publish one message after the other; return the traces."""
    traces = []
    for _ in range(count):
        author = network.random.choice(authors or [each.address for each in network.nodes])
        traces.append(network.publish(author, size=size))
        network.run(interval)
    return traces


def spread(
    network: Network, nodes: int, *, degree: int = 20, messages: int = 10, size: int = 64, settle: float = 10.0
) -> list[Trace]:
    """Make a network, publish in it, and wait for the last message to arrive; return the traces."""
    warm_up(network, nodes, degree=degree)
    traces = publish_some(network, messages, size=size)
    network.run(settle)
    return traces


def churn(
    network: Network, seconds: int, *, leaving: float, degree: int = 20, spared: Iterable[int] = ()
) -> list[Trace]:
    """Each second a share ``leaving`` of the nodes goes, without a word, and comes back a second later without state.

    The others dial new peers for those that they lost. Each second a node that is ``spared`` publishes, or any that is
    there; the traces are returned.
    """
    safe = list(spared)
    traces = []
    gone: list[int] = []
    for _ in range(seconds):
        there = [each.address for each in network.nodes if each.address not in safe]
        leave = network.random.sample(there, round(leaving * len(there)))
        for address in leave:
            network.stop(address)
        for address in gone:
            network.restart(address)
        gone = leave
        network.top_up(degree)
        traces += publish_some(network, 1, interval=1.0, authors=safe or None)
    for address in gone:
        network.restart(address)
    network.top_up(degree)
    return traces


def besiege(
    network: Network,
    kind: Callable[..., AnyAttacker],
    count: int,
    *,
    targets: Sequence[int] | None = None,
    dials: int = 20,
    ip: str | None = None,
) -> list[AnyAttacker]:
    """Add attackers, each of which dials ``dials`` of the ``targets`` (all honest nodes) by chance; return them."""
    victims = [each.address for each in network.nodes] if targets is None else list(targets)
    attackers = []
    for _ in range(count):
        attacker = network.add(lambda address: kind(network, address, ip=ip))
        attackers.append(attacker)
        for victim in network.random.sample(victims, min(dials, len(victims))):
            network.connect(attacker.address, victim)
    return attackers
