from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError, LocalError
from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig


@pytest.mark.req("YMX-06")
def test_the_first_window_is_256_kib() -> None:
    assert INITIAL_WINDOW == 256 * 1024


@pytest.mark.req("YMX-17", "YMX-20")
def test_the_defaults_are_those_that_go_and_rust_can_live_with() -> None:
    config = YamuxConfig()
    assert config.max_unacknowledged <= 256
    assert config.max_streams <= 512
    assert config.max_pongs <= 32
    assert config.max_frame + 12 == 65_519


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_inbound_streams", 0),
        ("max_streams", 0),
        ("max_unacknowledged", 0),
        ("max_pongs", -1),
        ("max_control", 0),
        ("ping_interval", 0.0),
        ("ping_timeout", -1.0),
        ("ping_timeout", float("nan")),
        ("close_timeout", 0.0),
        ("max_window", INITIAL_WINDOW - 1),
        ("max_frame", 0),
        ("max_frame", 65_508),
        ("quantum", 0),
        ("max_window_growth", -1),
        ("max_unread", 0),
        ("drain_mark", -1),
        ("max_unsent", 262_143),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        YamuxConfig(**{field: value})  # type: ignore[arg-type]
    assert isinstance(caught.value, LocalError)
    assert isinstance(caught.value, ValueError)


def test_the_extremes_that_do_work_are_taken() -> None:
    ones = ["max_inbound_streams", "max_streams", "max_unacknowledged", "max_pongs", "max_control", "max_frame"]
    ones += ["quantum", "max_unread"]
    config = YamuxConfig(
        **dict.fromkeys(ones, 1), max_window=INITIAL_WINDOW, max_window_growth=0, max_unsent=0, drain_mark=0
    )
    assert config.max_frame == 1
    assert YamuxConfig(max_unsent=262_144).max_unsent == YamuxConfig().drain_mark
