"""Peers that are known again after a restart (specs/peers.md).

::

    PersistentPeers     the service: watches the host, writes, dials known peers
    ├── Ledger          what is known of whom, what counts as worth, who goes: without I/O or clock
    └── PeerTable       the tables in the file

The host's own peerstore stays the place to ask: it is filled at the start.
"""
