"""The protocols that run on streams: identify, ping, perf, echo."""
