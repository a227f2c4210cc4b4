"""go's and rust's clients, and ours, at our relay: who listens behind it, who dials through it, and what may pass."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.messages import HopKind
from p2pstack.relay.status import Status
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.relay.server_events import CircuitClosed, CircuitOpened, ReservationEnded
from p2pstack.services.relay.splice import CircuitEnd
from tests.interop.harness import Peer, Peers
from tests.services.hosts import LOOPBACK, next_event, until

pytestmark = pytest.mark.interop

OTHERS = ("go", "rust")
PAIRS = [(dialer, listener) for dialer in (*OTHERS, "p2pstack") for listener in (*OTHERS, "p2pstack")]

each_client_pair = pytest.mark.parametrize(("dialer", "listener"), PAIRS, ids=[f"{a}-dials-{b}" for a, b in PAIRS])
each_client = pytest.mark.parametrize("kind", [*OTHERS, "p2pstack"])


@contextlib.asynccontextmanager
async def relaying(config: RelayConfig | None = None) -> AsyncIterator[tuple[RelayServer, str]]:
    """Our relay, and its address."""
    host = Host(listen=[LOOPBACK])
    relay = RelayServer(host, config)
    async with host:
        yield relay, str(host.full_addresses[0])


@contextlib.asynccontextmanager
async def behind(peers: Peers, kind: str, relay: str) -> AsyncIterator[tuple[Peer, str]]:
    """A peer that has reserved with ``relay``, and its address behind it."""
    flag = ("--dcutr",) if kind == "go" else ()  # go has its relay client with hole punching only
    async with peers.listen(kind, *flag, "--relay-addr", relay) as node:
        yield node, (await node.event("reserved"))["addr"]


@each_client_pair
@pytest.mark.req("RELAY-01", "RELAY-03", "RELAY-05", "RELAY-08", "RELAY-13")
async def test_any_client_reaches_any_other(peers: Peers, dialer: str, listener: str) -> None:
    async with (
        relaying() as (relay, address),
        behind(peers, listener, address) as (node, circuit),
        relay.host.events(CircuitOpened, CircuitClosed) as events,
    ):
        assert str(relay.reservations[0]) == node.peer_id
        assert len((await peers.dial(dialer, circuit, "ping", "--count", 5))["rtts_us"]) == 5
        opened = await next_event(events, CircuitOpened)
        assert str(opened.target) == node.peer_id
        closed = await next_event(events, CircuitClosed)
        assert closed.reason is not CircuitEnd.BYTES
        assert closed.sent > 300
        assert closed.received > 300


@each_client_pair
@pytest.mark.req("RELAY-06")
async def test_bytes_pass_whole(peers: Peers, dialer: str, listener: str) -> None:
    ample = RelayConfig.shinkai()
    async with relaying(ample) as (relay, address), behind(peers, listener, address) as (_, circuit):
        result = await peers.dial(dialer, circuit, "echo", "--size", 1_000_000, "--streams", 2)
        assert result["bytes"] >= 2_000_000
        await until(lambda: not relay.circuits)
        assert relay.bytes_passed > 4_000_000


@each_client_pair
@pytest.mark.req("RELAY-06")
async def test_a_circuit_ends_at_its_limit(peers: Peers, dialer: str, listener: str) -> None:
    async with relaying() as (relay, address), behind(peers, listener, address) as (_, circuit):
        async with relay.host.events(CircuitClosed) as events:
            assert await peers.dial_in_vain(dialer, circuit, "echo", "--size", 400_000)
            closed = await next_event(events, CircuitClosed)
            assert closed.reason is CircuitEnd.BYTES
            assert max(closed.sent, closed.received) <= 131_072
        # The relay and who is behind it are as good as before.
        assert await peers.dial(dialer, circuit, "ping")


@each_client
@pytest.mark.req("RELAY-04", "RELAY-05")
async def test_who_has_left_is_not_reached(peers: Peers, kind: str) -> None:
    async with relaying() as (relay, address), relay.host.events(ReservationEnded) as events:
        async with behind(peers, kind, address) as (_, circuit):
            pass
        await next_event(events, ReservationEnded)
        assert await peers.dial_in_vain(kind, circuit, "ping")


@each_client
@pytest.mark.req("RELAY-07")
async def test_a_full_relay_refuses(peers: Peers, kind: str) -> None:
    flag = ("--dcutr",) if kind == "go" else ()
    async with (
        relaying(RelayConfig(max_reservations=1)) as (relay, address),
        behind(peers, "p2pstack", address),
        peers.run(kind, "listen", *flag, "--relay-addr", address) as refused,
    ):
        await until(lambda: relay.answers[HopKind.RESERVE, Status.RESERVATION_REFUSED])
        assert not refused.count("reserved")
