"""Hole punching between go, rust and ourselves, behind the relays of all three; on the loopback, where no NAT is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host, PeerId
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.host.events import EventStream
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.dcutr.upgrade import Upgrade
from p2pstack.services.relay.client import RelayClient
from tests.interop.harness import KINDS, Peer, Peers
from tests.services.hosts import until

pytestmark = [pytest.mark.interop, pytest.mark.deadline(60.0)]

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
COMBINATIONS = [
    (relay, listener, dialer)
    for relay in KINDS
    for listener in KINDS
    for dialer in KINDS
    if "p2pstack" in (relay, listener, dialer) and (relay, listener) != ("go", "rust")
]
"""Without rust behind go: go's relay tells no loopback address, and rust's client wants one (RELAY-13)."""

each_combination = pytest.mark.parametrize(
    ("relay", "listener", "dialer"), COMBINATIONS, ids=[f"{c}-to-{b}-behind-{a}" for a, b, c in COMBINATIONS]
)
each_other = pytest.mark.parametrize("kind", ["go", "rust", "p2pstack"])


@each_combination
@pytest.mark.deadline(90.0)
@pytest.mark.req("DCUTR-02", "DCUTR-03", "DCUTR-07")
async def test_a_relayed_connection_becomes_a_direct_one(peers: Peers, relay: str, listener: str, dialer: str) -> None:
    async with peers.listen(relay, "--relay") as node, listening(peers, listener, node) as circuit:
        # Where two of rust dial each other on a busy machine the first try may fail, after ten seconds.
        direct = await peers.dial(dialer, circuit, "dcutr", "--dcutr", "--wait", 50, seconds=55)
        assert "p2p-circuit" not in direct["remote"]
        assert direct["rtt_us"] > 0


@contextlib.asynccontextmanager
async def listening(peers: Peers, kind: str, relay: Peer) -> AsyncIterator[str]:
    """A peer that listens behind ``relay`` and punches holes; gives the address behind the relay."""
    async with peers.listen(kind, "--dcutr", "--relay-addr", relay.address) as node:
        yield (await node.event("reserved"))["addr"]


@contextlib.asynccontextmanager
async def ours(relay: Peer) -> AsyncIterator[tuple[Host, HolePunching, EventStream]]:
    """A host of ours that is connected to ``relay``, and how its upgrades end."""
    host = Host(listen=[LOOPBACK])
    client = RelayClient(host)
    punching = HolePunching(host, DcutrConfig(dial_timeout=2.0))
    async with host.events(HolePunched, HolePunchFailed) as events, host:
        await client.reserve(relay.address)
        yield host, punching, events


async def nothing(*_: object) -> None:
    """What a host dials that has been told no address."""


@each_other
@pytest.mark.req("DCUTR-03", "DCUTR-06", "DCUTR-07")
async def test_we_lead_a_punch(peers: Peers, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the side that was dialled, with a peer whose addresses identify does not tell, as behind a NAT."""
    monkeypatch.setattr(Upgrade, "_dial_as_told", nothing)
    async with peers.listen("p2pstack", "--relay") as node, ours(node) as (host, _, events):
        circuit = f"{node.address}/p2p-circuit/p2p/{host.peer_id}"
        async with peers.run(kind, "dial", circuit, "--do", "dcutr", "--dcutr", "--wait", 25) as dialer:
            event = await asyncio.wait_for(anext(events), 25)
            assert isinstance(event, HolePunched), event
            assert event.attempts >= 1
            assert not event.connection.machine.initiator
            await dialer.event("direct", seconds=10)


@each_other
@pytest.mark.req("DCUTR-03", "DCUTR-04", "DCUTR-07")
async def test_we_follow_a_punch(peers: Peers, kind: str) -> None:
    """As the side that dialled; go and rust lead, and on the loopback both punch at once."""
    async with peers.listen("p2pstack", "--relay") as node, listening(peers, kind, node) as circuit:
        host = Host(listen=[LOOPBACK])
        RelayClient(host)
        punching = HolePunching(host, DcutrConfig(relay_grace=2.0))
        async with host:
            relayed = await host.connect(circuit)
            direct = await punching.upgrade(PeerId.from_string(circuit.rpartition("/")[2]), timeout=25)
            assert not direct.relayed
            assert await host.ping(direct.peer_id) > 0
            await until(lambda: relayed.closed, 20)
