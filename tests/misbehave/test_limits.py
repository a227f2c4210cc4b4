"""Too many connections: each limit of the host refuses what is too much, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from p2pstack.errors import DeadlineExceeded, LimitExceeded
from p2pstack.host import limits
from p2pstack.host.config import PeerstoreConfig
from p2pstack.host.host import BaseHost
from p2pstack.yamux.frames import DATA, SYN
from tests.misbehave.arena import ECHO, Victim, arena, settings
from tests.misbehave.attacker import Attacker, frame

pytestmark = pytest.mark.misbehave


async def refused(victim: Victim, name: str, *, source: str = "127.0.0.1") -> None:
    """Show that the host hangs up on one more connection, without a word, and says why."""
    attacker = await victim.raw(source=source)
    assert await attacker.read_to_end() == b""
    reason = (await victim.next_end()).close_reason
    assert isinstance(reason, LimitExceeded)
    assert reason.name == name


async def works(attacker: Attacker) -> None:
    """Show that an earlier connection is untouched."""
    stream_id = await attacker.open_stream(ECHO, b"still there", fin=True)
    assert await attacker.read_stream(stream_id, 11) == b"still there"


@pytest.mark.req("GEN-03", "GEN-05", "TCP-03")
async def test_half_open_connections() -> None:
    config = settings(upgrade_timeout=0.3, limits={"upgrading": 4})
    async with arena(config) as victim:
        early = await victim.upgraded()
        for _ in range(4):
            await victim.raw()
        for _ in range(10):
            await refused(victim, "upgrading")
        await works(early)
        for _ in range(4):
            assert isinstance((await victim.next_end()).close_reason, DeadlineExceeded)
        await victim.upgraded()  # there is room again


@pytest.mark.req("GEN-05")
@pytest.mark.parametrize("name", ["connections", "inbound_connections"])
async def test_connections_of_the_host(name: str) -> None:
    async with arena(settings(limits={name: 4})) as victim:
        attackers = [await victim.upgraded() for _ in range(3)]  # the bystander is the first
        for _ in range(10):
            await refused(victim, name)
        assert victim.host.usage()[name].current == 4
        for attacker in attackers:
            await works(attacker)
        attackers[0].close()
        await victim.next_end()
        await works(await victim.upgraded())


@pytest.mark.req("GEN-05", "TCP-04")
async def test_a_full_house_of_strangers_leaves_room_for_own_dials() -> None:
    async with arena(settings(limits={"connections": 5, "inbound_connections": 3})) as victim:
        for _ in range(2):
            await victim.upgraded()
        await refused(victim, "inbound_connections")
        async with BaseHost(listen=["/ip4/127.0.0.1/tcp/0"]) as other:
            await victim.host.connect(other.full_addresses[0])
            assert victim.host.usage()["connections"].current == 4


@pytest.mark.req("GEN-05", "GEN-11")
async def test_connections_of_one_peer() -> None:
    async with arena(settings(limits={"connections_per_peer": 3})) as victim:
        first = await victim.upgraded()
        twins = [first]
        for _ in range(2):
            twin = await victim.attacker()
            twin.identity = first.identity
            await twin.upgrade()
            await twin.barrier()
            twins.append(twin)
        for _ in range(5):
            extra = await victim.attacker()
            extra.identity = first.identity
            await extra.upgrade()
            assert await extra.rest() == []
            reason = (await victim.next_end()).close_reason
            assert isinstance(reason, LimitExceeded)
            assert reason.name == "connections_per_peer"
        for twin in twins:
            await works(twin)
        await works(await victim.upgraded())


@pytest.mark.req("GEN-05", "TCP-05")
async def test_connections_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_group", lambda host: host)
    async with arena(settings(limits={"connections_per_ip": 3})) as victim:
        held = [await victim.raw(source="127.0.0.2") for _ in range(3)]
        for _ in range(5):
            await refused(victim, "connections_per_ip", source="127.0.0.2")
        await victim.raw(source="127.0.0.3")
        await works(await victim.upgraded())
        held[0].close()
        await victim.next_end()
        await victim.raw(source="127.0.0.2")
        await refused(victim, "connections_per_ip", source="127.0.0.2")


@pytest.mark.req("GEN-05", "TCP-05")
async def test_the_rate_of_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_group", lambda host: host)
    config = settings(limits={"connection_burst_per_ip": 4, "connection_rate_per_ip": 0.0001, "tracked_ips": 2})
    async with arena(config) as victim:
        for _ in range(4):
            (await victim.raw(source="127.0.0.2")).abort()
            await victim.next_end()
        for _ in range(5):
            await refused(victim, "connection_rate_per_ip", source="127.0.0.2")
        await works(await victim.upgraded())


@pytest.mark.req("GEN-05", "YMX-20")
async def test_streams_of_all_peers_together() -> None:
    async with arena(settings(limits={"inbound_streams": 20})) as victim:
        greedy = await victim.upgraded()
        for _ in range(19):  # the bystander holds one
            await greedy.open_stream(ECHO)
        other = await victim.upgraded()
        for attacker in (greedy, other):
            stream_id = attacker.new_id()
            await attacker.send_frames(frame(DATA, SYN, stream_id))
            assert await attacker.await_reset(stream_id) == 0x1002
        assert victim.host.usage()["inbound_streams"].current == 20
        greedy.close()
        await victim.next_end()
        await works(other)


@pytest.mark.req("GEN-04")
async def test_what_the_host_remembers_of_strangers_is_bounded() -> None:
    config = dataclasses.replace(settings(), peerstore=PeerstoreConfig(max_peers=10))
    async with arena(config) as victim:
        for _ in range(30):
            attacker = await victim.upgraded()
            attacker.close()
            await victim.next_end()
        assert victim.host.usage()["peerstore.max_peers"].current == 10
        assert victim.bystander.peer_id in victim.host.peerstore
