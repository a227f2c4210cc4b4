"""The gateway of the default route, asked by PCP where it speaks that, else by NAT-PMP."""

from __future__ import annotations

import secrets
from functools import partial
from ipaddress import IPv4Address

from p2pstack.services.port_mapping.asking import ask, local_address
from p2pstack.services.port_mapping.gateway import Lease, PortMappingError
from p2pstack.services.port_mapping.pcp import (
    NONCE_SIZE,
    PORT,
    decode_announcement,
    decode_external,
    decode_natpmp_lease,
    decode_pcp_lease,
    encode_announcement,
    encode_external,
    encode_natpmp_map,
    encode_pcp_map,
)

__all__ = ["NatPmpGateway", "PcpGateway"]

_ANY = IPv4Address(0)


class _Direct:
    """What the two have in common: where the gateway is, and how long its answers may take."""

    protocol = ""

    def __init__(self, address: str, local: IPv4Address, timeout: float) -> None:
        self.local = local
        self._endpoint = (address, PORT)
        self._timeout = timeout

    @property
    def name(self) -> str:
        """Who it is, and what it speaks."""
        return f"{self._endpoint[0]} by {self.protocol}"


class PcpGateway(_Direct):
    """A gateway that speaks PCP."""

    protocol = "PCP"

    @classmethod
    async def find(cls, address: str, timeout: float) -> PcpGateway:
        """Return the gateway at ``address``, if it speaks PCP (PMAP-02).

        Raises:
            PortMappingError: it does not, or does not answer within ``timeout`` seconds.
        """
        endpoint = (address, PORT)
        local = local_address(endpoint)
        await ask(endpoint, encode_announcement(local), decode_announcement, timeout)
        return cls(address, local, timeout)

    async def map(self, port: int, seconds: float, former: Lease | None) -> Lease:
        """Have a port passed on to ``port`` (PMAP-02).

        Raises:
            PortMappingError: the gateway does not answer, or refuses.
        """
        nonce = former.key if former is not None else secrets.token_bytes(NONCE_SIZE)
        external, host = (former.external, former.host) if former is not None else (port, _ANY)
        question = encode_pcp_map(self.local, nonce, port, int(seconds), external, host)
        lease = await ask(self._endpoint, question, partial(decode_pcp_lease, nonce=nonce, port=port), self._timeout)
        if lease.seconds < 1:
            raise PortMappingError("it grants no time", requirement="PMAP-02")
        return lease

    async def unmap(self, lease: Lease) -> None:
        """Take a mapping back (PMAP-07).

        Raises:
            PortMappingError: the gateway does not answer, or refuses.
        """
        question = encode_pcp_map(self.local, lease.key, lease.internal, 0, 0, _ANY)
        read = partial(decode_pcp_lease, nonce=lease.key, port=lease.internal)
        await ask(self._endpoint, question, read, self._timeout)


class NatPmpGateway(_Direct):
    """A gateway that speaks NAT-PMP."""

    protocol = "NAT-PMP"

    @classmethod
    async def find(cls, address: str, timeout: float) -> NatPmpGateway:
        """Return the gateway at ``address``, if it speaks NAT-PMP (PMAP-01).

        Raises:
            PortMappingError: it does not, or does not answer within ``timeout`` seconds.
        """
        endpoint = (address, PORT)
        local = local_address(endpoint)
        await ask(endpoint, encode_external(), decode_external, timeout)
        return cls(address, local, timeout)

    async def map(self, port: int, seconds: float, former: Lease | None) -> Lease:
        """Have a port passed on to ``port`` (PMAP-01).

        Raises:
            PortMappingError: the gateway does not answer, or refuses.
        """
        # Asked each time: a gateway at home gets another address now and then.
        host = await ask(self._endpoint, encode_external(), decode_external, self._timeout)
        question = encode_natpmp_map(port, int(seconds), former.external if former is not None else port)
        lease = await ask(self._endpoint, question, partial(decode_natpmp_lease, port=port, host=host), self._timeout)
        if lease.seconds < 1:
            raise PortMappingError("it grants no time", requirement="PMAP-01")
        return lease

    async def unmap(self, lease: Lease) -> None:
        """Take a mapping back (PMAP-07).

        Raises:
            PortMappingError: the gateway does not answer, or refuses.
        """
        read = partial(decode_natpmp_lease, port=lease.internal, host=lease.host)
        await ask(self._endpoint, encode_natpmp_map(lease.internal, 0, 0), read, self._timeout)
