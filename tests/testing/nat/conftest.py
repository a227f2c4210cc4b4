"""Fixtures of the tests of the nets: those of the tests behind NATs."""

from tests.nat.conftest import build

__all__ = ["build"]
