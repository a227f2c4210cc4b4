"""Circuit relay v2 on a host: the relay, and the peer that reserves and dials through one (specs/relay.md)."""
