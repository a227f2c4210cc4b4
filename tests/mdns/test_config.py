"""What can't work is refused."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.mdns.config import MdnsConfig


@pytest.mark.parametrize(
    "values",
    [
        {"service": "_p2p._tcp.local"},
        {"ipv4": False, "ipv6": False},
        {"max_peers": 0},
        {"packet_rate": 0.0},
        {"dial_interval": -1.0},
        {"ttl": 0},
        {"ttl": 2**31},
        {"max_ttl": 2**31},
    ],
)
def test_what_can_not_work(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        MdnsConfig(**values)


@pytest.mark.req("MDNS-03")
def test_what_we_say_outlasts_the_pause_of_rusts_questions() -> None:
    assert MdnsConfig().ttl > 300
