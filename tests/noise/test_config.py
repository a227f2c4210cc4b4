from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.noise import NoiseConfig


@pytest.mark.req("NOISE-17", "GEN-04")
def test_defaults() -> None:
    config = NoiseConfig()
    assert (config.max_muxers, config.verified_entries, config.verified_bytes) == (100, 1024, 1024)


@pytest.mark.parametrize("field", ["max_muxers", "verified_entries", "verified_bytes"])
def test_negative_values_are_refused(field: str) -> None:
    assert getattr(NoiseConfig(**{field: 0}), field) == 0
    with pytest.raises(ConfigError, match=field):
        NoiseConfig(**{field: -1})
