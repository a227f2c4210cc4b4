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
_MAX_LOOKUPS = 100
"""Names that are looked up for one address: records may branch as they like within ``dns_depth``."""

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
        try:
            found = await loop.getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
        except ValueError as error:  # a name that can't be one: a label of more than 63 bytes, a zero byte
            raise OSError(f"no name: {error}") from error
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
                found = await self._resolve(address, self._config.dns_depth, [])
        except TimeoutError as error:
            raise DialError(address, [], "the name took too long to resolve") from error
        except OSError as error:
            raise DialError(address, [], f"the name does not resolve: {error}") from error
        if not found:
            raise DialError(address, [], "the name leads to no usable address")
        return found

    async def _resolve(self, address: Multiaddr, depth: int, asked: list[str]) -> list[Multiaddr]:
        """Resolve the first component and, behind a dnsaddr, what it leads to; note in ``asked`` what was looked up."""
        if not _begins_with_name(address):
            return [address]
        code, value = components(address)[0]
        name = value.decode("utf-8", "replace")
        if len(asked) >= _MAX_LOOKUPS:
            return []
        asked.append(name)
        if code != _DNSADDR:
            hosts = await self._names.addresses(name, _FAMILIES[code])
            rest = str(address).split("/", 3)[3:]
            prefixes = [f"/ip6/{host}" if ":" in host else f"/ip4/{host}" for host in hosts[:_MAX_RESULTS]]
            return _parsed("/".join([prefix, *rest]) for prefix in prefixes)
        if depth == 0:
            return []
        found: list[Multiaddr] = []
        failure: OSError | None = None
        for entry in _entries(await self._names.texts("_dnsaddr." + name), address):
            try:
                found += await self._resolve(entry, depth - 1, asked)
            except OSError as error:  # one record that leads nowhere does not spoil the others
                failure = error
            if len(found) >= _MAX_RESULTS:
                break
        if failure is not None and not found:
            raise failure
        return found[:_MAX_RESULTS]


def _begins_with_name(address: Multiaddr) -> bool:
    """Whether an address has to be resolved: the codes of the four kinds of names take one byte each."""
    return address.to_bytes()[:1] in _NAME_CODES


def _parsed(texts: Iterable[str]) -> list[Multiaddr]:
    """Return the addresses among ``texts``; what is none, as a link-local one with its scope, is left out."""
    addresses: list[Multiaddr] = []
    for text in texts:
        try:
            addresses.append(parse(text))
        except DecodeError:
            continue
    return addresses


def _entries(texts: Iterable[str], asked: Multiaddr) -> list[Multiaddr]:
    """Return the addresses in TXT records, only those of the peer that was asked for, if one was."""
    wanted = peer_id_of(asked)
    found = _parsed(text.removeprefix(_DNSADDR_PREFIX) for text in texts if text.startswith(_DNSADDR_PREFIX))
    return [entry for entry in found if wanted is None or peer_id_of(entry) == wanted][:_MAX_RESULTS]
