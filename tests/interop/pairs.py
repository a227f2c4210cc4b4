"""Who is tried with whom."""

from __future__ import annotations

import os

import pytest

from tests.interop.harness import KINDS

__all__ = ["PAIRS", "each_kind", "each_other_kind", "each_pair", "our_pairs"]

OTHERS = ("go", "rust")


def our_pairs() -> list[tuple[str, str]]:
    """(dialer, listener): p2pstack with each other peer both ways, and with itself."""
    both_ways = [pair for kind in OTHERS for pair in (("p2pstack", kind), (kind, "p2pstack"))]
    return [*both_ways, ("p2pstack", "p2pstack")]


def _pairs() -> list[tuple[str, str]]:
    """Our pairs, or those of ``P2PSTACK_INTEROP_PAIRS=go:rust,rust:go``.

    The variable is there to try the tests themselves on peers that are known to be good.
    """
    chosen = os.environ.get("P2PSTACK_INTEROP_PAIRS")
    if chosen is None:
        return our_pairs()
    pairs = [pair.split(":") for pair in chosen.split(",")]
    return [(dialer, listener) for dialer, listener in pairs]


PAIRS = _pairs()

each_pair = pytest.mark.parametrize(("dialer", "listener"), PAIRS, ids=[f"{a}-dials-{b}" for a, b in PAIRS])
each_kind = pytest.mark.parametrize("kind", [kind for kind in KINDS if any(kind in pair for pair in PAIRS)])
each_other_kind = pytest.mark.parametrize("kind", OTHERS)
