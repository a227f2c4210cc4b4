"""mDNS between machines of one LAN, and with the Go and Rust peers.

Those speak on every interface that they find, and so run only where the loopback is the only one that takes multicast:
in a namespace without a cable, beside ours. Rust leaves 127.0.0.1 out: the loopback has one more address there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from time import monotonic

import pytest

from p2pstack.testing.nat import Host, Nat, Topology
from tests.interop.harness import Peer, Peers

SOON = 2.0
"""Seconds in which two nodes have to see each other."""

ALONE = "10.77.0.1"

pytestmark = [pytest.mark.interop, pytest.mark.deadline(60)]

Build = Callable[..., Topology]


def lonely(net: Topology, label: str = "lonely") -> Host:
    """A machine without a cable, where programs find each other by the loopback."""
    host = Host(net.namespace(label), ALONE, ALONE)
    host.run("ip", "link", "set", "lo", "multicast", "on")
    host.run("ip", "addr", "add", f"{ALONE}/32", "dev", "lo")
    host.run("ip", "route", "add", "224.0.0.0/4", "dev", "lo", "src", ALONE)
    return host


async def sees(node: Peer, other: Peer, seconds: float = 10.0) -> str:
    """Wait until a node sees another one; returns the address at which it does."""
    event = await node.event("mdns", peer=other.peer_id, seconds=seconds)
    wanted = other.address.partition("/p2p/")[0]
    assert wanted in [address.partition("/p2p/")[0] for address in event["addrs"]]
    return wanted


@pytest.mark.req("MDNS-01", "MDNS-07", "MDNS-08")
async def test_two_machines_of_a_lan_find_each_other_with_no_address_given(build: Build, peers: Peers) -> None:
    with build() as net:
        router = net.router(Nat.PORT_PRESERVING)
        one, other = router.host(), router.host()
        words = ("p2pstack", "--mdns", "--listen-ip", "0.0.0.0")
        async with peers.behind(one.prefix).listen(*words) as first:
            async with peers.behind(other.prefix).listen(*words) as second:
                started = monotonic()
                assert await sees(first, second) == f"/ip4/{other.address}/tcp/{port(second)}"
                assert await sees(second, first) == f"/ip4/{one.address}/tcp/{port(first)}"
                assert monotonic() - started < SOON
                await first.event("identified", peer=second.peer_id)
                await second.event("identified", peer=first.peer_id)
            await first.event("mdns-expired", peer=second.peer_id, seconds=SOON)


def port(node: Peer) -> int:
    return int(node.address.split("/")[4])


@pytest.mark.req("MDNS-06", "MDNS-08")
async def test_another_network_sees_nothing_and_a_cable_may_come_later(build: Build, peers: Peers) -> None:
    with build() as net:
        routers = [net.router(Nat.PORT_PRESERVING) for _ in range(2)]
        here, there = (router.host() for router in routers)
        neighbour = routers[0].host()
        neighbour.run("ip", "link", "set", "eth0", "down")
        words = ("p2pstack", "--mdns", "--listen-ip", "0.0.0.0")
        async with (
            peers.behind(here.prefix).listen(*words) as node,
            peers.behind(there.prefix).listen(*words) as stranger,
            peers.behind(neighbour.prefix).listen(*words) as late,
        ):
            neighbour.run("ip", "link", "set", "eth0", "up")
            await sees(node, late, seconds=20)
            await sees(late, node)
            neighbour.run("ip", "link", "set", "eth0", "down")
            await late.event("mdns-expired", peer=node.peer_id, seconds=20)
            for each in (node, late):
                assert stranger.peer_id not in [event["peer"] for event in each.events if event["event"] == "mdns"]
            assert stranger.count("mdns") == 0


@pytest.mark.req("MDNS-01")
async def test_machines_find_each_other_by_ipv6_alone(build: Build) -> None:
    with build() as net:
        router = net.router(Nat.PORT_PRESERVING)
        nodes = []
        async with contextlib.AsyncExitStack() as stack:
            for number in (1, 2):
                host = router.host()
                host.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
                host.run("ip", "addr", "add", f"fd00:7::{number}/64", "dev", "eth0", "nodad")
                command = [
                    *host.prefix,
                    sys.executable,
                    "-m",
                    "p2pstack",
                    "listen",
                    "--mdns",
                    "--json",
                    "/ip6/::/tcp/0",
                ]
                nodes.append(await Peer.start(command, f"node {number}"))
                stack.push_async_callback(nodes[-1].stop)
                stack.callback(nodes[-1].terminate)
            second = await nodes[1].event("listening")
            event = await nodes[0].event("mdns", peer_id=second["peer_id"])
            (address,) = event["addresses"]
            assert address.startswith("/ip6/fd00:7::2/tcp/")
            await nodes[0].event("identified", peer_id=second["peer_id"])


@pytest.mark.parametrize("kind", ["go", "rust"])
@pytest.mark.parametrize("ours_is_first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.req("MDNS-01", "MDNS-05", "MDNS-06", "MDNS-07")
async def test_ours_and_others_find_each_other(build: Build, peers: Peers, kind: str, *, ours_is_first: bool) -> None:
    with build() as net:
        inside = peers.behind(lonely(net).prefix)
        kinds = ("p2pstack", kind) if ours_is_first else (kind, "p2pstack")
        async with (
            inside.listen(kinds[0], "--mdns", "--listen-ip", ALONE) as first,
            inside.listen(kinds[1], "--mdns", "--listen-ip", ALONE) as second,
        ):
            started = monotonic()
            await sees(first, second)
            await sees(second, first)
            assert monotonic() - started < SOON
            await first.event("connected", peer=second.peer_id)
            await second.event("connected", peer=first.peer_id)


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("MDNS-07")
async def test_a_goodbye_of_gos_is_heard(build: Build, peers: Peers, kind: str) -> None:
    with build() as net:
        inside = peers.behind(lonely(net).prefix)
        async with inside.listen("p2pstack", "--mdns", "--listen-ip", ALONE) as node:
            async with inside.listen(kind, "--mdns", "--listen-ip", ALONE) as other:
                await sees(node, other)
            await node.event("mdns-expired", peer=other.peer_id, seconds=SOON)


async def test_discover_shows_who_is_there(build: Build, peers: Peers) -> None:
    with build() as net:
        router = net.router(Nat.PORT_PRESERVING)
        one, other = router.host(), router.host()
        program = [*other.prefix, sys.executable, "-m", "p2pstack", "discover", "--json", "--wait", "1.5"]
        async with peers.behind(one.prefix).listen("p2pstack", "--mdns", "--listen-ip", "0.0.0.0") as node:
            process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
            out, _ = await process.communicate()
        assert process.returncode == 0
        found = [json.loads(line) for line in out.splitlines()]
        assert found == [{"peer_id": node.peer_id, "addresses": [f"/ip4/{one.address}/tcp/{port(node)}"]}]
