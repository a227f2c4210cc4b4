"""Rendezvous on a host: the point, and the client that registers with points and asks them (specs/rendezvous.md)."""
