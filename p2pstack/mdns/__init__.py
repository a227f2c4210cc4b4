"""mDNS: finding peers on the local network, without I/O (specs/mdns.md).

The part of multicast DNS that libp2p needs, by hand: one service, asked for and answered. The library ``zeroconf`` was
tried first (0.154). It keeps names as DNS-SD has them, so that what rust-libp2p answers, an instance of one bare label,
raises in it; it gives all interfaces the same records, does not say from which address and interface a record came, so
that nobody can tell an address on the link from any other, and it keeps every service of the network, not this one.

:class:`p2pstack.mdns.discovery.Discovery` is the machine: packets of each interface and the clock go in, packets and
changes come out. :mod:`p2pstack.services.mdns` has the sockets.
"""
