"""The pure composition of a connection: upgrade, multiplexer, protocol of each stream (specs/general.md)."""
