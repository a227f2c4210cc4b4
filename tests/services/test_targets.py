"""Peers that a program names."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.targets import read_targets

PEERS = [PrivateKey.from_seed(bytes((number,)) * 32).peer_id for number in range(3)]
ADDRESS = parse("/ip4/127.0.0.1/tcp/4001")


def test_targets_are_read() -> None:
    first, second, third = PEERS
    found = read_targets([first, str(second), f"{ADDRESS}/p2p/{third}", parse(f"/ip4/127.0.0.1/tcp/1/p2p/{third}")])
    assert found == {
        first: [],
        second: [],
        third: [parse(f"{ADDRESS}/p2p/{third}"), parse(f"/ip4/127.0.0.1/tcp/1/p2p/{third}")],
    }
    with pytest.raises(ConfigError, match="names no peer"):
        read_targets([ADDRESS])
    with pytest.raises(DecodeError):
        read_targets(["nobody"])
