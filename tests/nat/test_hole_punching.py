"""p2pstack behind NATs: as relay, listener and dialer, with itself and with the Go and Rust peers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from p2pstack.testing.nat import Host, Nat, Topology
from tests.interop.harness import KINDS, Event, Peer, Peers
from tests.interop.pairs import our_pairs
from tests.nat.punching import (
    Place,
    described,
    dial,
    dial_often,
    placed,
    relay_options,
    relayed_listener,
    relaying,
    side_by_side,
)

OURS = "p2pstack"
DELAY_MS = 10
TRIES = 2
CROSSING_MS = 30
"""A delay in which both sides have sent their first packet before the other's arrives."""
PUNCHES = 25
NEEDED = 24
"""Of those: 95 %, rounded up."""
VAIN_SECONDS = 3.0
"""How long a dialer waits for what can't come."""
LIMIT_BYTES = 128 * 1024
"""What all relays let through a circuit, by default."""

Build = Callable[..., Topology]

PAIRS = our_pairs()
each_pair = pytest.mark.parametrize(("dialer", "listener"), PAIRS, ids=[f"{a}-dials-{b}" for a, b in PAIRS])
LIMITED = [*((OURS, *pair) for pair in PAIRS), *((relay, OURS, OURS) for relay in KINDS if relay != OURS)]
each_relay = pytest.mark.parametrize("relay", KINDS)
with_all = pytest.mark.parametrize(("kind", "another"), [("go", "rust")], ids=["all"])
"""For tests that try all kinds side by side: those among the parameters are built."""

pytestmark = [pytest.mark.interop, pytest.mark.deadline(100)]


@pytest.mark.req("DCUTR-03", "DCUTR-07")
@with_all
@each_relay
async def test_a_hole_is_punched_through_two_port_preserving_routers(
    build: Build, peers: Peers, figures: list[str], relay: str, kind: str, another: str
) -> None:
    """Three listeners behind one relay, each dialled by all kinds: all but what has no part of ours in it."""
    with build(DELAY_MS) as net:
        public = net.host(Nat.PUBLIC)
        listeners = {each: net.host(Nat.PORT_PRESERVING) for each in KINDS}
        async with relaying(peers, relay, public) as middle, contextlib.AsyncExitStack() as stack:
            cases = {}
            for listener, host in listeners.items():
                node = relayed_listener(peers, listener, host, middle)
                _, (circuit,) = await stack.enter_async_context(node)
                for dialer in KINDS:
                    if OURS in {relay, listener, dialer}:
                        place = Place(public, host, net.host(Nat.PORT_PRESERVING))
                        name = f"{dialer} to {listener} through {relay}"
                        cases[name] = punches(peers, figures, place, dialer, circuit, name)
            await side_by_side(cases)


async def punches(peers: Peers, figures: list[str], place: Place, dialer: str, circuit: str, name: str) -> None:
    """Every dial of such a dialer leads to a direct connection through the listener's router."""
    outcomes = await dial_often(peers, dialer, place.dialer, circuit, TRIES)
    figures.append(described(name, outcomes))
    for outcome in outcomes:
        assert outcome.relayed is not None
        assert outcome.direct is not None, outcome.error
        assert outcome.direct["remote"].startswith(f"/ip4/{place.listener.public_address}/tcp/")


@pytest.mark.req("DCUTR-03")
@each_pair
async def test_packets_that_cross_pass_routers_that_refuse(
    build: Build, peers: Peers, listener: str, dialer: str
) -> None:
    with build(CROSSING_MS) as net:
        place = placed(net, Nat.REFUSING, Nat.REFUSING)
        async with (
            relaying(peers, OURS, place.relay) as middle,
            relayed_listener(peers, listener, place.listener, middle) as (_, circuits),
        ):
            outcome = await dial(peers, dialer, place.dialer, circuits[0])
    assert outcome.direct is not None, outcome.error


@pytest.mark.req("DCUTR-02")
@pytest.mark.parametrize("public", ["listener", "dialer"])
@with_all
async def test_one_public_side_is_connected_to_directly(
    build: Build, peers: Peers, public: str, kind: str, another: str
) -> None:
    with build(DELAY_MS) as net:
        cases = {
            f"{dialer} dials {listener}, {nat.value}": connects(peers, half_public(net, public, nat), dialer, listener)
            for dialer, listener, nat in [
                *((*pair, Nat.PORT_PRESERVING) for pair in PAIRS),
                (OURS, OURS, Nat.SYMMETRIC),
            ]
        }
        await side_by_side(cases)


def half_public(net: Topology, public: str, nat: Nat) -> Place:
    """A dialer and a listener of whom the one called ``public`` is behind nothing."""
    return placed(net, **{"listener": nat, "dialer": nat, public: Nat.PUBLIC})


async def connects(peers: Peers, place: Place, dialer: str, listener: str) -> None:
    """The one behind the router reaches the other, whichever of the two was dialled."""
    async with (
        relaying(peers, OURS, place.relay) as middle,
        relayed_listener(peers, listener, place.listener, middle) as (_, circuits),
    ):
        outcome = await dial(peers, dialer, place.dialer, circuits[0])
    assert outcome.direct is not None, outcome.error
    assert outcome.direct["remote"].startswith(f"/ip4/{place.listener.public_address}/tcp/")
    assert outcome.direct["rtt_us"] >= 2 * DELAY_MS * 1000  # one router is in between


