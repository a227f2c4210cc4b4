from __future__ import annotations

from dataclasses import replace

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.node.config import InboxConfig, NodeConfig, SendConfig, TcpConfig


def test_a_message_is_known_for_longer_than_its_sender_tries() -> None:
    config = NodeConfig()
    assert config.jobs.replay_window - config.handler.max_ahead > config.retry.max_age


@pytest.mark.parametrize(
    "config", [TcpConfig(), SendConfig(), InboxConfig(), NodeConfig()], ids=lambda it: type(it).__name__
)
def test_values_that_cannot_work_are_refused(config: object) -> None:
    for name in config.__slots__:  # type: ignore[attr-defined]
        value = getattr(config, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            with pytest.raises(ConfigError, match=name):
                replace(config, **{name: 0})  # type: ignore[type-var]


def test_a_node_needs_a_way() -> None:
    with pytest.raises(ConfigError):
        NodeConfig(libp2p=False, tcp=TcpConfig(enabled=False))
