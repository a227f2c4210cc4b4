"""What port mapping does and allows (specs/port-mapping.md). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from p2pstack.errors import ConfigError

__all__ = ["PortMappingConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMappingConfig:
    """The configuration of :class:`p2pstack.services.port_mapping.service.PortMapping`."""

    lifetime: float = 3_600.0
    """For which a mapping is asked for; it is renewed at half of what is granted (PMAP-06). A gateway keeps the mapping
    of a program that has crashed for as long."""

    min_renewal: float = 30.0
    """The shortest time between two renewals: a gateway that grants a second must not keep us busy."""

    retry: float = 300.0
    """After a failure, before gateways are looked for again. It is done at once when the host listens elsewhere."""

    timeout: float = 4.0
    """For an answer to PCP or NAT-PMP: most networks have no gateway that speaks them, and none says so."""

    upnp_timeout: float = 15.0
    """For one conversation by UPnP: devices that answer slowly, or a byte at a time."""

    stop_timeout: float = 3.0
    """For taking all mappings back when the host is closed; those that are left end with their lifetime."""

    max_ports: int = 8
    """Listen ports that are mapped."""

    gateway: str | None = None
    """IPv4 address that is asked by PCP and NAT-PMP; None: that of the default route, which is found on Linux alone."""

    upnp: bool = True
    """Whether to look for a UPnP gateway where there is no other; it takes the extra ``upnp``."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for name in ("lifetime", "min_renewal", "retry", "timeout", "upnp_timeout", "stop_timeout", "max_ports"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
        if self.lifetime >= 2**31:
            raise ConfigError("lifetime must be less than 2^31")
        if self.gateway is not None:
            try:
                IPv4Address(self.gateway)
            except ValueError as error:
                raise ConfigError(f"gateway {self.gateway!r} is no IPv4 address") from error
