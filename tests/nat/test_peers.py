"""Hole punching between the Go and Rust peers alone: what the nets built here allow, and how often it works.

What p2pstack is measured by has to be known first. Each pair dials ``TRIES`` times; the figures are printed at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from p2pstack.testing.nat import Nat, Topology
from tests.interop.harness import Peers
from tests.nat.punching import described, dial_often, placed, relayed_listener, relaying

TRIES = 10
NEEDED = 8
"""Successes of those. The libraries miss one at times."""

KINDS = ("go", "rust")
TRIPLES = list(itertools.product(KINDS, repeat=3))


@pytest.mark.interop
@pytest.mark.deadline(100)
@pytest.mark.parametrize(("relay", "listener", "dialer"), TRIPLES, ids=map("-".join, TRIPLES))
async def test_two_port_preserving_routers_let_a_hole_be_punched(
    build: Callable[..., Topology], peers: Peers, figures: list[str], relay: str, listener: str, dialer: str
) -> None:
    with build(delay_ms=10) as net:
        place = placed(net, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
        async with (
            relaying(peers, relay, place.relay) as middle,
            relayed_listener(peers, listener, place.listener, middle) as (_, circuits),
        ):
            outcomes = await dial_often(peers, dialer, place.dialer, circuits[0], TRIES)
    direct = [outcome.direct for outcome in outcomes if outcome.direct is not None]
    figures.append(described(f"{dialer} to {listener} through {relay}", outcomes))
    assert all(outcome.relayed is not None for outcome in outcomes)
    assert all(event["remote"].startswith(f"/ip4/{place.listener.public_address}/tcp/") for event in direct)
    assert len(direct) >= NEEDED, outcomes
