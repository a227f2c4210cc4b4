"""Which gateways there are, in the order in which they are tried: PCP, NAT-PMP, UPnP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from p2pstack.services.port_mapping.config import PortMappingConfig
from p2pstack.services.port_mapping.direct import NatPmpGateway, PcpGateway
from p2pstack.services.port_mapping.gateway import Gateway, PortMappingError, default_gateway
from p2pstack.services.port_mapping.upnp import UpnpGateway

__all__ = ["gateways"]

Finder = Callable[[], Awaitable[Gateway]]


async def gateways(config: PortMappingConfig) -> AsyncGenerator[tuple[str, Gateway | PortMappingError], None]:
    """Look for gateways, one at a time; give what each way is called, with the gateway or why there is none."""
    for name, find in _ways(config):
        try:
            found: Gateway | PortMappingError = await find()
        except PortMappingError as error:
            found = error
        yield name, found


def _ways(config: PortMappingConfig) -> list[tuple[str, Finder]]:
    address = config.gateway or default_gateway()

    async def unknown() -> Gateway:
        raise PortMappingError("where the gateway is can't be told here; the configuration can say it")

    async def pcp() -> Gateway:
        return await PcpGateway.find(address or "", config.timeout)

    async def natpmp() -> Gateway:
        return await NatPmpGateway.find(address or "", config.timeout)

    async def upnp() -> Gateway:
        return await UpnpGateway.find(config.upnp_timeout)

    found: list[tuple[str, Finder]] = [("PCP and NAT-PMP", unknown)]
    if address is not None:
        found = [("PCP", pcp), ("NAT-PMP", natpmp)]
    return [*found, ("UPnP", upnp)] if config.upnp else found
