"""The names under which networks run their DHT (KAD-01; specs/kad.md)."""

from __future__ import annotations

__all__ = ["LAN_PROTOCOL", "PROTOCOL"]

PROTOCOL = "/ipfs/kad/1.0.0"
"""The public network's. A private network takes a name of its own, and never meets the others."""

LAN_PROTOCOL = "/ipfs/lan/kad/1.0.0"
"""What go's dual DHT speaks beside it, among private addresses."""
