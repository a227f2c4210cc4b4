"""The ways between nodes: how long something takes from one to the other, and whether it arrives at all."""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, sqrt
from random import Random
from typing import Protocol

from p2pstack.errors import ConfigError

__all__ = ["Constant", "Jitter", "Latency", "Links", "Plane"]


class Latency(Protocol):
    """How long something takes from one address to another, one way, in seconds; asked anew for each thing sent."""

    def __call__(self, source: int, target: int) -> float:
        """Return the seconds, at least 0."""


class Constant:
    """The same for all: then a message's hops can be told from the time it took."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, source: int, target: int) -> float:
        """Return the seconds, at least 0."""
        return self.seconds


class Jitter:
    """Anything from ``low`` to ``high``, drawn for each thing sent."""

    __slots__ = ("_random", "high", "low")

    def __init__(self, low: float, high: float, random: Random) -> None:
        self.low = low
        self.high = high
        self._random = random

    def __call__(self, source: int, target: int) -> float:
        """Return the seconds, at least 0."""
        return self._random.uniform(self.low, self.high)


class Plane:
    """Nodes have places in a square, as cities on a map: from ``low``, door to door, to ``high``, corner to corner."""

    __slots__ = ("_places", "_random", "high", "low")

    def __init__(self, low: float, high: float, random: Random) -> None:
        self.low = low
        self.high = high
        self._random = random
        self._places: dict[int, tuple[float, float]] = {}

    def __call__(self, source: int, target: int) -> float:
        """Return the seconds, at least 0."""
        (x, y), (u, v) = self._place(source), self._place(target)
        return self.low + (self.high - self.low) * hypot(x - u, y - v) / sqrt(2)

    def _place(self, address: int) -> tuple[float, float]:
        place = self._places.get(address)
        if place is None:
            place = self._places[address] = (self._random.random(), self._random.random())
        return place


class Links:
    """What lies between all addresses: ``latency``, a share of ``loss`` (0 to 1), and cuts.

    A loss stands for what a full queue drops: what libp2p sends over its streams does not get lost on the way.

    Raises:
        ConfigError: ``loss`` is not from 0 to 1.
    """

    __slots__ = ("_random", "_sides", "latency", "loss")

    def __init__(self, latency: Latency, random: Random, *, loss: float = 0.0) -> None:
        if not 0 <= loss <= 1:
            raise ConfigError("loss must be from 0 to 1")
        self.latency = latency
        self.loss = loss
        self._random = random
        self._sides: dict[int, int] = {}

    def split(self, *sides: Iterable[int]) -> None:
        """Cut the net: nothing passes between two sides. Addresses of no side are one more side together."""
        self._sides = {address: number for number, side in enumerate(sides) for address in side}

    def heal(self) -> None:
        """Undo all cuts."""
        self._sides = {}

    def joined(self, one: int, other: int) -> bool:
        """Whether anything passes between two addresses."""
        return not self._sides or self._sides.get(one, -1) == self._sides.get(other, -1)

    def delay(self, source: int, target: int, *, reliable: bool = False) -> float | None:
        """Return the seconds that something sent now takes; None: it gets lost, unless ``reliable``, or is cut."""
        if self._sides and not self.joined(source, target):
            return None
        if self.loss and not reliable and self._random.random() < self.loss:
            return None
        return self.latency(source, target)
