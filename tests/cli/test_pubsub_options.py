from __future__ import annotations

import pytest

from p2pstack.cli.pubsub_options import pubsub_config
from p2pstack.errors import ConfigError
from p2pstack.gossipsub.ids import rust_id, sha256_id
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.services.gossipsub.config import PubsubConfig
from tests.cli.commands import options_of


def made(*argv: str) -> PubsubConfig:
    return pubsub_config(options_of("peer", "gossip", "--topic", "T", *argv))


def test_without_arguments_the_defaults_hold() -> None:
    assert made() == PubsubConfig()
    assert pubsub_config(options_of("pub", "T", "--peer", "A"), close_timeout=7.0) == PubsubConfig(close_timeout=7.0)


def test_policies() -> None:
    assert made("--anonymous").policy is SigningPolicy.STRICT_NO_SIGN
    assert made("--permissive").policy is SigningPolicy.PERMISSIVE
    assert made("--permissive").signs
    assert made("--policy", "lax") == made("--permissive")
    unsigned = made("--policy", "lax-unsigned")
    assert (unsigned.policy, unsigned.signs, unsigned.message_id) == (SigningPolicy.PERMISSIVE, False, sha256_id)
    assert pubsub_config(options_of("sub", "T", "--anonymous")).policy is SigningPolicy.STRICT_NO_SIGN


def test_what_differs_between_networks() -> None:
    config = made("--ids", "rust", "--no-flood-publish", "--heartbeat-ms", "250", "--max-transmit", "8MiB")
    assert config.message_id is rust_id
    assert config.router.heartbeat_interval == 0.25
    assert not config.router.flood_publish
    assert config.router.max_rpc == config.max_queue == 8 << 20
    assert made("--ids", "sha256").message_id is sha256_id
    assert made("--flood-publish").router.flood_publish
    router = made("--mesh-size", "0", "--unsubscribe-backoff", "1", "--px").router
    assert (router.d, router.d_low, router.d_high, router.d_out) == (0, 0, 0, 0)
    assert (router.unsubscribe_backoff, router.peer_exchange) == (1.0, True)


def test_values_that_do_not_fit_together() -> None:
    with pytest.raises(ConfigError, match="heartbeat_interval"):
        made("--heartbeat-ms", "0")
