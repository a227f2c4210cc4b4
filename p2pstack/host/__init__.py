"""The host: identity, listeners, dials, peers, limits, events."""
