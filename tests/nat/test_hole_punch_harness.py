"""libp2p's hole-punch-interop, in its own topology: two clients behind routers, a relay and a Redis that all reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from p2pstack.testing.nat import Nat, Topology
from tests.interop.harness import Peers
from tests.interop.official import client, result
from tests.interop.redis import redis_server
from tests.nat.punching import placed, relaying

pytestmark = [pytest.mark.interop, pytest.mark.deadline(90)]

Build = Callable[..., Topology]

VERB = "hole-punch-interop"
DELAY_MS = 25
CASES = [
    # dialer, listener, relay; the official relay is rust's
    ("p2pstack", "p2pstack", "rust"),
    ("p2pstack", "p2pstack", "p2pstack"),
    ("p2pstack", "go", "rust"),
    ("go", "p2pstack", "rust"),
]


@pytest.mark.req("DCUTR-03")
@pytest.mark.parametrize(("dialer", "listener", "relay"), CASES, ids=["-".join(case) for case in CASES])
async def test_the_dialer_tells_the_round_trip_through_the_hole(
    build: Build, peers: Peers, dialer: str, listener: str, relay: str
) -> None:
    with build(DELAY_MS) as net:
        place, public = placed(net, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING), net.host(Nat.PUBLIC)
        async with (
            redis_server(public.prefix, public.address, 6379) as redis,
            relaying(peers, relay, place.relay) as middle,
        ):
            for _ in range(2):  # once for each client, as the official relay does
                public.run("redis-cli", "-h", public.address, "RPUSH", "RELAY_TCP_ADDRESS", middle.address)
            common = {"TRANSPORT": "tcp", "REDIS_ADDR": redis}
            async with (
                client(peers, listener, VERB, {**common, "MODE": "listen"}, place.listener.prefix) as listening,
                client(peers, dialer, VERB, {**common, "MODE": "dial"}, place.dialer.prefix) as dialing,
            ):
                found = await result(dialing)
                assert listening.running
    assert dialer != "p2pstack" or any(
        f" at /ip4/{place.listener.public_address}/tcp/" in line for line in dialing.errors
    )
    # Both routers delay, there and back.
    assert set(found) == {"rtt_to_holepunched_peer_millis"}
    assert 4 * DELAY_MS <= found["rtt_to_holepunched_peer_millis"] < 8 * DELAY_MS


async def test_where_no_hole_can_be_punched_the_dialer_fails(build: Build, peers: Peers) -> None:
    """The dialer's router says so at once; to wait for what gets lost would take three times as long."""
    with build(1) as net:
        place, public = placed(net, Nat.SYMMETRIC, Nat.REFUSING), net.host(Nat.PUBLIC)
        async with (
            redis_server(public.prefix, public.address, 6379) as redis,
            relaying(peers, "p2pstack", place.relay) as middle,
        ):
            for _ in range(2):
                public.run("redis-cli", "-h", public.address, "RPUSH", "RELAY_TCP_ADDRESS", middle.address)
            common = {"TRANSPORT": "tcp", "REDIS_ADDR": redis}
            async with (
                client(peers, "p2pstack", VERB, {**common, "MODE": "listen"}, place.listener.prefix) as listening,
                client(peers, "p2pstack", VERB, {**common, "MODE": "dial"}, place.dialer.prefix) as dialing,
            ):
                assert await dialing.finish(seconds=60) == 1
                assert "no direct connection" in dialing.errors[-1]
                assert await listening.finish(seconds=60) == 1
                assert "no hole was punched" in listening.errors[-1]
