from __future__ import annotations

import pytest

from p2pstack.autonat.choice import choose, data_size, may_dial_back, same_host, same_stack, to_dial_back
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse

PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id
SEEN = parse("/ip4/5.10.0.7/tcp/50123")


def texts(observed: str, *addresses: str) -> list[str]:
    return [str(each) for each in to_dial_back(parse(observed), [parse(address) for address in addresses])]


@pytest.mark.req("AUTONAT1-02")
@pytest.mark.parametrize(
    ("observed", "dialled", "in_private"),
    [
        ("/ip4/5.10.0.7/tcp/50123", True, True),
        ("/ip6/2a00::7/tcp/50123", True, True),
        ("/ip4/192.168.1.7/tcp/50123", False, True),
        ("/ip4/127.0.0.1/tcp/50123", False, True),
        ("/ip4/5.10.0.1/tcp/50123", False, True),  # that's us
        ("/ip6/::ffff:5.10.0.1/tcp/50123", False, True),
        (f"/ip4/5.10.0.7/tcp/50123/p2p/{PEER}/p2p-circuit", False, False),
    ],
)
def test_whom_a_server_of_version_1_dials(observed: str, *, dialled: bool, in_private: bool) -> None:
    assert may_dial_back(parse(observed), {"5.10.0.1"}, private=False) is dialled
    assert may_dial_back(parse(observed), {"5.10.0.1"}, private=True) is in_private


@pytest.mark.req("AUTONAT1-02")
def test_version_1_dials_the_observed_ip_alone() -> None:
    wishes = ("/ip4/5.10.0.7/tcp/4001", "/ip4/8.8.8.8/tcp/53", "/ip4/192.168.1.1/tcp/80", "/ip6/2a00::1/tcp/4002")
    dialled = texts("/ip4/5.10.0.7/tcp/50123", *wishes)
    assert dialled == [f"/ip4/5.10.0.7/tcp/{port}" for port in (50123, 4001, 53, 80, 4002)]
    assert texts("/ip6/2a00::7/tcp/1", "/ip4/8.8.8.8/tcp/53") == ["/ip6/2a00::7/tcp/1", "/ip6/2a00::7/tcp/53"]


@pytest.mark.req("AUTONAT1-02")
def test_version_1_leaves_out_what_is_no_tcp_at_an_ip() -> None:
    others = ("/dns4/example.org/tcp/1", "/ip4/5.10.0.7/udp/1/quic-v1", f"/ip4/5.10.0.7/tcp/1/p2p/{PEER}/p2p-circuit")
    assert texts("/ip4/5.10.0.7/tcp/50123", *others, "/ip4/5.10.0.7/tcp/0") == ["/ip4/5.10.0.7/tcp/50123"]


@pytest.mark.req("AUTONAT1-03")
def test_version_1_dials_at_most_sixteen() -> None:
    wishes = [f"/ip4/5.10.0.7/tcp/{port}" for port in range(1, 1001)]
    dialled = texts("/ip4/5.10.0.7/tcp/50123", "/ip4/5.10.0.7/tcp/50123", *wishes)
    assert len(dialled) == 16
    assert dialled[:2] == ["/ip4/5.10.0.7/tcp/50123", "/ip4/5.10.0.7/tcp/1"]


@pytest.mark.req("AUTONAT2-02")
def test_version_2_dials_the_first_that_it_is_willing_to() -> None:
    wishes = [
        None,
        parse("/ip4/192.168.1.1/tcp/80"),
        parse("/dns4/intranet.example.org/tcp/80"),
        parse("/ip4/5.10.0.1/tcp/4001"),  # that's us
        parse("/ip4/5.10.0.9/tcp/0"),
        parse("/ip4/5.10.0.9/udp/1/quic-v1"),
        parse(f"/ip4/5.10.0.9/tcp/4001/p2p/{PEER}"),
        parse("/ip4/5.10.0.10/tcp/4001"),
    ]
    chosen = choose(wishes, {"5.10.0.1"}, private=False)
    assert chosen is not None
    assert (chosen.place, str(chosen.address)) == (6, "/ip4/5.10.0.9/tcp/4001")
    assert choose(wishes[:6], {"5.10.0.1"}, private=False) is None
    assert choose(wishes, {"5.10.0.1"}, private=True) == (1, parse("/ip4/192.168.1.1/tcp/80"))


@pytest.mark.req("AUTONAT2-02")
@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("/ip4/5.10.0.7/tcp/1", True),
        ("/ip4/5.10.0.8/tcp/50123", False),
        ("/ip6/2a00::7/tcp/50123", False),
        ("/dns4/five.example.org/tcp/1", False),
    ],
)
def test_data_is_due_for_another_ip_than_the_observed(address: str, *, same: bool) -> None:
    assert same_host(SEEN, parse(address)) is same
    assert same_host(parse(address), SEEN) is same


@pytest.mark.req("AUTONAT2-02")
def test_how_much_data_is_due() -> None:
    assert data_size(0.0) == 30_000
    assert data_size(0.5) == 65_000
    assert data_size(1.0) == 100_000


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.parametrize(
    ("local", "asked", "same"),
    [
        ("/ip4/192.168.1.7/tcp/4001", "/ip4/5.10.0.7/tcp/9", True),
        ("/ip4/192.168.1.7/tcp/4001", f"/ip4/5.10.0.7/tcp/9/p2p/{PEER}", True),
        ("/ip4/192.168.1.7/tcp/4001", "/ip6/2a00::7/tcp/4001", False),
        ("/ip4/192.168.1.7/tcp/4001", "/ip4/5.10.0.7/udp/4001/quic-v1", False),
        ("/ip4/192.168.1.7/tcp/4001", "/ip4/5.10.0.7/tcp/4001/ws", False),
        ("/ip4/192.168.1.7/tcp/4001", "/dns/a.org/tcp/4001", True),
        ("/ip4/192.168.1.7/tcp/4001", "/dns4/a.org/tcp/4001", True),
        ("/ip4/192.168.1.7/tcp/4001", "/dns6/a.org/tcp/4001", False),
        ("/ip6/2a00::7/tcp/4001", "/dns6/a.org/tcp/4001", True),
        ("/ip6/2a00::7/tcp/4001", "/dnsaddr/a.org", False),
        ("/ip4/192.168.1.7/tcp/4001", f"/p2p/{PEER}", False),
        (f"/p2p/{PEER}", "/ip4/192.168.1.7/tcp/4001", False),
    ],
)
def test_a_connection_has_the_protocols_of_the_address(local: str, asked: str, *, same: bool) -> None:
    assert same_stack(parse(local), parse(asked)) is same
