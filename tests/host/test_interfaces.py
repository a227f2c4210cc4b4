from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from p2pstack.host.interfaces import expand_wildcard
from p2pstack.identity.multiaddrs import parse


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(family: int, address: str) -> SimpleNamespace:
        return SimpleNamespace(family=family, address=address)

    found = {
        "lo": [entry(socket.AF_INET, "127.0.0.1"), entry(socket.AF_INET6, "::1")],
        "eth0": [
            entry(socket.AF_INET, "192.0.2.7"),
            entry(socket.AF_INET6, "2001:db8::7"),
            entry(socket.AF_INET6, "FE80::1%eth0"),
            entry(socket.AF_INET6, "fd00::7%eth0"),
            entry(-1, "00:11:22:33:44:55"),
            entry(socket.AF_INET, "nonsense"),
        ],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)


@pytest.mark.req("TCP-02")
@pytest.mark.usefixtures("interfaces")
@pytest.mark.parametrize(
    ("bound", "advertised"),
    [
        ("/ip4/0.0.0.0/tcp/4001", ["/ip4/127.0.0.1/tcp/4001", "/ip4/192.0.2.7/tcp/4001"]),
        ("/ip6/::/tcp/9", ["/ip6/::1/tcp/9", "/ip6/2001:db8::7/tcp/9", "/ip6/fd00::7/tcp/9"]),
        ("/ip4/192.0.2.7/tcp/1", ["/ip4/192.0.2.7/tcp/1"]),
        ("/ip6/::1/tcp/1", ["/ip6/::1/tcp/1"]),
    ],
)
def test_a_wildcard_stands_for_the_addresses_of_the_interfaces(bound: str, advertised: list[str]) -> None:
    assert [str(address) for address in expand_wildcard(parse(bound))] == advertised


@pytest.mark.req("TCP-02")
def test_the_interfaces_of_this_machine() -> None:
    found = expand_wildcard(parse("/ip4/0.0.0.0/tcp/4001"))
    assert parse("/ip4/127.0.0.1/tcp/4001") in found
    assert parse("/ip4/0.0.0.0/tcp/4001") not in found
