"""Which addresses belong where."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.mdns.segment import ip_of
from tests.mdns.lan import addresses, peer_of, segment, texts

HERE = segment("192.168.1.5/24", "fe80::5/64", "2001:db8:7::5/64")
ALONE = segment("127.0.0.1/8", "::1/128", "10.77.0.1/32", name="lo")
NEIGHBOUR = ip_address("192.168.1.7")


def test_the_ip_of_an_address() -> None:
    assert ip_of(parse("/ip4/192.0.2.1/tcp/1")) == ip_address("192.0.2.1")
    assert ip_of(parse("/ip6/::1/tcp/1")) == ip_address("::1")
    assert ip_of(parse("/dns4/a.local/tcp/1")) is None
    assert ip_of(parse("/ip4/192.0.2.1/udp/1/quic-v1")) is None


@pytest.mark.req("MDNS-10")
def test_who_is_on_the_network() -> None:
    for text in ("192.168.1.5", "192.168.1.254", "169.254.3.4", "fe80::9", "2001:db8:7::1"):
        assert HERE.holds(ip_address(text))
    for text in ("192.168.2.1", "8.8.8.8", "127.0.0.1", "2001:db8:8::1"):
        assert not HERE.holds(ip_address(text))


@pytest.mark.req("MDNS-06")
def test_others_are_told_of_the_interfaces_own_addresses() -> None:
    everything = addresses(
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/192.168.1.5/tcp/1",
        "/ip4/10.0.0.5/tcp/1",
        "/ip6/fe80::5/tcp/1",
        "/ip6/2001:db8:7::5/tcp/1",
        "/dns4/a.example/tcp/1",
    )
    assert texts(HERE.tells(everything)) == ["/ip4/192.168.1.5/tcp/1", "/ip6/2001:db8:7::5/tcp/1"]
    assert texts(ALONE.tells(everything)) == ["/ip4/127.0.0.1/tcp/1"]


@pytest.mark.req("MDNS-10")
def test_addresses_elsewhere_are_not_believed() -> None:
    bad = addresses(
        "/ip4/8.8.8.8/tcp/1",
        "/ip4/10.0.0.5/tcp/1",
        "/ip4/0.0.0.0/tcp/1",
        "/ip4/224.0.0.251/tcp/1",
        "/ip4/127.0.0.1/tcp/1",
        "/ip6/fe80::7/tcp/1",
        "/dns4/a.local/tcp/1",
        "/ip4/192.168.1.7/udp/1/quic-v1",
    )
    good = addresses(f"/ip4/192.168.1.7/tcp/1/p2p/{peer_of(1)}", "/ip6/2001:db8:7::7/tcp/1")
    assert texts(HERE.believes((*bad, *good), NEIGHBOUR)) == ["/ip4/192.168.1.7/tcp/1", "/ip6/2001:db8:7::7/tcp/1"]


def test_the_loopback_is_believed_of_this_machine() -> None:
    local = addresses("/ip4/127.0.0.1/tcp/1")
    assert HERE.believes(local, ip_address("192.168.1.5")) == list(local)
    assert ALONE.believes(local, ip_address("10.77.0.1")) == list(local)
    assert ALONE.believes(local, ip_address("127.0.0.1")) == list(local)
