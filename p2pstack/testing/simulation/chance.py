"""Chance that is the same at every run: each thing that draws has a source of its own, named and made from one seed.

So what one thing draws changes nothing for another, and two networks that differ in one respect can be compared.
"""

from __future__ import annotations

from random import Random

__all__ = ["seeded"]


def seeded(seed: int, name: str) -> Random:
    """Return the source of chance that ``name`` has with ``seed``. Not for keys: who knows the seed knows all."""
    # A text is hashed with SHA-512 there, not with the hash that differs from process to process.
    return Random(f"{seed}/{name}")  # noqa: S311 - it is meant to be foreseen
