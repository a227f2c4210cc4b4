"""Fuzzing of all that reads bytes of a peer: ``python -m fuzz all --seconds 60`` (fuzz/README.md)."""
