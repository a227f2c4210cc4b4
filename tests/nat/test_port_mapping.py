"""Port mapping with a real gateway: miniupnpd on the router that stands between a host and the public net."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from p2pstack.testing.nat import Nat, Router, Topology
from tests.interop.harness import Peer, Peers
from tests.nat.conftest import require

pytestmark = [pytest.mark.interop, pytest.mark.deadline(60)]

Build = Callable[..., Topology]

CONFIG = """
ext_ifname=ext
listening_ip=lan
enable_natpmp={direct}
enable_upnp=yes
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000000
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=allowed
upnp_nat_chain=mapped
upnp_nat_postrouting_chain=outgoing
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""

RULES = """
table inet upnp {
    chain allowed { }
    chain mapped { }
    chain outgoing { }
    chain prerouting { type nat hook prerouting priority -100; jump mapped; }
}
insert rule inet filter forward ct status dnat accept
"""

UPNP = "a router by UPnP"
PCP = "192.168.1.1 by PCP"


def no_gateway() -> str | None:
    if shutil.which("miniupnpd") is None:
        return "`miniupnpd` is not on the PATH (Debian: apt-get install miniupnpd-nftables)"
    return None


@contextlib.asynccontextmanager
async def gateway(router: Router, folder: Path, *, direct: bool) -> AsyncIterator[Peer]:
    """miniupnpd on the router; ``direct``: it speaks PCP and NAT-PMP as well."""
    (folder / "conf").write_text(CONFIG.format(direct="yes" if direct else "no"))
    inside = ["ip", "netns", "exec", router.namespace]
    rules = await asyncio.create_subprocess_exec(*inside, "nft", "-f", "-", stdin=asyncio.subprocess.PIPE)
    await rules.communicate(RULES.encode())
    assert rules.returncode == 0
    words = ["miniupnpd", "-d", "-f", str(folder / "conf"), "-P", str(folder / "pid")]
    daemon = await Peer.start([*inside, *words], "miniupnpd")
    try:
        yield daemon
    finally:
        daemon.terminate()
        await daemon.stop()


def rules_of(router: Router) -> str:
    """What the router does for those who asked it."""
    command = ["ip", "netns", "exec", router.namespace, "nft", "list", "chain", "inet", "upnp", "mapped"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


@contextlib.asynccontextmanager
async def mapped_host(peers: Peers, prefix: list[str]) -> AsyncIterator[Peer]:
    """A host whose port is mapped; its mapping is taken back at the end of the block."""
    node = await Peer.start([*prefix, sys.executable, "-m", "tests.nat.mapped"], "mapped host")
    peers.started.append(node)
    try:
        yield node
    finally:
        assert await node.stop() == 0


@pytest.mark.req("PMAP-01", "PMAP-02", "PMAP-07")
@pytest.mark.parametrize(("direct", "name"), [(True, PCP), (False, UPNP)], ids=["pcp", "upnp"])
async def test_a_mapped_host_is_reached_from_outside(
    build: Build, peers: Peers, tmp_path: Path, direct: bool, name: str
) -> None:
    require(no_gateway)
    with build() as net:
        router, public = net.router(Nat.PORT_PRESERVING), net.host(Nat.PUBLIC)
        host = router.host()
        outside = peers.behind(public.prefix)
        async with gateway(router, tmp_path, direct=direct):
            async with mapped_host(peers, host.prefix) as node:
                event = await node.event("mapped", seconds=25)
                assert event["gateway"] == name
                assert event["addr"].startswith(f"/ip4/{router.public_address}/tcp/")
                assert len((await outside.dial("p2pstack", event["addr"], "ping"))["rtts_us"]) == 1
                assert "dnat" in rules_of(router)
            assert "dnat" not in rules_of(router)


async def test_a_router_without_port_mapping(build: Build, peers: Peers) -> None:
    with build() as net:
        host = net.host(Nat.PORT_PRESERVING)
        async with mapped_host(peers, host.prefix) as node:
            event = await node.event("failed", seconds=25)
    direct, fallback, upnp = event["reasons"]
    assert direct.startswith("PCP: ")
    assert fallback.startswith("NAT-PMP: ")
    assert upnp == "UPnP: no device answers"
