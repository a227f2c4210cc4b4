"""Data made by other implementations of libp2p, to check ours against.

Each ``.json`` file says in its field ``how`` (or ``producer``) what made it. Byte strings are in hex. The
``go-trace-*.jsonl`` files are what a go peer logged of its own frames. The identities in them are Ed25519 keys with
the seeds 32 x 01 (dialer), 32 x 02 (listener) and 32 x 03 (relay).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return the vectors of ``name``.json; they are shared between tests, so nobody changes them."""
    vectors: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return vectors


@functools.cache
def load_trace(name: str) -> list[dict[str, Any]]:
    """Return the entries of go-trace-``name``.jsonl in their order."""
    lines = (FOLDER / f"go-trace-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
