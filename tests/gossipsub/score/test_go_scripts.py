"""Eight scripts that go's own score ran, step by step: after each step the counters and the score of every peer.

Where p2pstack differs from go on purpose, the expected value is taken from the vectors or worked out here:

- a peer that leaves a mesh owes nothing any more (GS11-33): ``score_if_leaving_mesh_clears_active`` is the score of
  the second implementation of the vectors, and a flag without a mesh is expected to be down;
- go is told of the /64 of an IPv6 address by its caller, p2pstack works it out (GS11-36).
"""

from __future__ import annotations

from math import floor
from typing import Any

import pytest

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.score.peer_score import PeerScore
from p2pstack.identity.peer_id import PeerId
from tests.gossipsub.score.driving import peer
from tests.vectors import load

SCRIPTS: dict[str, dict[str, Any]] = {script["name"]: script for script in load("score")["scripts"]}

REASONS = {
    "validation failed": reasons.REJECTED,
    "validation ignored": reasons.IGNORED,
    "validation throttled": reasons.THROTTLED,
    "validation queue full": reasons.UNVERIFIED,
    "invalid signature": reasons.BAD_SIGNATURE,
    "self originated message": reasons.SELF_ORIGIN,
}

COUNTERS = (
    "first_message_deliveries",
    "mesh_message_deliveries",
    "mesh_failure_penalty",
    "invalid_message_deliveries",
)


def without_unit(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name.removesuffix("_s"): value for name, value in parameters.items()}


def configured(parameters: dict[str, Any]) -> ScoreConfig:
    own = without_unit(parameters)
    opinions = {peer(name): float(value) for name, value in own.pop("app_specific_score").items()}
    topics = {name: TopicScoreConfig(**without_unit(values)) for name, values in own.pop("topics").items()}
    return ScoreConfig(topics=topics, app_specific_score=opinions.__getitem__, **own)


class Run:
    """One scorer and its clock, driven by the steps of a script."""

    def __init__(self, script: dict[str, Any]) -> None:
        self.now = 1000.0
        self.score = PeerScore(configured(script["params"]), seen_ttl=120.0, now=self.now)
        [self.topic] = script["params"]["topics"]

    def step(self, step: dict[str, Any]) -> None:
        who = peer(step["peer"]) if "peer" in step else peer("nobody")
        message_id = step.get("msg", "").encode()
        match step["op"]:
            case "add_peer":
                self.score.add_peer(who, [ip for ip in step["ips"] if not ip.endswith("::")], self.now)
            case "remove_peer":
                self.score.remove_peer(who, self.now)
            case "graft":
                self.score.graft(who, self.topic, self.now)
            case "prune":
                self.score.prune(who, self.topic)
            case "advance":
                self.now += step["seconds"]
            case "refresh":
                for _ in range(step["times"]):
                    self.score.refresh(self.now)
            case "penalty":
                self.score.add_penalty(who, 1)
            case "validate":
                self.score.validate(who, self.topic, message_id, self.now)
            case "deliver":
                self.score.deliver(who, self.topic, message_id, self.now)
            case "duplicate":
                self.score.duplicate(who, self.topic, message_id, self.now)
            case "reject":
                self.score.reject(who, self.topic, message_id, REASONS[step["reason"]], self.now)
            case other:
                pytest.fail(f"no such operation: {other}")


def check(score: PeerScore, who: PeerId, topic: str, expected: dict[str, Any]) -> None:
    shown = score.inspect(who)
    assert shown is not None
    assert expected["known"]
    assert shown.connected == expected.get("connected", False)
    assert shown.behaviour_penalty == pytest.approx(expected["behaviour_penalty"], abs=1e-9)
    wanted = expected.get("score_if_leaving_mesh_clears_active", expected["score"])
    assert shown.score == pytest.approx(wanted, abs=1e-9)
    assert score.score(who) == pytest.approx(wanted, abs=1e-9)
    if "in_mesh" not in expected:
        assert topic not in shown.topics
        return
    counters = shown.topics[topic]
    assert counters.in_mesh == expected["in_mesh"]
    assert counters.deliveries_owed == (expected["mesh_message_deliveries_active"] and expected["in_mesh"])
    assert floor(counters.mesh_time) == expected["mesh_time_whole_seconds"]
    for name in COUNTERS:
        assert getattr(counters, name) == pytest.approx(expected[name], abs=1e-9)


@pytest.mark.req(
    "GS11-30", "GS11-31", "GS11-32", "GS11-33", "GS11-34", "GS11-35", "GS11-36", "GS11-37", "GS11-38", "GS11-39"
)
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    script = SCRIPTS[name]
    run = Run(script)
    for step in script["steps"]:
        run.step(step)
        known = {str(who): who for who in run.score.inspect_all()}
        assert set(known) == {str(peer(name)) for name in step["after"]}
        for each, expected in step["after"].items():
            check(run.score, peer(each), run.topic, expected)


def test_there_are_eight_scripts() -> None:
    assert len(SCRIPTS) == 8
