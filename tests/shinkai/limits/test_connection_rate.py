"""Connections of one address."""

from __future__ import annotations

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.limits.config import ConnectionRateConfig
from p2pstack.shinkai.limits.connection_rate import ConnectionRate, source_of

STRANGER = "198.51.100.7"


def refusal(error: LimitExceeded | None) -> str:
    return "" if error is None else error.name


@pytest.mark.req("SHK-50")
def test_a_burst_of_three_then_five_a_second() -> None:
    rate = ConnectionRate()
    assert [refusal(rate.admit(STRANGER, 0.0)) for _ in range(4)] == ["", "", "", "connections_per_second"]
    assert refusal(rate.admit(STRANGER, 0.1)) == "connections_per_second"
    assert refusal(rate.admit(STRANGER, 0.2)) == ""
    assert refusal(rate.admit("198.51.100.8", 0.2)) == ""
    assert rate.open(STRANGER) == 4


@pytest.mark.req("SHK-50")
def test_ten_at_the_same_time() -> None:
    rate = ConnectionRate()
    assert [refusal(rate.admit(STRANGER, float(now))) for now in range(11)] == [""] * 10 + ["concurrent_per_ip"]
    rate.release(STRANGER)
    assert refusal(rate.admit(STRANGER, 20.0)) == ""
    for _ in range(10):
        rate.release(STRANGER)
    assert rate.open(STRANGER) == 0


@pytest.mark.req("SHK-50")
def test_this_machine_is_exempt_unless_it_is_said_otherwise() -> None:
    rate = ConnectionRate()
    assert all(rate.admit(host, 0.0) is None for host in ["127.0.0.1", "::1", "127.9.9.9"] * 5)
    rate.release("127.0.0.1")
    strict = ConnectionRate(ConnectionRateConfig(exempt_loopback=False))
    assert [refusal(strict.admit("127.0.0.1", 0.0)) for _ in range(4)][-1] == "connections_per_second"


@pytest.mark.req("SHK-53")
def test_refused_addresses_leave_nothing_behind_and_the_table_is_bounded() -> None:
    rate = ConnectionRate(ConnectionRateConfig(max_tracked=8, burst=1))
    for number in range(200):
        host = f"203.0.113.{number}"
        assert rate.admit(host, 0.0) is None
        assert refusal(rate.admit(host, 0.0)) == "connections_per_second"
        rate.release(host)
        assert refusal(rate.admit(host, 0.0)) == "connections_per_second"
    assert rate.tracked == 8
    assert not rate._open


@pytest.mark.req("SHK-50")
@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("unknown", "unknown"),
    ],
)
def test_what_counts_as_one_source(host: str, source: str) -> None:
    assert source_of(host) == source
