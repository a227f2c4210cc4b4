"""The events of port mapping. They come with those of the host, from ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import Multiaddr

__all__ = ["PortMapped", "PortMappingFailed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapped(Event):
    """A gateway passes ``address`` on to the listen port ``port``; fires after the address is advertised.

    Once a mapping, and again where a renewal has brought another address. ``gateway`` says which one and how it was
    asked, ``seconds`` for how long it promises.
    """

    port: int
    address: Multiaddr
    gateway: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMappingFailed(Event):
    """No gateway passes ``ports`` on, for ``reasons``, one for each way that was tried.

    Fires the first time, and again when the reasons are others; it is tried on and on.
    """

    ports: tuple[int, ...]
    reasons: tuple[str, ...]
