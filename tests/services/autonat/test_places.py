from __future__ import annotations

from typing import cast

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.services.autonat.places import group_of, ip_of, observed_address, own_hosts
from p2pstack.services.standard import Host
from tests.services.autonat.world import at

PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id
CIRCUIT = f"/ip4/5.10.0.1/tcp/1/p2p/{PEER}/p2p-circuit"


class Seen:
    """What is looked at of a connection."""

    def __init__(self, address: str, host: str = "") -> None:
        self.remote_address: Multiaddr = parse(address)
        self.remote_host = host
        self.relayed = "p2p-circuit" in address


def seen(address: str, host: str = "") -> Connection:
    return cast("Connection", Seen(address, host))


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        ("/ip4/5.10.0.1/tcp/1", "5.10.0.1"),
        (f"/ip6/2a00::1/tcp/1/p2p/{PEER}", "2a00::1"),
        ("/dns4/example.org/tcp/1", None),
        ("/ip4/5.10.0.1/udp/1/quic-v1", None),
        (CIRCUIT, None),
    ],
)
def test_the_ip_of_an_address(address: str, ip: str | None) -> None:
    assert ip_of(parse(address)) == ip


@pytest.mark.parametrize(
    ("address", "host", "observed"),
    [
        ("/ip4/5.10.0.1/tcp/1", "5.10.0.1", "/ip4/5.10.0.1/tcp/1"),
        ("/dns4/example.org/tcp/1", "5.10.0.1", "/ip4/5.10.0.1/tcp/1"),
        ("/dns/example.org/tcp/1", "2a00::1", "/ip6/2a00::1/tcp/1"),
        ("/dns/example.org/tcp/1", "fe80::1%eth0", "/ip6/fe80::1/tcp/1"),
        ("/dns/example.org/tcp/1", "::ffff:5.10.0.1", "/ip4/5.10.0.1/tcp/1"),
        (CIRCUIT, "", CIRCUIT),
    ],
)
def test_where_a_peer_is_though_a_name_was_dialled(address: str, host: str, observed: str) -> None:
    assert str(observed_address(seen(address, host))) == observed


@pytest.mark.req("AUTONAT1-04")
@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("/ip4/5.10.0.1/tcp/1", "5.10.0.1", "5.10.0.1"),
        ("/ip6/2a00::1/tcp/1", "2a00::/56", "2a00::/56"),
        ("/ip6/2a00::2:1/tcp/1", "2a00::/56", "2a00::/56"),
        ("/ip4/192.168.1.1/tcp/1", None, "192.168.1.1"),
        (CIRCUIT, None, None),
    ],
)
def test_whose_voice_a_server_has(address: str, public: str | None, private: str | None) -> None:
    assert group_of(seen(address), private=False) == public
    assert group_of(seen(address), private=True) == private


async def test_own_addresses_are_those_listened_on_and_those_advertised() -> None:
    async with Host(listen=[at(1), at(2)]) as host:
        host.advertise("test", [parse("/ip4/5.10.0.1/tcp/1"), parse("/dns4/example.org/tcp/1")])
        assert own_hosts(host) == {"127.0.0.1", "127.0.0.2", "5.10.0.1"}
