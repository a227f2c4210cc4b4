"""The two protocols of circuit relay v2, and how long their messages may be (RELAY-01)."""

from __future__ import annotations

__all__ = ["HOP", "MAX_MESSAGE", "STOP"]

HOP = "/libp2p/circuit/relay/0.2.0/hop"
"""Spoken by relays: a peer asks for a reservation, or for a circuit to a peer that has one."""

STOP = "/libp2p/circuit/relay/0.2.0/stop"
"""Spoken by peers that reserve: the relay offers them a circuit."""

MAX_MESSAGE = 4_096
"""Bytes of a message, without the length in front of it."""
