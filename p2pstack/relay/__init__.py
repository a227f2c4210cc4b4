"""Circuit relay v2: messages, vouchers, and a relay's decisions; no I/O (specs/relay.md)."""
