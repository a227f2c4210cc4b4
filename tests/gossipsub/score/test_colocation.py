from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.gossipsub.score.colocation import Colocation, IpGroup, excess_squared


def names(groups: tuple[IpGroup, ...]) -> list[str]:
    return [group.name for group in groups]


@pytest.mark.req("GS11-36")
@pytest.mark.parametrize(
    ("ips", "groups"),
    [
        (["192.0.2.1"], ["192.0.2.1"]),
        (["2001:db8::1"], ["2001:db8::1", "2001:db8::/64"]),
        (["2001:db8::1", "2001:DB8:0::2"], ["2001:db8::1", "2001:db8::/64", "2001:db8::2"]),
        (["fe80::1%eth0"], ["fe80::1", "fe80::/64"]),
        (["::ffff:192.0.2.1"], ["192.0.2.1"]),
        (["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"], []),
        (["example.org", "", "192.0.2", "192.0.2.1/24"], []),
        ([], []),
    ],
)
def test_groups_of_addresses(ips: list[str], groups: list[str]) -> None:
    assert names(Colocation().join(ips)) == groups


@pytest.mark.req("GS11-36")
def test_two_connections_from_one_address_count_once() -> None:
    """go counts each connection, and so charges a peer for its own second one; here addresses are a set."""
    groups = Colocation().join(["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"])
    assert [(group.name, group.size) for group in groups] == [("192.0.2.1", 1)]


@pytest.mark.req("GS11-36")
def test_peers_of_a_whitelisted_network_count_nowhere() -> None:
    colocation = Colocation(["10.0.0.0/8", "2001:db8::/48", "192.0.2.7"])
    assert names(colocation.join(["10.9.9.9", "2001:db8:0:1::5", "192.0.2.7"])) == []
    assert names(colocation.join(["11.0.0.1", "2001:db8:1::5", "192.0.2.8"])) == [
        "11.0.0.1",
        "2001:db8:1::5",
        "2001:db8:1::/64",
        "192.0.2.8",
    ]


@pytest.mark.req("GS11-36")
@pytest.mark.parametrize(("peers", "threshold", "excess"), [(3, 3, 0), (4, 3, 1), (6, 3, 9), (1, 1, 0), (5, 2.5, 6.25)])
def test_the_excess_of_a_group_is_squared(peers: int, threshold: float, excess: float) -> None:
    colocation = Colocation()
    for _ in range(peers):
        groups = colocation.join(["192.0.2.1"])
    assert excess_squared(groups, threshold) == excess


@pytest.mark.req("GS11-36")
def test_the_groups_of_a_peer_are_summed_up() -> None:
    colocation = Colocation()
    colocation.join(["192.0.2.1"])
    colocation.join(["192.0.2.1", "2001:db8::1"])
    groups = colocation.join(["192.0.2.1", "2001:db8::2"])
    assert excess_squared(groups, 1) == 2**2 + 0 + 1**2


@given(st.lists(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"])), max_size=12))
def test_nothing_is_left_when_all_have_left(peers: list[list[str]]) -> None:
    colocation = Colocation()
    joined = [colocation.join(ips) for ips in peers]
    for count, groups in enumerate(joined):
        for group in groups:
            assert group.size == sum(group in others for others in joined[count:])
        colocation.leave(groups)
    assert len(colocation) == 0
