"""Attacks on honest nodes that run the router of production, with the scoring of ``scenarios.SCORE``.

Shapes of the attacks: Vyzovitis and others, "GossipSub: Attack-Resilient Message Propagation in the Filecoin and ETH2.0
Networks" (arXiv 2007.02754) and "Gossipsub-v1.1 Evaluation Report" (PL-TechRep-2020-001), whose claim is that messages
go on to reach everybody in each of them, and that the attackers end up outside of all meshes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import default_id
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.testing.simulation.attackers import (
    SPAM,
    Attacker,
    Forger,
    GraftFlooder,
    IHaveLiar,
    IWantFlooder,
    Silent,
    Spammer,
)
from p2pstack.testing.simulation.links import Constant
from p2pstack.testing.simulation.network import Network
from p2pstack.testing.simulation.node import TOPIC, NodeConfig, Verdict
from p2pstack.testing.simulation.record import Trace
from p2pstack.testing.simulation.scenarios import SCORE, besiege, publish_some, refuse_spam, warm_up

MESH_ONLY = GossipsubConfig(flood_publish=False)
"""Without the flood at the source, what arrives has come through the meshes, or by gossip."""

SCORED = NodeConfig(score=SCORE, validator=refuse_spam, gossipsub=MESH_ONLY)
UNSCORED = replace(SCORED, score=None)


def make(config: NodeConfig = SCORED, nodes: int = 60) -> Network:
    network = Network(config=config)
    warm_up(network, nodes)
    return network


def scores(network: Network, attackers: Sequence[Attacker]) -> list[float]:
    return [score for attacker in attackers for score in network.scores_of(attacker.address).values()]


def seats(network: Network, attackers: Sequence[Attacker]) -> int:
    """In how many meshes of honest nodes attackers are."""
    return sum(attacker.peer_id in each.router.mesh(TOPIC) for attacker in attackers for each in network.nodes)


def counters(network: Network) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in network.nodes:
        total.update(each.router.counters)
    return total


def honest_scores(network: Network) -> list[float]:
    return [score for each in network.nodes for score in network.scores_of(each.address).values()]


def slowest(traces: Sequence[Trace]) -> float:
    return max(trace.seconds[-1] for trace in traces)


def all_delivered(traces: Sequence[Trace]) -> bool:
    return all(trace.ratio == 1.0 and trace.repeated == 0 for trace in traces)


@pytest.mark.req("GS11-32")
def test_without_attackers_no_honest_node_has_a_bad_score() -> None:
    network = make()
    traces = publish_some(network, 60)
    network.run(2)
    assert all_delivered(traces)
    assert min(honest_scores(network)) >= 0
    assert network.one_sided() == []


@pytest.mark.req("GS11-17", "GS11-34")
def test_spammers_are_graylisted_and_their_spam_goes_nowhere() -> None:
    network = make()
    spammers = besiege(network, Spammer, 15)
    traces = publish_some(network, 20)
    network.run(2)
    assert all_delivered(traces)
    assert slowest(traces) < 0.5
    assert max(scores(network, spammers)) < SCORE.graylist_threshold
    assert seats(network, spammers) == 0
    assert min(honest_scores(network)) >= 0
    total = counters(network)
    # Two beats of five messages at each of 20 neighbours; from then on all is dropped unread.
    assert total["rejected"] <= 15 * 20 * 2 * Spammer.rate
    assert total["graylisted"] > 15 * 20 * 5


@pytest.mark.req("GS11-04", "GS11-37")
def test_graft_floods_end_below_the_graylist_and_outside_of_the_mesh() -> None:
    network = make()
    flooders = besiege(network, GraftFlooder, 10)
    traces = publish_some(network, 20)
    network.run(2)
    assert all_delivered(traces)
    assert slowest(traces) < 0.5
    assert seats(network, flooders) == 0
    assert max(scores(network, flooders)) < SCORE.graylist_threshold
    assert min(honest_scores(network)) >= 0
    assert counters(network)["graft-backoff"] <= 10 * 20 * 2 * GraftFlooder.rate
    sizes = [each.router.sizes()["max_backoffs"][0] for each in network.nodes]
    assert max(sizes) <= 20  # one an attacker, and a few of honest neighbours


@pytest.mark.req("GS11-14", "GS11-16")
def test_who_tells_of_messages_that_are_none_is_asked_little_and_found_out() -> None:
    network = make()
    liars = besiege(network, IHaveLiar, 4, dials=10)
    traces = publish_some(network, 20)
    network.run(2)
    assert all_delivered(traces)
    config = network.config.gossipsub
    beats = 5  # until the first promises are broken, and the heartbeat after it
    for liar in liars:
        assert 0 < liar.asked <= 10 * beats * config.max_ihave_length
    total = counters(network)
    assert total["ihave-limit"] >= 40 * (IHaveLiar.rpcs - config.max_ihave_messages)
    assert 40 * config.max_ihave_messages <= total["broken-promise"] <= 40 * beats * config.max_ihave_messages
    assert max(scores(network, liars)) < SCORE.graylist_threshold
    assert min(honest_scores(network)) >= -SCORE.behaviour_penalty_threshold
    assert network.full()["max_promises"] < 0.01


@pytest.mark.req("GS11-15")
def test_who_asks_again_and_again_gets_a_message_three_times_from_each() -> None:
    network = make()
    flooders = besiege(network, IWantFlooder, 3, dials=10)
    traces = publish_some(network, 20)
    network.run(2)
    assert all_delivered(traces)
    assert slowest(traces) < 0.5
    for flooder in flooders:
        answers_and_pushes = GossipsubConfig().gossip_retransmission + 1
        assert len(traces) < flooder.heard <= 10 * len(traces) * answers_and_pushes
    assert counters(network)["iwant-again"] > 10_000


@pytest.mark.req("GS11-12", "GS11-32")
def test_sybils_that_forward_nothing_lose_all_their_seats() -> None:
    """Twice as many connections lead to sybils as to honest nodes, and no address gives them away."""
    network = make()
    sybils = besiege(network, Silent, 120)
    network.run(2)
    taken = seats(network, sybils)
    assert taken > 100
    traces = publish_some(network, 80)
    network.run(2)
    assert all_delivered(traces)
    assert slowest(traces) < 3.0
    # Those that came back after their back-off have seats again, until they owe deliveries again.
    assert seats(network, sybils) < taken / 10
    assert max(scores(network, sybils)) <= 0
    assert min(honest_scores(network)) >= 0
    assert min(network.mesh_degrees()) >= GossipsubConfig().d_low


@pytest.mark.req("GS11-36")
def test_sybils_of_one_address_never_get_a_seat() -> None:
    network = make()
    sybils = besiege(network, Silent, 120, ip="192.0.2.1")
    traces = publish_some(network, 20)
    network.run(2)
    assert all_delivered(traces)
    assert seats(network, sybils) == 0
    assert max(scores(network, sybils)) < SCORE.graylist_threshold
    assert min(honest_scores(network)) >= 0


def test_without_scoring_the_same_sybils_keep_what_they_have() -> None:
    network = make(UNSCORED)
    sybils = besiege(network, Silent, 120)
    traces = publish_some(network, 40)
    network.run(2)
    assert all_delivered(traces)
    assert seats(network, sybils) > 200
    assert max(network.mesh_degrees()) == GossipsubConfig().d_high


@pytest.mark.req("GS11-10")
@pytest.mark.parametrize("config", [UNSCORED, SCORED], ids=["unscored", "scored"])
def test_an_eclipse_fails_at_the_connections_that_the_victim_made(config: NodeConfig) -> None:
    """60 silent attackers dial the victim before it dials four honest nodes itself."""
    network = make(config)
    [victim] = network.add_nodes(1)
    attackers = besiege(network, Silent, 60, targets=[victim.address])
    network.run(3)
    assert seats(network, attackers) >= 5
    for address in range(4):
        network.connect(victim.address, address)
    network.run(3)
    traces = publish_some(network, 40, authors=range(4, 60))
    network.run(3)
    assert all_delivered(traces)
    assert max(trace.arrivals[victim.address].seconds for trace in traces) < 3.0
    honest = [peer for peer in victim.router.mesh(TOPIC) if network.addresses[peer] < 4]
    assert len(honest) >= GossipsubConfig().d_out
    own = publish_some(network, 5, authors=[victim.address])
    network.run(3)
    assert all_delivered(own)
    if config.score is not None:
        assert seats(network, attackers) == 0
        assert len(honest) == 4


@pytest.mark.req("GS10-08", "GS10-12", "GS11-34")
def test_forgeries_that_come_first_keep_no_true_message_away() -> None:
    """The id is author and sequence number, so a forgery has the id of the message that it forges."""
    signed = replace(
        SCORED, policy=SigningPolicy.STRICT_SIGN, message_id=default_id, verification_time=0.001, validation_delay=0.02
    )
    network = make(signed, nodes=40)
    forgers = besiege(network, Forger, 5)
    accepted: list[bytes] = []

    def validator(incoming: Incoming) -> Verdict:
        accepted.append(incoming.data)
        return Verdict.ACCEPT

    network.node(0).config = replace(signed, validator=validator)
    traces = publish_some(network, 30)
    network.run(2)
    assert all_delivered(traces)
    total = counters(network)
    assert total["bad-signature"] >= 10
    assert total["rejected"] == 0  # none got as far as a validator
    assert len(accepted) >= 25
    assert not any(data.startswith(SPAM) for data in accepted)
    assert sum(forger.forged for forger in forgers) > 30
    assert min(scores(network, forgers)) < SCORE.graylist_threshold
    assert min(honest_scores(network)) >= 0


class Flooder(Attacker):
    """Sends messages that are valid, and many."""

    def act(self, other: int) -> None:
        self.tell(other, Rpc(publish=[Message(self.random.randbytes(300), self.topic) for _ in range(50)]))


@pytest.mark.req("GS10-12", "GS10-23", "GS11-16", "GS11-03")
def test_no_flood_makes_a_router_hold_more_than_its_limits() -> None:
    limits = GossipsubConfig(
        max_seen=200, max_cache=20_000, max_checking=20, max_promises=50, max_backoffs=10, flood_publish=False
    )
    network = make(NodeConfig(gossipsub=limits, verification_time=0.002), nodes=15)
    besiege(network, Flooder, 2)
    besiege(network, IHaveLiar, 4)
    besiege(network, GraftFlooder, 15)
    worst: Counter[str] = Counter()
    for _ in range(60):
        network.run(0.1)
        for name, share in network.full().items():
            worst[name] = max(worst[name], share)
    assert all(share <= 1.0 for share in worst.values()), worst
    reached = {name for name, share in worst.items() if share > 0.95}
    assert reached == {"max_seen", "max_cache", "max_checking", "max_promises", "max_backoffs"}


def test_attackers_read_frames_as_well() -> None:
    network = Network(encoded=True)
    network.add_nodes(2)
    [flooder] = besiege(network, IWantFlooder, 1)
    network.connect(0, 1)
    network.run(2)
    network.publish(0)
    network.run(3)
    assert flooder.heard >= GossipsubConfig().gossip_retransmission


def test_silent_members_note_who_throws_them_out() -> None:
    network = Network(latency=Constant(0.01), config=NodeConfig(score=SCORE))
    [node] = network.add_nodes(1)
    [silent] = besiege(network, Silent, 1)
    network.run(2)
    assert node.router.mesh(TOPIC) == [silent.peer_id]
    node.router.leave(TOPIC, network.clock.now)
    node.flush()
    network.run(5)
    grafts = network.record.sent["graft"]
    node.router.join(TOPIC, network.clock.now)
    node.flush()
    network.run(20)
    assert silent.peer_id not in node.router.mesh(TOPIC) or network.record.sent["graft"] == grafts + 1
    network.switch.disconnect(0, 1)
    assert node.router.mesh(TOPIC) == []
    network.stop(1)
    network.run(2)
