from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.autonat.config import AutonatClientConfig, AutonatServerConfig


@pytest.mark.parametrize("field", ["timeout", "dial_timeout", "back_dial_timeout", "back_timeout", "max_delay"])
def test_a_server_that_can_not_work_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        AutonatServerConfig(**{field: -1.0})


@pytest.mark.parametrize("field", ["retry_interval", "timeout", "back_timeout", "follow_interval", "max_questions"])
def test_a_client_that_can_not_work_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        AutonatClientConfig(**{field: 0})


@pytest.mark.req("AUTONAT1-03", "AUTONAT1-04", "AUTONAT2-04")
def test_the_limits_are_those_of_go() -> None:
    server, client = AutonatServerConfig(), AutonatClientConfig()
    assert (server.v1.total, server.v1.per_peer, server.v1.window, server.dial_timeout) == (30, 3, 60.0, 15.0)
    assert (server.v2.total, server.v2.per_peer, server.v2_elsewhere.total, server.v2.concurrent) == (60, 12, 12, 2)
    assert (server.timeout, server.max_delay, client.retry_interval) == (15.0, 3.0, 90.0)
    assert not server.private
    assert not client.private
