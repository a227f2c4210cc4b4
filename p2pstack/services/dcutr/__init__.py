"""Hole punching on a host: from a relayed connection to a direct one (specs/dcutr.md)."""
