"""AutoNAT on nets that look like the internet: who finds out what he is, with whose help."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from p2pstack.testing.nat import Host, Nat, Router, Topology
from tests.interop.harness import Event, Peer, Peers
from tests.nat.punching import side_by_side

KINDS = ("go", "rust", "p2pstack")
SERVERS = [*((kind, "--autonat") for kind in KINDS), ("go", "--autonat-v1")]
PORT = 4001
VERDICT_SECONDS = 40.0
"""A dial that a router swallows takes 10 to 15 s, and version 1 may wait 15 s more with its answer."""

pytestmark = [pytest.mark.interop, pytest.mark.deadline(100)]

each_server = pytest.mark.parametrize(("kind", "flag"), SERVERS, ids=["".join(each) for each in SERVERS])


@contextlib.asynccontextmanager
async def serving(peers: Peers, kind: str, host: Host, flag: str = "--autonat") -> AsyncIterator[Peer]:
    """A server at a public address."""
    async with peers.behind(host.prefix).listen(kind, flag, "--listen-ip", host.address) as node:
        yield node


@contextlib.asynccontextmanager
async def asking(peers: Peers, host: Host, *servers: Peer) -> AsyncIterator[Peer]:
    """Our peer, on all interfaces of a host, which meets these servers."""
    words = [word for each in servers for word in ("--connect", each.address)]
    inside = peers.behind(host.prefix)
    async with inside.listen("p2pstack", "--autonat", "--listen-ip", "0.0.0.0", "--port", PORT, *words) as node:
        yield node


async def verdict(node: Peer) -> Event:
    """What it believes first."""
    return await node.event("reachability", seconds=VERDICT_SECONDS)


def forward(router: Router, host: Host) -> None:
    """Have a router pass a port on to a host behind it, as its owner may set it up."""
    for rule in (
        "add chain ip nat incoming { type nat hook prerouting priority -100 ; }",
        f"add rule ip nat incoming iifname ext tcp dport {PORT} dnat to {host.address}:{PORT}",
        f"insert rule inet filter forward ip daddr {host.address} tcp dport {PORT} accept",
    ):
        Host(router.namespace, "", "").run("nft", "-f", "-", text=rule + "\n")


@each_server
@pytest.mark.req("AUTONAT1-02", "AUTONAT2-02")
async def test_a_host_on_the_public_net_is_public(
    build: Callable[..., Topology], peers: Peers, kind: str, flag: str
) -> None:
    with build() as net:
        public, server = net.host(Nat.PUBLIC), net.host(Nat.PUBLIC)
        async with serving(peers, kind, server, flag) as other, asking(peers, public, other) as node:
            event = await verdict(node)
            assert (event["status"], event["addrs"]) == ("public", [f"/ip4/{public.address}/tcp/{PORT}"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.req("AUTONAT1-02", "AUTONAT2-03")
async def test_a_port_that_the_router_passes_on_is_found(
    build: Callable[..., Topology], peers: Peers, kind: str
) -> None:
    with build() as net:
        router = net.router(Nat.PORT_PRESERVING)
        hidden, servers = router.host(), [net.host(Nat.PUBLIC), net.host(Nat.PUBLIC)]
        forward(router, hidden)
        address = f"/ip4/{router.public_address}/tcp/{PORT}"
        async with (
            serving(peers, kind, servers[0]) as one,
            serving(peers, kind, servers[1]) as other,
            asking(peers, hidden, one, other) as node,
        ):
            await node.event("reachability", seconds=VERDICT_SECONDS, status="public", addrs=[address])
            # The others are told.
            await one.event("identified", where=lambda event: address in event["listen_addrs"])


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT1-02", "AUTONAT2-02")
async def test_go_finds_out_through_us_that_it_is_public(
    build: Callable[..., Topology], peers: Peers, kind: str
) -> None:
    with build() as net:
        await go_finds_out(peers, kind, net.host(Nat.PUBLIC), net.host(Nat.PUBLIC), "public")


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("AUTONAT1-02")
async def test_rust_finds_out_through_us_that_it_is_public(
    build: Callable[..., Topology], peers: Peers, kind: str
) -> None:
    with build() as net:
        asker = net.host(Nat.PUBLIC)
        await rust_finds_out(peers, kind, net.host(Nat.PUBLIC), asker, f"Public(/ip4/{asker.public_address}/tcp/{PORT}")


@pytest.mark.parametrize(("kind", "other"), [("go", "rust")])
@pytest.mark.req("AUTONAT1-02", "AUTONAT1-03", "AUTONAT1-04", "AUTONAT2-02", "AUTONAT2-03")
async def test_hosts_behind_routers_find_out_that_they_are_private(
    build: Callable[..., Topology], peers: Peers, kind: str, other: str
) -> None:
    """Whoever asks whom: all at once, since dials that a router swallows take their time."""
    with build() as net:
        cases = {
            f"p2pstack asks {each} {flag}": we_find_out(
                peers, each, flag, net.host(Nat.PORT_PRESERVING), net.host(Nat.PUBLIC), net.host(Nat.PUBLIC)
            )
            for each, flag in SERVERS
        }
        cases["go asks p2pstack"] = go_finds_out(peers, kind, net.host(Nat.PUBLIC), net.host(Nat.REFUSING), "private")
        cases["rust asks p2pstack"] = rust_finds_out(
            peers, other, net.host(Nat.PUBLIC), net.host(Nat.SYMMETRIC), "Private"
        )
        await side_by_side(cases)


async def we_find_out(peers: Peers, kind: str, flag: str, hidden: Host, *servers: Host) -> None:
    """A host of ours learns from such servers that nobody can dial it."""
    async with (
        serving(peers, kind, servers[0], flag) as one,
        serving(peers, kind, servers[1], flag) as other,
        asking(peers, hidden, one, other) as node,
    ):
        event = await verdict(node)
        assert (event["status"], event["addrs"]) == ("private", [])


async def go_finds_out(peers: Peers, kind: str, server: Host, asker: Host, wanted: str) -> None:
    """go learns from our server what it is, by both versions."""
    ask = f"/ip4/{asker.public_address}/tcp/{PORT}"
    async with serving(peers, "p2pstack", server) as node:
        flags = ("--listen-ip", "0.0.0.0", "--port", PORT, "--ask", ask)
        inside = peers.behind(asker.prefix)
        found = await inside.dial(kind, node.address, "autonat", *flags, seconds=VERDICT_SECONDS)
        assert (found["v1"], found["v2"], found["addr"]) == (wanted, wanted, ask)


async def rust_finds_out(peers: Peers, kind: str, server: Host, asker: Host, wanted: str) -> None:
    """rust learns from our server what it is."""
    async with serving(peers, "p2pstack", server) as node:
        words = ("--autonat", "--listen-ip", "0.0.0.0", "--port", PORT, "--connect", node.address)
        async with peers.behind(asker.prefix).listen(kind, *words) as other:
            event = await other.event("autonat-status", seconds=VERDICT_SECONDS)
            assert event["status"].startswith(wanted)
