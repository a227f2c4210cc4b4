"""AutoNAT over streams: dialling peers back, and asking them to (specs/autonat.md)."""
