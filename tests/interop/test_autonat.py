"""AutoNAT with go (1 and 2) and rust (1): who is dialled back, what is found out, in both directions, on the loopback.

go's server of version 1 refuses peers on the loopback; tests/nat tries it where addresses look public.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from p2pstack import Host
from p2pstack.aio.connection import Connection
from p2pstack.autonat.config import ConfidenceConfig
from p2pstack.autonat.protocols import DIAL_BACK
from p2pstack.autonat.reachability import Reachability
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.services.autonat.asking import DialBacks, Verdict, ask_v1, ask_v2
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.config import AutonatClientConfig, AutonatServerConfig
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.autonat.server import AutonatServer
from tests.interop.harness import Peers
from tests.services.hosts import LOOPBACK, next_event

pytestmark = pytest.mark.interop

DEAD = "/ip4/127.0.0.1/tcp/1"
ELSEWHERE = "/ip4/127.0.0.3/tcp/0"
"""To listen where nobody sees us: dials leave from 127.0.0.1."""


def server(**settings: object) -> Host:
    """Our server."""
    host = Host(listen=[LOOPBACK])
    limits = {"private": True, "max_delay": 0.1, "dial_timeout": 2.0}
    AutonatServer(host, AutonatServerConfig(**(limits | settings)))  # type: ignore[arg-type]
    return host


def client(listen: str = LOOPBACK) -> tuple[Host, AutonatClient]:
    """A host that believes a single answer."""
    host = Host(listen=[listen])
    return host, AutonatClient(host, AutonatClientConfig(private=True, confidence=ConfidenceConfig(confirmations=1)))


async def ask_go(connection: Connection, host: Host, addresses: Sequence[Multiaddr]) -> list[Verdict]:
    """What a server of version 2 says."""
    backs = DialBacks(AutonatClientConfig())
    host.handle(DIAL_BACK, backs.serve)
    return await ask_v2(connection, addresses, backs, timeout=15.0, back_timeout=2.0)


# -- the others ask us


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT1-01", "AUTONAT1-02", "AUTONAT2-01", "AUTONAT2-03")
async def test_go_learns_that_it_can_be_dialled(peers: Peers, kind: str) -> None:
    async with server() as host:
        found = await peers.dial(kind, str(host.full_addresses[0]), "autonat")
        assert (found["v1"], found["v2"]) == ("public", "public")


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT1-01", "AUTONAT2-02")
async def test_go_learns_that_it_can_not(peers: Peers, kind: str) -> None:
    async with server() as host:
        found = await peers.dial(kind, str(host.full_addresses[0]), "autonat", "--ask", DEAD)
        assert found["v2"] == "private"
        assert found["addr"] == DEAD
        # Its dials leave from the port that it listens on, so that version 1 reaches the observed address itself.
        assert found["v1"] == "public"


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT1-02", "AUTONAT2-02")
async def test_go_is_refused_on_private_addresses_by_default(peers: Peers, kind: str) -> None:
    async with server(private=False) as host:
        found = await peers.dial(kind, str(host.full_addresses[0]), "autonat")
        assert (found["v1"], found["v2"]) == ("refused", "refused")


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT2-02")
async def test_go_sends_data_for_another_ip(peers: Peers, kind: str) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    other = f"/ip4/127.0.0.7/tcp/{port}"
    async with server() as host:
        flags = ("--listen-ip", "0.0.0.0", "--port", port, "--ask", other)
        found = await peers.dial(kind, str(host.full_addresses[0]), "autonat", *flags)
        assert (found["v2"], found["addr"]) == ("public", other)


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("AUTONAT1-01", "AUTONAT1-02")
async def test_rust_learns_that_it_can_be_dialled(peers: Peers, kind: str) -> None:
    async with server() as host, peers.listen(kind, "--autonat", "--connect", host.full_addresses[0]) as node:
        status = await node.event("autonat-status")
        port = node.address.split("/")[4]
        assert status["status"].startswith(f"Public(/ip4/127.0.0.1/tcp/{port}")


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("AUTONAT1-02")
async def test_rust_is_refused_on_private_addresses_by_default(peers: Peers, kind: str) -> None:
    async with (
        server(private=False) as host,
        peers.listen(kind, "--autonat", "--connect", host.full_addresses[0]) as node,
    ):
        await node.event("autonat-asked", where=lambda event: "DialRefused" in event["detail"])
        assert node.count("autonat-status") == 0


# -- we ask them


@pytest.mark.parametrize("kind", ["go", "rust"])
@pytest.mark.req("AUTONAT1-01", "AUTONAT2-01", "AUTONAT2-03")
async def test_we_learn_that_we_can_be_dialled(peers: Peers, kind: str) -> None:
    host, asking = client()
    async with peers.listen(kind, "--autonat") as node, host, host.events(ReachabilityChanged) as events:
        await host.connect(node.address)
        event = await next_event(events, ReachabilityChanged)
        assert (event.reachability, event.addresses) == (Reachability.PUBLIC, tuple(host.addresses))
        assert asking.reachability is Reachability.PUBLIC


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT2-02", "AUTONAT2-03")
async def test_go_wants_data_for_another_ip_and_judges_addresses(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--autonat") as node, Host(listen=[ELSEWHERE]) as host:
        connection = await host.connect(node.address)
        await host.identify.wait(connection)
        own, dead = host.addresses[0], parse(DEAD)
        assert await ask_go(connection, host, [own]) == [Verdict(own, reachable=True)]
        assert await ask_go(connection, host, [dead, own]) == [Verdict(dead, reachable=False)]
        names = [parse("/dns4/nowhere.invalid/udp/1/quic-v1")]
        assert await ask_go(connection, host, names) == []


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT2-04")
async def test_go_rejects_who_asks_too_often(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--autonat") as node, Host(listen=[LOOPBACK]) as host:
        connection = await host.connect(node.address)
        await host.identify.wait(connection)
        verdicts = [await ask_go(connection, host, host.addresses) for _ in range(14)]
        assert verdicts == [[Verdict(host.addresses[0], reachable=True)]] * 12 + [[]] * 2


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT1-02")
async def test_go_refuses_version_1_on_the_loopback(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--autonat") as node, Host(listen=[LOOPBACK]) as host:
        connection = await host.connect(node.address)
        await host.identify.wait(connection)
        assert await ask_v1(connection, host.peer_id, host.addresses, timeout=5.0) == []


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("AUTONAT1-01", "AUTONAT1-04")
async def test_rust_tells_of_success_and_failure(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--autonat") as node, Host(listen=[LOOPBACK]) as host:
        connection = await host.connect(node.address)
        await host.identify.wait(connection)
        own, dead = host.addresses[0], parse(DEAD)
        found = await ask_v1(connection, host.peer_id, [dead, own], timeout=20.0)
        assert set(found) == {Verdict(own, reachable=True), Verdict(None, reachable=True)}
        found = await ask_v1(connection, host.peer_id, [dead], timeout=20.0)
        assert found == [Verdict(dead, reachable=False), Verdict(None, reachable=False)]


# -- the command line


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("AUTONAT1-01", "AUTONAT2-01")
async def test_the_peer_serves_and_asks(peers: Peers, kind: str) -> None:
    async with (
        peers.listen(kind, "--autonat") as other,
        peers.listen("p2pstack", "--autonat", "--connect", other.address) as node,
    ):
        event = await node.event("reachability")
        assert event["status"] == "public"
        assert [f"{address}/p2p/{node.peer_id}" for address in event["addrs"]] == [node.address]
        found = await peers.dial(kind, node.address, "autonat")
        assert (found["v1"], found["v2"]) == ("public", "public")
