"""The targets by name. Their modules are loaded when they are asked for, so that an engine can instrument them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

__all__ = ["CORPUS", "TARGETS", "Run", "load", "load_corpus"]

Run = Callable[[bytes], None]
"""Takes one input; returns if all is well, and raises what is to be reported."""

CORPUS = Path(__file__).parent / "corpus"
"""A folder for each target that holds the inputs to start from: those of fuzz/seeds.py, and what once failed."""

TARGETS: dict[str, str] = {
    "uvarint": "wire:run_uvarint",
    "framing": "wire:run_framing",
    "multistream-initiator": "multistream:run_initiator",
    "multistream-responder": "multistream:run_responder",
    "noise-handshake-initiator": "noise:run_initiator",
    "noise-handshake-responder": "noise:run_responder",
    "noise-transport": "noise:run_transport",
    "yamux-session": "yamux:run_session",
    "yamux-pair": "yamux:run_pair",
    "connection-client": "connection:run_client",
    "connection-server": "connection:run_server",
    "peer-id": "identity:run_peer_id",
    "keys": "identity:run_keys",
    "multiaddr": "identity:run_multiaddr",
    "envelope": "identity:run_envelope",
    "peer-record": "identity:run_peer_record",
    "identify": "identify:run_identify",
}
"""Name -> module in fuzz/targets and function."""


def load(name: str) -> Run:
    """Return the function of a target; KeyError if there is none of that name."""
    module, _, function = TARGETS[name].partition(":")
    run: Run = getattr(importlib.import_module(f"fuzz.targets.{module}"), function)
    return run


def load_corpus(name: str) -> list[bytes]:
    """Return the inputs that are kept for a target, in the order of their file names."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*.bin"))]
