from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.autonat.candidates import candidates
from p2pstack.services.standard import Host
from tests.services.autonat.world import lines

RELAY = PrivateKey.from_seed(b"\x03" * 32).peer_id


def host(
    *listening: str, mapped: tuple[str, ...] = (), seen: tuple[str, ...] = (), reports: tuple[tuple[str, str], ...] = ()
) -> Host:
    """What is looked at of a host: ``reports`` are (where a peer is, where it sees the host)."""
    told = {
        number: (
            SimpleNamespace(relayed="p2p-circuit" in remote, remote_address=parse(remote)),
            SimpleNamespace(observed=parse(observed) if observed else None),
        )
        for number, (remote, observed) in enumerate(reports)
    }
    infos = {id(connection): info for connection, info in told.values()}
    identify = SimpleNamespace(candidates=lambda: [parse(each) for each in seen], info=lambda each: infos[id(each)])
    connections = [connection for connection, _ in told.values()]
    made = SimpleNamespace(
        addresses=[parse(each) for each in listening],
        advertised=[parse(each) for each in mapped],
        identify=identify,
        connections=lambda: connections,
    )
    return cast("Host", made)


def test_where_it_listens_comes_first_then_what_is_mapped_then_where_peers_have_seen_it() -> None:
    made = host(
        "/ip4/192.168.1.2/tcp/4001",
        "/ip4/5.10.0.1/tcp/4001",
        mapped=("/ip4/5.10.0.8/tcp/6", "/ip4/10.0.0.1/tcp/6", f"/ip4/5.10.0.3/tcp/1/p2p/{RELAY}/p2p-circuit"),
        seen=("/ip4/5.10.0.9/tcp/7",),
    )
    wanted = ["/ip4/5.10.0.1/tcp/4001", "/ip4/5.10.0.8/tcp/6", "/ip4/5.10.0.9/tcp/7"]
    assert lines(candidates(made, private=False)) == wanted
    assert lines(candidates(made, private=True))[0] == "/ip4/192.168.1.2/tcp/4001"


def test_a_forwarding_that_nobody_has_told_of_is_guessed() -> None:
    made = host(
        "/ip4/192.168.1.2/tcp/4001",
        "/ip6/fe80::1/tcp/4002",
        reports=(
            ("/ip4/8.8.8.8/tcp/1", "/ip4/5.10.0.1/tcp/50001"),
            ("/ip4/9.9.9.9/tcp/1", "/ip4/5.10.0.1/tcp/50002"),
        ),
    )
    assert lines(candidates(made, private=False)) == ["/ip4/5.10.0.1/tcp/4001"]


@pytest.mark.req("AUTONAT1-04")
@pytest.mark.misbehave
@pytest.mark.parametrize(
    "reports",
    [
        (("/ip4/8.8.8.8/tcp/1", "/ip4/5.10.0.66/tcp/1"),) * 9,  # one network
        (("/ip4/192.168.1.9/tcp/1", "/ip4/5.10.0.66/tcp/1"), ("/ip4/8.8.8.8/tcp/1", "/ip4/5.10.0.66/tcp/1")),
        (("/ip4/8.8.8.8/tcp/1", ""), ("/ip4/9.9.9.9/tcp/1", "/ip4/5.10.0.66/tcp/1")),
        (("/ip4/8.8.8.8/tcp/1", "/dns4/a.org/tcp/1"), ("/ip4/9.9.9.9/tcp/1", "/dns4/a.org/tcp/1")),
        (("/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.1/tcp/1"), ("/ip4/9.9.9.9/tcp/1", "/ip4/192.168.1.1/tcp/1")),
    ],
)
def test_a_victim_is_not_invented_by_one_network(reports: tuple[tuple[str, str], ...]) -> None:
    assert candidates(host("/ip4/192.168.1.2/tcp/4001", reports=reports), private=False) == []


def test_only_the_ips_that_most_see_are_guessed() -> None:
    reports = [
        (f"/ip4/8.8.8.{n}/tcp/1", f"/ip4/5.10.0.{ip}/tcp/1")
        for ip, count in ((1, 2), (2, 4), (3, 3))
        for n in range(count)
    ]
    made = host("/ip4/192.168.1.2/tcp/4001", reports=tuple(reports))
    assert lines(candidates(made, private=False)) == ["/ip4/5.10.0.2/tcp/4001", "/ip4/5.10.0.3/tcp/4001"]
