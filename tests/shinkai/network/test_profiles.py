"""What each era makes of a host."""

from __future__ import annotations

import pytest

from p2pstack.host.config import DialConfig, HostConfig
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.profiles import Profile, identity_of_agent
from tests.shinkai.network.nodes import KEYS
from tests.vectors import load

ALICE = ShinkaiName.parse("@@alice.shinkai")
VECTORS = load("shinkai")["key_derivation_from_name_seed_era"]["vectors"]
SEEDS = {vector["name"]: vector["peer_id"] for vector in VECTORS}


@pytest.mark.req("SHK-70")
def test_the_key_is_the_names_or_the_nodes() -> None:
    keys = KEYS["alice"]
    assert str(Profile.SEED.key(ALICE, keys).peer_id) == SEEDS["@@alice.shinkai"]
    assert Profile.HEAD.key(ALICE, keys) is keys.signature


@pytest.mark.req("SHK-70")
def test_identify_tells_the_profile() -> None:
    config = Profile.HEAD.host_config(ALICE, HostConfig())
    assert (config.agent_version, config.protocol_version) == ("shinkai-node-@@alice.shinkai", "/shinkai/1.0.0")
    assert config.dial.backoff_max == 20.0
    config = Profile.SEED.host_config(ALICE, HostConfig(dial=DialConfig(backoff_max=5.0)))
    assert (config.agent_version, config.dial.backoff_max) == ("p2pstack/shinkai-node-@@alice.shinkai", 5.0)


def test_both_is_two() -> None:
    assert Profile.BOTH.single == (Profile.HEAD, Profile.SEED)
    assert Profile.SEED.single == (Profile.SEED,)
    assert Profile("head") is Profile.HEAD


@pytest.mark.parametrize(
    ("agent", "identity"),
    [
        ("shinkai-node-@@Bob.shinkai", "@@bob.shinkai"),
        ("p2pstack/shinkai-node-@@bob.shinkai", "@@bob.shinkai"),
        ("shinkai-relayer/@@relay.sep-shinkai/1.1.20", "@@relay.sep-shinkai"),
        ("rust-libp2p/0.44.2", ""),
        ("node-@@bob.shinkai", ""),
        ("shinkai-node-@@\x1b[31m.shinkai", ""),
        ("", ""),
    ],
)
def test_the_name_in_an_agent(agent: str, identity: str) -> None:
    assert identity_of_agent(agent) == identity