@pytest.mark.req("DCUTR-06", "DCUTR-08")
@with_all
async def test_behind_a_symmetric_router_it_stays_relayed_and_says_so(
    build: Build, peers: Peers, kind: str, another: str
) -> None:
    """All pairs at once, since there is little to do but to wait."""
    one_side, both = (Nat.PORT_PRESERVING, Nat.SYMMETRIC), (Nat.SYMMETRIC, Nat.SYMMETRIC)
    with build(DELAY_MS) as net:
        cases = {
            f"{dialer} dials {listener}": stays_relayed(peers, placed(net, *one_side), dialer, listener)
            for dialer, listener in PAIRS
        }
        cases["both are symmetric"] = stays_relayed(peers, placed(net, *both), OURS, OURS)
        await side_by_side(cases)


async def stays_relayed(peers: Peers, place: Place, dialer: str, listener: str) -> None:
    """The dialer says that there is no direct connection, and the relayed one goes on."""
    async with (
        relaying(peers, OURS, place.relay) as middle,
        relayed_listener(peers, listener, place.listener, middle) as (node, circuits),
    ):
        outcome = await dial(peers, dialer, place.dialer, circuits[0], wait=VAIN_SECONDS)
        assert outcome.relayed is not None
        assert outcome.direct is None
        assert "no direct connection" in outcome.error
        inside = peers.behind(place.dialer.prefix)
        assert (await inside.dial(dialer, circuits[0], "echo", "--size", 1000))["bytes"] == 1000
        assert node.running


@contextlib.asynccontextmanager
async def traversing(host: Host, *relays: Peer) -> AsyncIterator[Peer]:
    """A host that looks after its reachability itself."""
    program = [*host.prefix, sys.executable, "-m", "tests.nat.traversing"]
    node = await Peer.start([*program, *(relay.address for relay in relays)], "traversing")
    try:
        yield node
        assert node.running, node.transcript()
    finally:
        assert await node.stop() == 0, node.transcript()


async def circuit_through(node: Peer, relay: Peer) -> str:
    """Wait until the node can be dialled through that relay, and no other; returns its address."""

    def alone(event: Event) -> bool:
        return len(event["addrs"]) == 1 and f"{relay.peer_id}/p2p-circuit/" in event["addrs"][0]

    return str((await node.event("addresses", where=alone))["addrs"][0])


@pytest.mark.req("RELAY-04", "DCUTR-03")
@each_relay
async def test_when_a_relay_dies_the_reservation_moves(build: Build, peers: Peers, relay: str) -> None:
    with build(DELAY_MS) as net:
        place = placed(net, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
        second = net.host(Nat.PUBLIC)
        async with (
            relaying(peers, relay, second) as other,
            peers.behind(place.relay.prefix).run(relay, "listen", *relay_options(place.relay)) as doomed,
        ):
            doomed.address = (await doomed.event("listening"))["addr"]
            async with traversing(place.listener, doomed, other) as node:
                circuit = await circuit_through(node, doomed)
                assert (await dial(peers, OURS, place.dialer, circuit)).direct is not None
                doomed.kill()
                circuit = await circuit_through(node, other)
                assert (await dial(peers, OURS, place.dialer, circuit)).direct is not None


@pytest.mark.req("RELAY-06")
@pytest.mark.parametrize(("relay", "dialer", "listener"), LIMITED, ids=map("-".join, LIMITED))
async def test_a_limit_cuts_the_circuit_and_both_sides_see_it(
    build: Build, peers: Peers, relay: str, listener: str, dialer: str
) -> None:
    with build() as net:
        place = placed(net, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
        async with (
            relaying(peers, relay, place.relay) as middle,
            relayed_listener(peers, listener, place.listener, middle, punching=False) as (node, circuits),
        ):
            inside = peers.behind(place.dialer.prefix)
            assert (await inside.dial(dialer, circuits[0], "echo", "--size", LIMIT_BYTES // 8))["bytes"]
            await inside.dial_in_vain(dialer, circuits[0], "echo", "--size", LIMIT_BYTES * 2)
            ended = {event["peer"] for event in node.events if event["event"] == "disconnected"}
            assert middle.peer_id not in ended
            await node.until(lambda: node.count("disconnected") == 2, "end of both circuits")
            assert (await inside.dial(dialer, circuits[0], "echo", "--size", 1000))["bytes"] == 1000


@pytest.mark.parametrize("delay_ms", [0, 40])
async def test_holes_by_the_dozen(build: Build, peers: Peers, figures: list[str], delay_ms: float) -> None:
    with build(delay_ms) as net:
        place = placed(net, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
        async with (
            relaying(peers, OURS, place.relay) as middle,
            relayed_listener(peers, OURS, place.listener, middle) as (_, circuits),
        ):
            outcomes = await dial_often(peers, OURS, place.dialer, circuits[0], PUNCHES, at_once=10)
    figures.append(described(f"p2pstack alone, {2 * delay_ms} ms between the routers", outcomes))
    assert sum(outcome.direct is not None for outcome in outcomes) >= NEEDED, outcomes
