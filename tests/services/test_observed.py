"""Observed addresses are believed only when several groups of observers agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.services.observed import ObservedAddresses, observer_group

OURS = parse("/ip4/8.8.4.4/tcp/4001")
OTHER = parse("/ip4/8.8.4.4/tcp/4002")


def observer(number: int) -> Multiaddr:
    return parse(f"/ip4/9.{number // 256}.{number % 256}.7/tcp/1000")


def observed(**kwargs: int) -> ObservedAddresses:
    return ObservedAddresses(**{"confirmations": 4, "max_confirmed": 3, "max_observations": 100, **kwargs})


@pytest.mark.req("IDN-07")
def test_four_groups_have_to_agree() -> None:
    addresses = observed()
    assert [addresses.report(n, OURS, observer(n)) for n in range(3)] == [False] * 3
    assert addresses.confirmed == ()
    assert addresses.report(3, OURS, observer(3))
    assert addresses.confirmed == (OURS,)
    assert not addresses.report(4, OURS, observer(4))


@pytest.mark.req("IDN-07")
def test_many_observers_of_one_group_count_once() -> None:
    addresses = observed()
    for number in range(50):
        assert not addresses.report(number, OURS, parse(f"/ip4/9.9.9.9/tcp/{1000 + number}"))
    for number in range(50, 100):
        assert not addresses.report(number, OURS, parse(f"/ip6/2a00:1450:4001:8ff::{number:x}/tcp/1"))
    assert addresses.confirmed == ()


@pytest.mark.parametrize(
    ("remote", "group"),
    [
        ("/ip4/9.9.9.9/tcp/1", "9.9.9.9"),
        ("/ip6/2a00:1450:4001:8ff::1/tcp/1", "2a00:1450:4001:800::/56"),
        ("/ip4/10.0.0.1/tcp/1", None),
        ("/ip4/127.0.0.1/tcp/1", None),
        ("/dns4/example.org/tcp/1", None),
        ("/ip4/9.9.9.9/udp/1/quic-v1", None),
    ],
)
def test_the_group_of_an_observer(remote: str, group: str | None) -> None:
    assert observer_group(parse(remote)) == group


@pytest.mark.req("IDN-07")
@pytest.mark.parametrize(
    "reported",
    [
        "/ip4/10.0.0.1/tcp/4001",
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/8.8.4.4/tcp/0",
        "/ip4/8.8.4.4/udp/4001",
        "/dns4/example.org/tcp/4001",
    ],
)
def test_what_nobody_could_dial_is_dropped(reported: str) -> None:
    addresses = observed()
    for number in range(8):
        assert not addresses.report(number, parse(reported), observer(number))
    assert len(addresses) == 0


def test_a_connection_counts_with_its_last_report_alone() -> None:
    addresses = observed()
    for number in range(4):
        addresses.report(number, OURS, observer(number))
    for number in range(3):
        addresses.report(number, OTHER, observer(number))
    assert addresses.confirmed == ()
    assert addresses.report(3, OTHER, observer(3))
    assert addresses.confirmed == (OTHER,)
    assert len(addresses) == 4


def test_a_useless_later_report_withdraws_the_earlier_one() -> None:
    addresses = observed()
    for number in range(4):
        addresses.report(number, OURS, observer(number))
    addresses.report(0, parse("/ip4/10.0.0.1/tcp/1"), observer(0))
    assert len(addresses) == 3


def test_belief_ends_when_fewer_than_half_are_left() -> None:
    addresses = observed()
    for number in range(4):
        addresses.report(number, OURS, observer(number))
    assert not addresses.forget(0)
    assert not addresses.forget(1)
    assert addresses.confirmed == (OURS,)
    assert addresses.forget(2)
    assert addresses.confirmed == ()
    assert not addresses.forget(2)


def test_the_best_confirmed_addresses_are_chosen() -> None:
    addresses = observed(max_confirmed=1)
    for number in range(4):
        addresses.report(number, OURS, observer(number))
    for number in range(10, 15):
        addresses.report(number, OTHER, observer(number))
    assert addresses.confirmed == (OTHER,)


@pytest.mark.req("GEN-04")
def test_reports_are_bounded() -> None:
    addresses = observed(max_observations=10)
    for number in range(1_000):
        addresses.report(number, OURS, observer(number))
    assert len(addresses) == 10


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.booleans(), st.booleans()), max_size=60))
def test_it_agrees_with_a_naive_count(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Without hysteresis nothing is believed below half, and everything is from the threshold on."""
    addresses = observed()
    reports: dict[int, tuple[Multiaddr, int]] = {}
    for connection, group, first, forget in steps:
        if forget:
            addresses.forget(connection)
            reports.pop(connection, None)
        else:
            address = OURS if first else OTHER
            addresses.report(connection, address, observer(group))
            reports[connection] = (address, group)
        for address in (OURS, OTHER):
            groups = len({group for seen, group in reports.values() if seen == address})
            if groups >= 4:
                assert address in addresses.confirmed
            elif groups < 2:
                assert address not in addresses.confirmed


@pytest.mark.req("DCUTR-05")
def test_what_peers_report_is_known_before_it_is_believed() -> None:
    addresses = observed(max_confirmed=2)
    addresses.report(0, OTHER, observer(0))
    addresses.report(1, OURS, observer(1))
    addresses.report(2, OURS, observer(2))
    assert addresses.confirmed == ()
    assert addresses.reported() == [OURS, OTHER]
    addresses.report(3, parse("/ip4/8.8.4.4/tcp/4003"), observer(3))
    assert addresses.reported()[0] == OURS
    assert len(addresses.reported()) == 2
    addresses.forget(1)
    addresses.forget(2)
    assert OURS not in addresses.reported()
