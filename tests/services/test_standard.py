"""The host of programs: what it does by itself, and what the package offers."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import p2pstack
from p2pstack import Host, HostConfig, PeerIdentified, PrivateKey, ServiceConfig
from p2pstack.services.config import IdentifyConfig, PingConfig
from tests.services.hosts import LOOPBACK, backward, connected, next_event


@pytest.mark.req("IDN-11")
async def test_two_hosts_know_each_other_and_answer_pings() -> None:
    async with connected(Host(listen=[LOOPBACK]), Host(listen=[LOOPBACK])) as (near, far, connection):
        info = await near.identify.wait(connection)
        assert set(info.protocols) == {"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"}
        assert (await far.identify.wait(await backward(far, near))).peer == near.peer_id
        assert 0 < await near.ping(far.peer_id) < 5
        assert 0 < await far.ping(near.peer_id) < 5


async def test_it_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with connected(Host(listen=[LOOPBACK]), Host(listen=[LOOPBACK])) as (near, far, connection):
        await near.identify.wait(connection)
        await near.ping(far.peer_id)
        near.handle("/late/1.0.0", near._handlers["/ipfs/ping/1.0.0"].handler)
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_the_configuration_reaches_the_services() -> None:
    services = ServiceConfig(identify=IdentifyConfig(timeout=1.5), ping=PingConfig(timeout=2.5))
    key = PrivateKey.from_seed(b"\x07" * 32)
    config = HostConfig(agent_version="mine/1.0", protocol_version="net/2")
    near = Host(key, services=services, config=config)
    assert near.identify.config.timeout == 1.5
    async with connected(near, Host()) as (_, far, _connection):
        info = await far.identify.wait(await backward(far, near))
        assert (info.peer, info.agent, info.protocol_version) == (key.peer_id, "mine/1.0", "net/2")


async def test_streams_open_lazily_once_a_peer_is_identified() -> None:
    async with connected(Host(), Host(listen=[LOOPBACK])) as (near, far, connection):
        await near.identify.wait(connection)
        stream = await near.open_stream(far.peer_id, ["/unknown/1.0.0", "/ipfs/ping/1.0.0"])
        assert stream.protocol == "/ipfs/ping/1.0.0"
        assert stream.negotiation is not None  # nothing was waited for
        await stream.close()


async def test_events_of_services_come_with_those_of_the_host() -> None:
    async with Host() as near, Host(listen=[LOOPBACK]) as far, near.events(PeerIdentified) as events:
        await near.connect(far.full_addresses[0])
        assert (await next_event(events, PeerIdentified)).peer == far.peer_id


def test_every_public_name_is_there() -> None:
    assert len(p2pstack.__all__) == len(set(p2pstack.__all__))
    for name in p2pstack.__all__:
        assert getattr(p2pstack, name) is not None


def test_the_version_is_the_one_that_peers_are_told() -> None:
    assert HostConfig().agent_version == f"p2pstack/{p2pstack.__version__}"


def test_the_import_pulls_in_nothing_that_most_programs_never_need() -> None:
    code = "import sys, p2pstack; print(sorted({'psutil', 'dns', 'rich', 'uvloop', 'argparse'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
