"""Names in addresses: dns, dns4 and dns6 by the system, dnsaddr by TXT records (TCP-01)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Protocol

from p2pstack.errors import DecodeError, DialError
from p2pstack.host.config import DialConfig
from p2pstack.identity.multiaddrs import Multiaddr, components, parse, peer_id_of

__all__ = ["NameService", "Resolver", "SystemNames"]

_IP4, _IP6, _DNS, _DNS4, _DNS6, _DNSADDR = 4, 41, 53, 54, 55, 56
_FAMILIES = {_DNS: socket.AF_UNSPEC, _DNS4: socket.AF_INET, _DNS6: socket.AF_INET6}
_NAME_CODES = {bytes([code]) for code in (_DNS, _DNS4, _DNS6, _DNSADDR)}
_MAX_RESULTS = 100
_DNSADDR_PREFIX = "dnsaddr="


class NameService(Protocol):
    """Where names are looked up; another one can be given to a host, for tests or for DNS over something else."""

    async def addresses(self, name: str, family: int) -> list[str]:
        """Return the IP addresses of ``name`` as text; ``family`` is one of socket's AF_ constants."""

    async def texts(self, name: str) -> list[str]:
        """Return the TXT records of ``name``."""


class SystemNames:
    """The system's resolver for addresses, its configured servers for TXT records."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    async def addresses(self, name: str, family: int) -> list[str]:
        """Ask getaddrinfo, in a thread."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def texts(self, name: str) -> list[str]:
        """Ask the servers of the system's configuration."""
        # Imported here: it takes 60 ms, and most programs never see a dnsaddr.
        import dns.asyncresolver
        import dns.exception

        try:
            answer = await dns.asyncresolver.resolve(name, "TXT", lifetime=self._timeout)
        except dns.exception.DNSException as error:
            raise OSError(f"no TXT record of {name}: {error}") from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


class Resolver:
    """Turns addresses with names into addresses without."""

    def __init__(self, config: DialConfig, names: NameService | None = None) -> None:
        self._config = config
        self._names = names if names is not None else SystemNames(config.dns_timeout)

    async def resolve(self, address: Multiaddr) -> list[Multiaddr]:
        """Return the addresses that ``address`` stands for, at most 100; itself where it holds no name.

        Raises:
            DialError: the name is unknown, leads nowhere, or took too long.
        """
        if not _begins_with_name(address):
            return [address]
        try:
            async with asyncio.timeout(self._config.dns_timeout * 2):
                found = await self._resolve(address, self._config.dns_depth)
        except TimeoutError as error:
            raise DialError(address, [], "the name took too long to resolve") from error
        except OSError as error:
            raise DialError(address, [], f"the name does not resolve: {error}") from error
        if not found:
            raise DialError(address, [], "the name leads to no usable address")
        return found

    async def _resolve(self, address: Multiaddr, depth: int) -> list[Multiaddr]:
        """Resolve the first component and, behind a dnsaddr, what it leads to."""
        if not _begins_with_name(address):
            return [address]
        code, value = components(address)[0]
        name = value.decode("utf-8", "replace")
        if code != _DNSADDR:
            hosts = await self._names.addresses(name, _FAMILIES[code])
            rest = str(address).split("/", 3)[3:]
            prefixes = [f"/ip6/{host}" if ":" in host else f"/ip4/{host}" for host in hosts[:_MAX_RESULTS]]
            return [parse("/".join([prefix, *rest])) for prefix in prefixes]
        if depth == 0:
            return []
        found: list[Multiaddr] = []
        for entry in _entries(await self._names.texts("_dnsaddr." + name), address):
            found += await self._resolve(entry, depth - 1)
            if len(found) >= _MAX_RESULTS:
                break
        return found[:_MAX_RESULTS]


def _begins_with_name(address: Multiaddr) -> bool:
    """Whether an address has to be resolved: the codes of the four kinds of names take one byte each."""
    return address.to_bytes()[:1] in _NAME_CODES


def _entries(texts: Iterable[str], asked: Multiaddr) -> list[Multiaddr]:
    """Return the addresses in TXT records, only those of the peer that was asked for, if one was."""
    wanted = peer_id_of(asked)
    entries: list[Multiaddr] = []
    for text in texts:
        if not text.startswith(_DNSADDR_PREFIX):
            continue
        try:
            entry = parse(text[len(_DNSADDR_PREFIX) :])
        except DecodeError:
            continue
        if wanted is None or peer_id_of(entry) == wanted:
            entries.append(entry)
    return entries[:_MAX_RESULTS]
