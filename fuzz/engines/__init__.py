"""The engines by name: each runs one target for a time and returns what it found."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.engines import by_atheris, by_hypothesis, by_mutation
from fuzz.report import Result

__all__ = ["ENGINES", "Engine"]

Engine = Callable[[str, float, int], Result]
"""Called with the name of a target, the seconds to run, and a seed."""

ENGINES: dict[str, Engine] = {
    "random": by_mutation.fuzz,
    "hypothesis": by_hypothesis.fuzz,
    "atheris": by_atheris.fuzz,
}
