"""Peers on the local network, by mDNS: sockets, events and dials around :mod:`p2pstack.mdns` (specs/mdns.md)."""
