"""The mesh of gossipsub: a router without I/O (specs/gossipsub.md)."""
