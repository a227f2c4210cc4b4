"""The multiplexer yamux (specs/yamux.md)."""
