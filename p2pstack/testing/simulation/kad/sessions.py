"""How long nodes of a simulated DHT stay (specs/kad.md)."""

from __future__ import annotations

from math import gamma, log
from random import Random

from p2pstack.errors import ConfigError

__all__ = ["SHAPE", "Sessions"]

SHAPE = 0.61
"""Of the Weibull distribution. With a median of 2 hours it puts 80 % below 8, as was measured of the servers of the
public network (ProbeLab, RFM 2, 2022); sessions in KAD were of this kind too (Steiner et al., 2009)."""


class Sessions:
    """Lengths of sessions by chance, in seconds; half of them are shorter than ``median``.

    Raises:
        ConfigError: ``median`` is not positive.
    """

    def __init__(self, median: float, random: Random) -> None:
        if not median > 0:
            raise ConfigError("the median of sessions must be positive")
        self._scale: float = median / pow(log(2), 1 / SHAPE)
        self._random = random

    @property
    def mean(self) -> float:
        """The mean, which is more than the median: few stay for very long."""
        return self._scale * gamma(1 + 1 / SHAPE)

    def whole(self) -> float:
        """Return how long one stays that comes now."""
        return self._random.weibullvariate(self._scale, SHAPE)

    def rest(self) -> float:
        """Return how long one still stays that is there: one by chance is rather in a long session."""
        length: float = self._random.gammavariate(1 + 1 / SHAPE, 1.0) ** (1 / SHAPE)
        return self._scale * length * self._random.random()
