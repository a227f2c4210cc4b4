"""What is offered to a peer, and what of a peer's list is dialled: no list of targets."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.dcutr.candidates import dialable, offered, parsed
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, is_public, parse, tcp_endpoint
from p2pstack.services.scope import Scope, suitable

PEER, OTHER = (PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in (1, 2))
PUBLIC = partial(suitable, scope=Scope.PUBLIC)
PRIVATE = partial(suitable, scope=Scope.PRIVATE)
LOOPBACK = partial(suitable, scope=Scope.LOOPBACK)
CONFIG = DcutrConfig()
GOOD = "/ip4/5.10.0.7/tcp/4001"
USELESS = (
    "/ip4/5.10.0.7/udp/4001/quic-v1",
    "/ip4/5.10.0.7/tcp/4001/ws",
    "/ip4/5.10.0.7/tcp/0",
    "/dns4/victim.example.org/tcp/4001",
    "/dnsaddr/victim.example.org",
    f"/ip4/5.10.0.1/tcp/4001/p2p/{OTHER}/p2p-circuit",
    f"/ip4/5.10.0.1/tcp/4001/p2p/{OTHER}/p2p-circuit/p2p/{PEER}",
    f"/p2p/{PEER}",
    "/ip4/0.0.0.0/tcp/4001",
    "/ip4/224.0.0.1/tcp/4001",
    "/ip6/ff02::1/tcp/4001",
    "/ip6zone/eth0/ip6/fe80::1/tcp/4001",
)


def addresses(*texts: str) -> list[Multiaddr]:
    return [parse(text) for text in texts]


def dialled(*texts: str, own: tuple[str, ...] = (), config: DcutrConfig = CONFIG, keep: object = PUBLIC) -> list[str]:
    chosen = dialable(addresses(*texts), PEER, keep, config, set(addresses(*own)))  # type: ignore[arg-type]
    return [str(address) for address in chosen]


@pytest.mark.req("DCUTR-05")
def test_what_does_not_parse_is_left_out() -> None:
    good = parse(GOOD)
    assert parsed([b"", b"\xff\xff", good.to_bytes()[:-1], good.to_bytes(), good.to_bytes() + b"\x00"]) == [good]


@pytest.mark.req("DCUTR-05")
@pytest.mark.parametrize("text", USELESS)
def test_only_plain_tcp_addresses_by_number_are_dialled_or_offered(text: str) -> None:
    assert dialled(text, GOOD, keep=LOOPBACK) == [GOOD]
    assert offered(addresses(text, GOOD), LOOPBACK, CONFIG) == addresses(GOOD)


@pytest.mark.req("DCUTR-05")
@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (PUBLIC, ["/ip4/5.10.0.7/tcp/4001", "/ip6/2a00::1/tcp/4001"]),
        (PRIVATE, ["/ip4/5.10.0.7/tcp/4001", "/ip6/2a00::1/tcp/4001", "/ip4/192.168.1.2/tcp/4001"]),
        (
            LOOPBACK,
            ["/ip4/5.10.0.7/tcp/4001", "/ip6/2a00::1/tcp/4001", "/ip4/192.168.1.2/tcp/4001", "/ip4/127.0.0.1/tcp/4001"],
        ),
    ],
)
def test_the_relay_s_network_decides_which_addresses_are_of_use(keep: object, kept: list[str]) -> None:
    every = ["/ip4/5.10.0.7/tcp/4001", "/ip6/2a00::1/tcp/4001", "/ip4/192.168.1.2/tcp/4001", "/ip4/127.0.0.1/tcp/4001"]
    assert dialled(*every, keep=keep) == kept
    assert offered(addresses(*every), keep, CONFIG) == addresses(*kept)  # type: ignore[arg-type]


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
def test_no_peer_has_us_dial_inside_of_our_own_network() -> None:
    inside = ("/ip4/10.0.0.1/tcp/8080", "/ip4/127.0.0.1/tcp/6379", "/ip4/169.254.169.254/tcp/8080", "/ip6/::1/tcp/8080")
    mapped = ("/ip6/::ffff:10.0.0.1/tcp/8080", "/ip6/64:ff9b::a00:1/tcp/8080")
    assert dialled(*inside, *mapped) == []


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
def test_of_a_thousand_addresses_few_are_dialled_and_of_few_hosts() -> None:
    many_ports = [f"/ip4/5.10.0.7/tcp/{port}" for port in range(2000, 3000)]
    assert dialled(*many_ports) == many_ports[:16]
    many_hosts = [f"/ip4/5.10.{number // 250}.{number % 250}/tcp/4001" for number in range(1000)]
    assert dialled(*many_hosts) == many_hosts[:4]
    assert dialled(*many_hosts[:5], "/ip4/5.10.0.1/tcp/4002") == [*many_hosts[:4], "/ip4/5.10.0.1/tcp/4002"]


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
def test_ports_that_no_nat_gives_away_are_not_dialled() -> None:
    assert dialled("/ip4/5.10.0.7/tcp/22", "/ip4/5.10.0.7/tcp/443", "/ip4/5.10.0.7/tcp/1023", GOOD) == [GOOD]
    assert dialled("/ip4/5.10.0.7/tcp/1024") == ["/ip4/5.10.0.7/tcp/1024"]
    assert offered(addresses("/ip4/5.10.0.7/tcp/443"), PUBLIC, CONFIG) == addresses("/ip4/5.10.0.7/tcp/443")


@pytest.mark.req("DCUTR-05")
def test_addresses_of_others_and_our_own_are_not_dialled() -> None:
    assert dialled(f"{GOOD}/p2p/{OTHER}") == []
    assert dialled(f"{GOOD}/p2p/{PEER}", GOOD) == [GOOD]
    assert dialled(GOOD, "/ip4/5.10.0.8/tcp/4001", own=(GOOD,)) == ["/ip4/5.10.0.8/tcp/4001"]


@pytest.mark.req("DCUTR-05")
def test_no_more_is_offered_than_may_be_sent() -> None:
    many = addresses(*(f"/ip4/5.10.0.7/tcp/{port}" for port in range(4000, 4020)))
    assert offered([*many[:2], *many], PUBLIC, CONFIG) == many[:16]


@given(st.lists(st.sampled_from([*USELESS, GOOD, "/ip4/10.0.0.1/tcp/80"]) | st.text(max_size=20), max_size=30))
def test_whatever_is_listed_what_is_dialled_is_public_tcp(texts: list[str]) -> None:
    known = [parse(text).to_bytes() if text.startswith("/ip4/") else text.encode() for text in texts]
    for address in dialable(parsed(known), PEER, PUBLIC, CONFIG, ()):
        assert is_public(address)
        assert tcp_endpoint(address).port >= CONFIG.lowest_port
