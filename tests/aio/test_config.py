from __future__ import annotations

from typing import Any

import pytest

from p2pstack.aio.config import ShellConfig
from p2pstack.errors import ConfigError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stream_timeout", 0),
        ("stream_timeout", -1.0),
        ("write_timeout", 0),
        ("unread_timeout", -1),
        ("write_high_water", 0),
        ("max_handlers", 0),
        ("handler_grace", 0),
        ("spin_seconds", -1e-6),
        ("spin_seconds", 0.011),
        ("spin_seconds", float("nan")),
        ("write_timeout", float("nan")),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(field: str, value: float) -> None:
    options: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=field):
        ShellConfig(**options)


def test_the_bounds_are_allowed() -> None:
    assert ShellConfig(stream_timeout=None, spin_seconds=0.01, max_handlers=1).stream_timeout is None
    assert ShellConfig().spin_seconds == 0, "spinning is for those who ask for it"


def test_it_is_frozen() -> None:
    with pytest.raises(AttributeError):
        ShellConfig().max_handlers = 7  # type: ignore[misc]
