"""The numbers of the DHT's shell."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.kad.filters import Network
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.services.kad.config import KademliaConfig, Mode


def test_presets() -> None:
    public = KademliaConfig.public(("/ip4/192.0.2.1/tcp/1",))
    assert public.kad.network is Network.PUBLIC
    assert public.protocol == PROTOCOL
    assert public.mode is Mode.AUTO
    assert public.bootstrap == ("/ip4/192.0.2.1/tcp/1",)
    private = KademliaConfig.private("/mine/kad/1.0.0")
    assert private.kad.network is Network.ANY
    assert private.protocol == "/mine/kad/1.0.0"
    assert private.mode is Mode.SERVER


@pytest.mark.parametrize(
    "name", ["max_lookups", "idle_timeout", "max_inbound_streams", "max_served_streams", "sweep_interval"]
)
def test_numbers_that_can_not_work(name: str) -> None:
    for value in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match=name):
            KademliaConfig(**{name: value})


def test_a_protocol_has_a_slash() -> None:
    with pytest.raises(ConfigError, match="protocol id"):
        KademliaConfig(protocol="kad")
