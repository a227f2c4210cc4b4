from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LimitExceeded
from p2pstack.host.config import LimitsConfig
from p2pstack.host.limits import Limits, Usage

LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]


def limits(**options: Any) -> Limits:
    return Limits(LimitsConfig(**options))


def refused(answer: LimitExceeded | None) -> str:
    return "" if answer is None else answer.name


def taken(what: Limits) -> dict[str, int]:
    return {name: usage.current for name, usage in what.usage().items()}


@pytest.mark.req("GEN-05")
@pytest.mark.parametrize(
    ("options", "name", "limit"),
    [
        ({"connections": 2}, "connections", 2),
        ({"inbound_connections": 2}, "inbound_connections", 2),
        ({"upgrading": 2}, "upgrading", 2),
        ({"connections_per_ip": 2}, "connections_per_ip", 2),
        ({"connection_burst_per_ip": 2, "connection_rate_per_ip": 0.5}, "connection_rate_per_ip", 0.5),
    ],
)
def test_inbound_connections_are_refused_at_each_limit_and_not_counted(
    options: dict[str, Any], name: str, limit: float
) -> None:
    what = limits(**options)
    for _ in range(2):
        assert what.admit_inbound("192.0.2.1", 0.0) is None
    before = what.usage()
    for _ in range(3):
        answer = what.admit_inbound("192.0.2.1", 0.0)
        assert answer is not None
        assert (answer.name, answer.limit) == (name, limit)
    assert what.usage() == before


@pytest.mark.req("GEN-05")
@pytest.mark.parametrize("options", [{"connections": 1}, {"inbound_connections": 1}, {"connections_per_ip": 1}])
def test_what_is_released_makes_room(options: dict[str, Any]) -> None:
    what = limits(**options)
    for upgraded in (False, True, False):
        assert what.admit_inbound("192.0.2.1", 0.0) is None
        assert what.admit_inbound("192.0.2.1", 0.0) is not None
        if upgraded:
            what.upgraded()
        what.release_inbound("192.0.2.1", upgraded=upgraded)
    assert set(taken(what).values()) == {0}


@pytest.mark.req("GEN-05")
def test_an_upgraded_connection_is_no_longer_half_open() -> None:
    what = limits(upgrading=1)
    assert what.admit_inbound("192.0.2.1", 0.0) is None
    assert refused(what.admit_inbound("192.0.2.2", 0.0)) == "upgrading"
    what.upgraded()
    assert what.admit_inbound("192.0.2.2", 0.0) is None
    assert taken(what)["upgrading"] == 1
    assert taken(what)["inbound_connections"] == 2


@pytest.mark.req("GEN-05")
def test_own_dials_find_room_when_others_have_taken_all_of_theirs() -> None:
    what = limits(connections=3, inbound_connections=2)
    for _ in range(2):
        assert what.admit_inbound("::1", 0.0) is None
    assert refused(what.admit_inbound("::1", 0.0)) == "inbound_connections"
    assert what.admit_outbound() is None
    assert refused(what.admit_outbound()) == "connections"
    assert refused(what.admit_inbound("::1", 0.0)) == "connections"
    what.release_outbound()
    assert what.admit_outbound() is None


def test_usage_shows_each_limit_beside_what_is_taken() -> None:
    what = limits(connections=9, connections_per_ip=7, inbound_streams=5, window_memory=3)
    what.admit_outbound()
    for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        what.admit_inbound(host, 0.0)
    assert what.inbound_streams.take(4)
    assert what.windows.take(3)
    assert what.usage() == {
        "connections": Usage(4, 9),
        "inbound_connections": Usage(3, 768),
        "upgrading": Usage(3, 256),
        "connections_per_ip": Usage(2, 7),
        "inbound_streams": Usage(4, 5),
        "window_memory": Usage(3, 3),
    }
    assert not what.windows.take(1)


# -- by address


@pytest.mark.req("GEN-05", "TCP-05")
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_an_ipv4_address_or_an_ipv6_64_is_one_source(one: str, other: str, same: bool) -> None:
    what = limits(connections_per_ip=1)
    assert what.admit_inbound(one, 0.0) is None
    assert refused(what.admit_inbound(other, 0.0)) == ("connections_per_ip" if same else "")


