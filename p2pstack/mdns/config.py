"""What mDNS does and allows (specs/mdns.md). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError
from p2pstack.mdns.names import SERVICE, service_name

__all__ = ["MdnsConfig"]

_LONGEST_TTL = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsConfig:
    """The configuration of :class:`p2pstack.services.mdns.service.Mdns`."""

    service: str = SERVICE
    """What is asked for and answered. A private network has one of its own (``private_service``), so that its nodes
    find each other alone."""

    interfaces: tuple[str, ...] | None = None
    """Names of the interfaces to speak on. None: all that are up and take multicast, without the loopback, which stands
    in where there is no other."""

    ipv4: bool = True
    """Whether to speak over IPv4, by 224.0.0.251."""

    ipv6: bool = True
    """Whether to speak over IPv6, by ff02::fb."""

    dial: bool = True
    """Whether to connect to the peers that are found."""

    ttl: int = 360
    """For which others may believe in what we say, as rust's peers: these ask every 300 s at last."""

    max_ttl: int = 3_600
    """For which we believe in what others say. go's peers say 3,200; 2^31 would be for ever."""

    interface_interval: float = 10.0
    """Between two looks for interfaces that have come or gone."""

    max_interfaces: int = 16
    """Interfaces to speak on; each takes a socket for IPv4 and one for IPv6. Machines that run containers have
    hundreds."""

    max_peers: int = 512
    """Peers that are known at once. When there are more, the source that names the most loses its oldest: a machine
    that makes peers up does not keep out others."""

    max_peers_per_source: int = 64
    """Of those, peers that one address names."""

    max_addresses: int = 16
    """Of a peer, from one source; further ones are left out."""

    max_sources: int = 8
    """That name the same peer: its interfaces, by IPv4 and IPv6. Those beyond it are ignored."""

    packet_burst: int = 1_024
    """Packets of an interface that are read in a row: a query makes every node of a network answer at once. One of more
    than 512 bytes counts as several."""

    packet_rate: float = 128.0
    """Packets of an interface that are read a second, in the long run; the rest is dropped unread, against floods. The
    worst that there may be take a twentieth of a processor."""

    max_dials: int = 4
    """Peers that are dialled at the same time."""

    dial_burst: int = 16
    """Dials in a row; after them comes one every ``dial_interval``: made-up peers must not make us knock everywhere."""

    dial_interval: float = 1.0
    """See ``dial_burst``."""

    dial_timeout: float = 10.0
    """For a dial."""

    max_waiting: int = 64
    """Peers that wait to be dialled; further ones are left for the next round."""

    max_connected: int = 64
    """Connected peers among those that were found, from which on no more are dialled; they may still come to us."""

    redial_interval: float = 60.0
    """After which peers that are there and not connected are dialled again."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        service_name(self.service)
        if not (self.ipv4 or self.ipv6):
            raise ConfigError("one of ipv4 and ipv6 must be True")
        for name in (
            "interface_interval", "max_interfaces", "max_peers", "max_peers_per_source", "max_addresses", "max_sources",
            "packet_burst", "packet_rate", "max_dials", "dial_burst", "dial_interval", "dial_timeout", "max_waiting",
            "max_connected", "redial_interval",
        ):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
        for name in ("ttl", "max_ttl"):
            if not 0 < getattr(self, name) <= _LONGEST_TTL:
                raise ConfigError(f"{name} must be positive, and at most 2^31 - 1")
