"""Gossipsub on a host: streams, verification, validators, subscriptions (specs/gossipsub.md)."""
