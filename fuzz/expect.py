"""Errors that a target expects, as values to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["caught"]

Expected = TypeVar("Expected", bound=Exception)


def caught(kind: type[Expected], call: Callable[..., object], *arguments: object) -> Expected | None:
    """Call, and return the error of this kind that comes; None when nothing is raised. Other errors pass through."""
    try:
        call(*arguments)
    except kind as error:
        return error
    return None
