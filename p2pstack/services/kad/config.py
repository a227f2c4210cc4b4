"""How a host takes part in a DHT: the numbers of its shell. Those of the protocol stand in :class:`KadConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import isfinite

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.config import KadConfig
from p2pstack.kad.protocols import PROTOCOL

__all__ = ["KademliaConfig", "Mode"]

_NUMBERS = (
    "max_inbound_streams",
    "max_served_streams",
    "max_answer_memory",
    "max_outbound_streams",
    "max_idle_streams",
    "idle_timeout",
    "max_lookups",
    "max_probes",
    "max_corrections",
    "refresh_timeout",
    "sweep_interval",
    "bootstrap_dials",
)


class Mode(Enum):
    """Whether a node answers others (KAD-03)."""

    CLIENT = "client"
    """It asks only."""

    SERVER = "server"
    """It answers, keeps values and providers for others, and gets into their tables."""

    AUTO = "auto"
    """A server while AutoNAT finds the host reachable from outside, a client otherwise: also without AutoNAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KademliaConfig:
    """Which DHT a host takes part in, and how. Times are in seconds.

    Raises:
        ConfigError: a value can't work.
    """

    protocol: str = PROTOCOL
    """The name of the network; a private one takes another than the public network's (KAD-01)."""

    mode: Mode = Mode.AUTO
    """Whether others are answered (KAD-03)."""

    kad: KadConfig = field(default_factory=KadConfig)
    """The numbers of the protocol, and the address filter."""

    bootstrap: tuple[str, ...] = ()
    """Addresses with ``/p2p`` of peers that are dialled while the table is empty (KAD-12)."""

    refresh: bool = True
    """Whether the table is refreshed in the background; without, only what is called for is looked up."""

    max_inbound_streams: int = 32
    """Streams of others on one connection that are served at once; further ones are reset (KAD-17)."""

    max_served_streams: int = 1_024
    """The same on all connections together; where one more comes, the stream goes that asked for nothing for longest.
    Times ``kad.max_request`` they are what strangers can make a node hold of unfinished requests: 32 MiB (KAD-22)."""

    max_answer_memory: int = 64 * 1024 * 1024
    """Bytes of answers above 64 KiB that come in parts, of all peers together; one that would take more is refused on
    its length. Against long answers of many peers at once (KAD-22)."""

    max_outbound_streams: int = 16
    """Own streams on one connection at once; further requests wait. Rust serves 32 of all (KAD-17)."""

    max_idle_streams: int = 2
    """Own streams on a connection that are kept for the next request (KAD-07)."""

    idle_timeout: float = 60.0
    """In which the next request on a stream must have come wholly, as in go (KAD-07)."""

    max_lookups: int = 64
    """Lookups that run at once; further ones wait, and their time runs."""

    max_probes: int = 64
    """New peers that are tried at once before they get into the table. Against connections without end; those that are
    left out get in with the next lookup that they answer (KAD-11)."""

    max_corrections: int = 64
    """PUTs of better values to peers that had a worse one, under way at once; further ones are left out (KAD-05)."""

    refresh_timeout: float = 10.0
    """For one lookup of a refresh, as in go (KAD-12)."""

    sweep_interval: float = 3_600.0
    """Between two sweeps of values and providers that are over, as in go (KAD-15)."""

    bootstrap_dials: int = 2
    """Bootstrap peers that are dialled at once while the table is empty, as in go (KAD-12)."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        for name in _NUMBERS:
            value = getattr(self, name)
            if not isfinite(value) or value <= 0:
                raise ConfigError(f"{name} must be finite and positive")
        for address in self.bootstrap:
            try:
                parse(address)
            except DecodeError as error:
                raise ConfigError(f"bootstrap: {error}") from error
        if not self.protocol.startswith("/"):
            raise ConfigError(f"{self.protocol!r} is no protocol id")

    @classmethod
    def public(cls, bootstrap: tuple[str, ...] = ()) -> KademliaConfig:
        """Return how to take part in the public network: public addresses only, a server once it can be reached."""
        return cls(kad=KadConfig.public(), bootstrap=bootstrap)

    @classmethod
    def private(cls, protocol: str, bootstrap: tuple[str, ...] = ()) -> KademliaConfig:
        """Return how to take part in a network of one's own: always a server, and any address will do."""
        return cls(protocol=protocol, mode=Mode.SERVER, bootstrap=bootstrap)
