"""Relay clients behind the relays of go, rust and ourselves: who listens, who dials, and where the limits bite."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host, PeerId, serve_echo
from p2pstack.errors import DialError, P2PError
from p2pstack.services.echo import echo
from p2pstack.services.relay.auto import AutoRelay
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_config import AutoRelayConfig, RelayClientConfig
from p2pstack.services.relay.client_events import ReservationGained, ReservationLost
from p2pstack.services.relay.errors import RelayRefused
from tests.interop.harness import Peer, Peers
from tests.services.hosts import next_event, until

pytestmark = pytest.mark.interop

each_relay = pytest.mark.parametrize("relay", ["go", "rust"])
each_way = pytest.mark.parametrize(
    ("relay", "kind"),
    [
        (relay, kind)
        for relay in ("go", "rust")
        for kind in ("go", "rust", "p2pstack")
        if (relay, kind) != ("go", "rust")
    ],
)
"""Without rust behind go: go's relay tells no loopback address, and rust's client wants one (RELAY-13)."""

each_end = pytest.mark.parametrize("kind", ["go", "rust", "p2pstack"])

LIMIT = 131_072
"""Bytes that go's relay lets pass each way, and rust's both ways together."""


@contextlib.asynccontextmanager
async def listening(peers: Peers, kind: str, relay: Peer) -> AsyncIterator[str]:
    """A peer that listens behind ``relay``; gives the address behind it."""
    options = ["--relay-addr", relay.address, *(["--dcutr"] if kind == "go" else [])]
    async with peers.listen(kind, *options) as node:
        yield (await node.event("reserved"))["addr"]


@contextlib.asynccontextmanager
async def ours_behind(relay: Peer, **config: float) -> AsyncIterator[tuple[Host, RelayClient]]:
    """A host of ours that listens behind ``relay`` alone."""
    host = Host()
    client = RelayClient(host, config=RelayClientConfig(**config))  # type: ignore[arg-type]
    serve_echo(host, relayed=True)
    async with host:
        await client.reserve(relay.address)
        yield host, client


@each_way
@pytest.mark.req("RELAY-05", "RELAY-10", "RELAY-12")
async def test_we_dial_them_through_a_relay(peers: Peers, relay: str, kind: str) -> None:
    async with peers.listen(relay, "--relay") as node, listening(peers, kind, node) as address:
        host = Host()
        RelayClient(host)
        async with host:
            connection = await host.connect(address)
            assert connection.relayed
            assert address.endswith(str(connection.peer_id))
            assert address.startswith(str(connection.circuit))
            info = await host.identify.wait(connection)
            assert info.peer == connection.peer_id
            assert await host.ping(connection.peer_id) > 0
            assert await echo(host, connection.peer_id, b"x" * 10_000, relayed=True) == b"x" * 10_000
            assert len(host.connections()) == 2


@each_relay
@each_end
@pytest.mark.req("RELAY-03", "RELAY-09", "RELAY-13")
async def test_they_dial_us_through_a_relay(peers: Peers, relay: str, kind: str) -> None:
    async with peers.listen(relay, "--relay") as node, ours_behind(node) as (host, _):
        [address] = map(str, host.full_addresses)
        assert address == f"{node.address}/p2p-circuit/p2p/{host.peer_id}"
        result = await peers.dial(kind, address, "ping", "--count", 3)
        assert len(result["rtts_us"]) == 3
        identified = await peers.dial(kind, address, "identify")
        assert identified["peer"] == str(host.peer_id)
        result = await peers.dial(kind, address, "echo", "--size", 20_000)
        assert result["bytes"] == 20_000


@each_relay
async def test_the_command_line_listens_and_dials(peers: Peers, relay: str) -> None:
    async with peers.listen(relay, "--relay") as node, listening(peers, "p2pstack", node) as address:
        result = await peers.dial("p2pstack", address, "echo", "--size", 5_000)
        assert result["bytes"] == 5_000


@each_relay
@pytest.mark.req("RELAY-06")
async def test_data_over_the_limit_is_cut_and_both_ends_see_it(peers: Peers, relay: str) -> None:
    other = Host()
    RelayClient(other)
    async with peers.listen(relay, "--relay") as node, ours_behind(node) as (host, _), other:
        connection = await other.connect(host.full_addresses[0])
        await other.identify.wait(connection)
        [far] = host.connections(other.peer_id)
        with pytest.raises(P2PError):
            await echo(other, host.peer_id, b"x" * 2 * LIMIT, relayed=True)
        await asyncio.wait_for(connection.wait_closed(), 5)
        await asyncio.wait_for(far.wait_closed(), 5)
        assert host.connections(PeerId.from_string(node.peer_id))
        # The relay still connects, and the reservation still stands.
        await other.connect(host.full_addresses[0])
        assert await other.ping(host.peer_id) > 0


@each_relay
@pytest.mark.req("RELAY-04")
async def test_a_reservation_is_renewed(peers: Peers, relay: str) -> None:
    host = Host()
    client = RelayClient(host, config=RelayClientConfig(min_renewal=0.1, max_renewal=0.1))
    async with peers.listen(relay, "--relay") as node, host, host.events(ReservationGained) as events:
        await client.reserve(node.address)
        gained = [await next_event(events, ReservationGained) for _ in range(3)]
        assert [event.renewed for event in gained] == [False, True, True]
        assert gained[0].expires <= gained[2].expires
        assert len(host.connections()) == 1
        assert (await peers.dial("p2pstack", str(host.full_addresses[0]), "ping"))["rtts_us"]


@each_relay
async def test_a_relay_that_comes_back_is_asked_again(peers: Peers, relay: str) -> None:
    host = Host()
    client = RelayClient(host, config=RelayClientConfig(retry_base=0.1, retry_max=0.2))
    seed = "31" * 32
    async with host, host.events(ReservationGained, ReservationLost) as events:
        async with peers.listen(relay, "--relay", "--seed-hex", seed) as node:
            port = node.address.split("/")[4]
            await client.reserve(node.address)
            await next_event(events, ReservationGained)
        lost = await next_event(events, ReservationLost)
        assert lost.reason is not None
        assert host.full_addresses == []
        async with peers.listen(relay, "--relay", "--seed-hex", seed, "--port", port) as node:
            gained = await next_event(events, ReservationGained)
            assert not gained.renewed
            assert (await peers.dial("p2pstack", str(host.full_addresses[0]), "ping"))["rtts_us"]


@each_relay
@pytest.mark.req("RELAY-02")
async def test_who_has_no_reservation_is_not_reached(peers: Peers, relay: str) -> None:
    async with peers.listen(relay, "--relay") as node, Host() as host, RelayClient(host), Host() as other:
        await other.connect(node.address)
        with pytest.raises(DialError) as caught:
            await host.connect(f"{node.address}/p2p-circuit/p2p/{other.peer_id}")
        [(_, cause)] = caught.value.attempts
        assert isinstance(cause, RelayRefused)
        assert cause.status == 204
        assert "NO_RESERVATION" in str(cause)


@each_relay
async def test_who_is_no_relay_grants_nothing(peers: Peers, relay: str) -> None:
    async with peers.listen(relay) as node, Host() as host, RelayClient(host) as client:
        with pytest.raises(P2PError, match="supports none"):
            await client.reserve(node.address)
        assert client.reservations == []


@pytest.mark.parametrize(("first", "second"), [("go", "rust"), ("rust", "go")])
async def test_relays_are_found_and_replaced(peers: Peers, first: str, second: str) -> None:
    """By what they say of themselves: both are connected peers like any other."""
    host = Host()
    client = RelayClient(host)
    auto = AutoRelay(host, client, config=AutoRelayConfig(wanted=1))
    async with peers.listen(second, "--relay") as standby, host:
        async with peers.listen(first, "--relay") as node:
            await host.connect(node.address)
            await until(lambda: list(map(str, auto.relays)) == [node.peer_id])
            await host.connect(standby.address)
            await host.identify.wait(host.connections(PeerId.from_string(standby.peer_id))[0])
            assert len(client.reservations) == 1
        await until(lambda: list(map(str, auto.relays)) == [standby.peer_id])
        assert len(host.connections()) == 1
        assert (await peers.dial("p2pstack", str(host.full_addresses[0]), "ping"))["rtts_us"]
