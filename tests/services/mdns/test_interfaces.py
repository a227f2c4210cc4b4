"""Which interfaces there are, and which of them are chosen."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from p2pstack.mdns.config import MdnsConfig
from p2pstack.services.mdns.interfaces import Interface, choose, interfaces, segments


def entry(address: str, netmask: str | None = None, family: int = socket.AF_INET) -> Any:
    return SimpleNamespace(family=family, address=address, netmask=netmask)


def state(*, up: bool = True, flags: str = "up,broadcast,running,multicast") -> Any:
    return SimpleNamespace(isup=up, flags=flags)


def interface(name: str, *own: str, loopback: bool = False, multicast: bool = True) -> Interface:
    return Interface(name, 1, tuple(map(ip_address, own)), (), loopback, multicast)


LO = interface("lo", "127.0.0.1", "::1", loopback=True, multicast=False)
ETH = interface("eth0", "192.168.1.5", "fe80::5")
TUN = interface("tun0", "10.8.0.2", multicast=False)


def test_the_loopback_is_there() -> None:
    found = next(each for each in interfaces() if each.loopback)
    assert ip_address("127.0.0.1") in found.own
    assert ip_network("127.0.0.0/8") in found.networks
    assert found.index == socket.if_nametoindex(found.name)


def test_what_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {
        "eth0": [
            entry("192.168.1.5", "255.255.255.0"),
            entry("fe80::5%eth0", "ffff:ffff:ffff:ffff::", socket.AF_INET6),
            entry("2001:db8::5", None, socket.AF_INET6),
            entry("02:fc:00:00:00:01", None, 17),
        ],
        "down0": [entry("10.0.0.1", "255.0.0.0")],
        "bare0": [entry("02:fc:00:00:00:02", None, 17)],
        "gone0": [entry("10.1.0.1", "255.0.0.0")],
        "lost0": [entry("10.2.0.1", "255.0.0.0")],
        "tun0": [entry("10.8.0.2", "255.255.255.255")],
        "old0": [entry("10.9.0.2", "255.255.255.255")],
    }
    states = {
        "eth0": state(),
        "down0": state(up=False),
        "bare0": state(),
        "gone0": state(),
        "tun0": state(flags="up,pointopoint,running"),
        "old0": SimpleNamespace(isup=True),
    }

    def number(name: str) -> int:
        if name == "gone0":
            raise OSError("no interface with this name")
        return 7

    monkeypatch.setattr(psutil, "net_if_addrs", lambda: addresses)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: states)
    monkeypatch.setattr(socket, "if_nametoindex", number)
    eth, tun, old = interfaces()
    assert (eth.name, eth.index, eth.loopback, eth.multicast) == ("eth0", 7, False, True)
    assert list(map(str, eth.own)) == ["192.168.1.5", "fe80::5", "2001:db8::5"]
    assert list(map(str, eth.networks)) == ["192.168.1.0/24", "fe80::/64", "2001:db8::5/128"]
    assert (tun.name, tun.multicast) == ("tun0", False)
    assert (old.name, old.multicast) == ("old0", True), "where the system does not tell, it is tried"


@pytest.mark.req("MDNS-08")
def test_what_is_chosen() -> None:
    everything = [LO, ETH, TUN]
    assert choose(everything, MdnsConfig()) == [ETH]
    assert choose([LO, TUN], MdnsConfig()) == [LO]
    assert choose([], MdnsConfig()) == []
    assert choose(everything, MdnsConfig(interfaces=("lo", "tun0", "eth9"))) == [LO, TUN]
    many = [interface(f"veth{number}", "10.0.0.1") for number in range(99)]
    assert len(choose(many, MdnsConfig())) == 16


@pytest.mark.req("MDNS-01", "MDNS-08")
def test_each_version_of_ip_is_a_segment() -> None:
    keys = [each.key for each in segments([ETH, TUN], MdnsConfig())]
    assert keys == [("eth0", 4), ("eth0", 6), ("tun0", 4)]
    assert [each.key for each in segments([ETH, TUN], MdnsConfig(ipv4=False))] == [("eth0", 6)]
    assert segments([ETH], MdnsConfig())[1].own == frozenset(ETH.own)