@pytest.mark.req("GEN-05", "TCP-05")
@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_exempt(host: str) -> None:
    what = limits(connections_per_ip=1, connection_burst_per_ip=1)
    for _ in range(50):
        assert what.admit_inbound(host, 0.0) is None
    assert taken(what)["connections_per_ip"] == 0
    for _ in range(50):
        what.release_inbound(host, upgraded=False)
    assert set(taken(what).values()) == {0}


def test_what_is_no_address_is_a_source_by_its_text() -> None:
    what = limits(connections_per_ip=1)
    assert what.admit_inbound("a name", 0.0) is None
    assert refused(what.admit_inbound("a name", 0.0)) == "connections_per_ip"


@pytest.mark.req("GEN-05", "TCP-05")
def test_the_rate_allows_a_burst_and_then_one_now_and_then() -> None:
    what = limits(connection_burst_per_ip=3, connection_rate_per_ip=0.5)

    def comes(now: float) -> bool:
        answer = what.admit_inbound("192.0.2.1", now)
        if answer is None:
            what.release_inbound("192.0.2.1", upgraded=False)
        return answer is None

    assert [comes(0.0) for _ in range(4)] == [True, True, True, False]
    assert [comes(1.0), comes(2.0), comes(2.5), comes(4.0), comes(5.9)] == [False, True, False, True, False]
    assert [comes(1_000.0) for _ in range(4)] == [True, True, True, False], "no more than the burst is saved"


def test_one_address_does_not_use_up_another_one_s_rate() -> None:
    what = limits(connection_burst_per_ip=1)
    assert what.admit_inbound("192.0.2.1", 0.0) is None
    assert refused(what.admit_inbound("192.0.2.1", 0.0)) == "connection_rate_per_ip"
    assert what.admit_inbound("192.0.2.2", 0.0) is None


@pytest.mark.req("GEN-04")
def test_the_memory_of_rates_is_bounded_and_forgets_the_quietest() -> None:
    what = limits(tracked_ips=2, connection_burst_per_ip=1)
    for host in ("192.0.2.1", "192.0.2.2"):
        assert what.admit_inbound(host, 0.0) is None
    assert refused(what.admit_inbound("192.0.2.1", 0.0))
    assert what.admit_inbound("192.0.2.3", 0.0) is None
    assert len(what._buckets) == 2
    assert refused(what.admit_inbound("192.0.2.1", 0.0)), "it was heard of last"
    assert what.admit_inbound("192.0.2.2", 0.0) is None, "it was forgotten"


@given(
    st.lists(
        st.tuples(st.sampled_from(["in", "up", "out", "-in", "-out"]), st.sampled_from(["::1", "192.0.2.1", "2001::"])),
        max_size=60,
    )
)
def test_the_counts_are_those_of_what_was_admitted_and_not_released(steps: list[tuple[str, str]]) -> None:
    what = limits(
        connections=9, inbound_connections=6, upgrading=3, connections_per_ip=2, connection_burst_per_ip=1_000
    )
    inbound: list[tuple[str, bool]] = []
    outbound = 0
    for step, host in steps:
        if step == "in" and what.admit_inbound(host, 0.0) is None:
            inbound.append((host, False))
        elif step == "out" and what.admit_outbound() is None:
            outbound += 1
        elif step == "up" and (host, False) in inbound:
            inbound.remove((host, False))
            inbound.append((host, True))
            what.upgraded()
        elif step == "-in" and inbound:
            gone, upgraded = inbound.pop()
            what.release_inbound(gone, upgraded=upgraded)
        elif step == "-out" and outbound:
            what.release_outbound()
            outbound -= 1
        sources = [each for each, _ in inbound if each != "::1"]
        assert taken(what) == {
            "connections": len(inbound) + outbound,
            "inbound_connections": len(inbound),
            "upgrading": sum(not upgraded for _, upgraded in inbound),
            "connections_per_ip": max((sources.count(each) for each in sources), default=0),
            "inbound_streams": 0,
            "window_memory": 0,
        }
        assert all(usage.current <= usage.limit for usage in what.usage().values())
