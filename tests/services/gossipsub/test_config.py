"""Configurations that can't work are refused, by the name of the field."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import data_prefix_id, default_id, rust_id, sha256_id
from p2pstack.gossipsub.signing import SigningPolicy, build
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.gossipsub.config import PubsubConfig


@pytest.mark.parametrize(
    "name",
    [
        "publish_timeout", "publish_burst", "publish_mark", "max_control_queue", "write_timeout", "open_timeout",
        "max_streams_in_a_row", "reopen_delay", "reopen_memory", "verify_inline", "verify_batch", "max_validations",
        "max_topic_validations", "validation_timeout", "exchange_dials", "exchange_timeout",
    ],
)  # fmt: skip
def test_what_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        PubsubConfig(**{name: 0})


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"verify_threads": -1}, "verify_threads"),
        ({"close_timeout": -1}, "close_timeout"),
        ({"max_queue": 1_048_575}, "max_queue"),
        ({"max_queue": 2_000_000, "publish_mark": 3_000_000}, "publish_mark"),
        ({"author": False}, "author"),
        ({"policy": SigningPolicy.STRICT_NO_SIGN, "author": True}, "author"),
        ({"policy": SigningPolicy.STRICT_NO_SIGN, "author": PrivateKey.generate()}, "author"),
        ({"policy": SigningPolicy.STRICT_NO_SIGN, "message_id": default_id}, "message_id"),
        ({"policy": SigningPolicy.PERMISSIVE, "author": False, "message_id": default_id}, "message_id"),
    ],
)
def test_what_does_not_fit_together(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        PubsubConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"verify_threads": 0, "close_timeout": 0.0, "validation_timeout": None},
        {"max_queue": 1_000, "publish_mark": 1_000, "router": GossipsubConfig(max_rpc=1_000)},
        {"policy": SigningPolicy.PERMISSIVE, "author": False, "message_id": sha256_id},
    ],
)
def test_what_fits(settings: dict[str, Any]) -> None:
    config = PubsubConfig(**settings)
    assert all(getattr(config, name) == value for name, value in settings.items())


@pytest.mark.req("GS10-10")
@pytest.mark.parametrize(
    ("policy", "author", "signs"),
    [
        (SigningPolicy.STRICT_SIGN, None, True),
        (SigningPolicy.STRICT_SIGN, True, True),
        (SigningPolicy.STRICT_NO_SIGN, None, False),
        (SigningPolicy.STRICT_NO_SIGN, False, False),
        (SigningPolicy.PERMISSIVE, None, True),
        (SigningPolicy.PERMISSIVE, False, False),
    ],
)
def test_who_signs(policy: SigningPolicy, author: bool | None, signs: bool) -> None:
    assert PubsubConfig(policy=policy, author=author).signs is signs


@pytest.mark.req("GS10-06")
def test_how_messages_are_told_apart() -> None:
    key = PrivateKey.generate()
    signed, anonymous = build("t", b"data", key=key, seqno=7), build("t", b"data")
    assert PubsubConfig().id_of(signed) == default_id(signed)
    assert PubsubConfig(message_id=rust_id).id_of(signed) == rust_id(signed)
    assert PubsubConfig(message_id=data_prefix_id(2)).id_of(signed) == b"da"
    permissive = PubsubConfig(policy=SigningPolicy.PERMISSIVE)
    assert permissive.id_of(signed) == default_id(signed)
    assert permissive.id_of(anonymous) == sha256_id(anonymous)
    assert PubsubConfig(policy=SigningPolicy.STRICT_NO_SIGN).id_of(anonymous) == sha256_id(anonymous)
