"""Peer scoring: what a peer did, as one number that the router acts on (GS11-30 to GS11-41; specs/gossipsub.md)."""
