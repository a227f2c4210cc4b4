"""The services together: a host that nobody can dial is found through a relay, and then reached directly."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.autonat.reachability import Reachability
from p2pstack.errors import DeadlineExceeded, HostClosed
from p2pstack.identity.circuits import is_circuit
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.dcutr.events import HolePunched
from p2pstack.services.nat import NatTraversal
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from tests.services.hosts import LOOPBACK, next_event, until


@pytest.mark.req("RELAY-03", "DCUTR-08")
async def test_a_host_is_found_through_a_relay_and_reached_directly() -> None:
    relay = Host(listen=[LOOPBACK])
    RelayServer(relay)
    async with relay:
        listener, dialer = Host(listen=[LOOPBACK]), Host(listen=[LOOPBACK])
        nat = NatTraversal(listener, relay.full_addresses)
        NatTraversal(dialer)
        async with listener, dialer:
            (address,) = await nat.reachable()
            assert is_circuit(address)
            async with dialer.events(HolePunched) as punched:
                connection = await dialer.connect(address)
                assert connection.relayed
                event = await next_event(punched, HolePunched)
            assert event.peer == listener.peer_id
            best = dialer.network.best(listener.peer_id)
            assert best is not None
            assert not best.relayed
            await until(lambda: connection.closed)
            assert await dialer.ping(listener.peer_id) > 0


@pytest.mark.req("AUTONAT1-04")
async def test_a_listening_address_that_turns_out_to_be_public_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(listen=[LOOPBACK])
    nat = NatTraversal(host)
    async with host:
        waiting = asyncio.ensure_future(nat.reachable(timeout=5))
        await asyncio.sleep(0)
        monkeypatch.setattr(nat.autonat, "_told", (Reachability.PUBLIC, tuple(host.addresses)))
        host.emit(ReachabilityChanged(reachability=Reachability.PUBLIC, addresses=tuple(host.addresses)))
        assert await waiting == host.full_addresses


async def test_without_a_relay_or_a_public_address_nobody_can_dial_and_the_wait_ends() -> None:
    host = Host(listen=[LOOPBACK])
    nat = NatTraversal(host)
    async with host:
        assert nat.addresses == []
        with pytest.raises(DeadlineExceeded, match="nobody can dial"):
            await nat.reachable(timeout=0.05)
    with pytest.raises(HostClosed):
        await nat.reachable(timeout=1)
