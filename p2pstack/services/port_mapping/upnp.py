"""A gateway that speaks UPnP (Internet Gateway Device), by the library miniupnpc, which the extra ``upnp`` brings.

miniupnpc: 50 kB of C with no further packages, kept by the people of MiniUPnP, whose server most routers run;
async-upnp-client is kept as well, but brings thirteen packages, aiohttp among them. Its calls block, so each runs in a
thread of its own, one at a time. A device on the network that answers a byte at a time can hold such a thread: it is
given up then, and being a daemon it keeps nothing from ending.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, TypeVar

from p2pstack.services.port_mapping.gateway import Lease, PortMappingError

if TYPE_CHECKING:
    from miniupnpc import UPnP

__all__ = ["PERMANENT", "UpnpGateway"]

T = TypeVar("T")

DISCOVERY_MILLISECONDS = 1_000
"""For which devices may answer each of miniupnpc's four searches."""

DESCRIPTION = "p2pstack"
"""What a router's list of mappings shows."""

PERMANENT = 7 * 86_400.0
"""The seconds that count as promised where a gateway knows no others than "for ever" (PMAP-09)."""

OTHER_PORTS = 3
"""External ports that are tried where the first one is taken (PMAP-08)."""

# What miniupnpc says for the gateway's errors 718 and 725.
_TAKEN = "ConflictInMappingEntry"
_ONLY_PERMANENT = "OnlyPermanentLeasesSupported"

_turn = threading.Lock()
"""Held by the thread that talks to a gateway: one that hangs must not be followed by others without end."""


class UpnpGateway:
    """A gateway that was found by SSDP. Made by :meth:`find`."""

    def __init__(self, upnp: UPnP, timeout: float) -> None:
        self._upnp = upnp
        self._timeout = timeout
        self.local = _ipv4(upnp.lanaddr)

    @property
    def name(self) -> str:
        """Who it is, and what it speaks."""
        return "a router by UPnP"

    @classmethod
    async def find(cls, timeout: float) -> UpnpGateway:
        """Look for a gateway, for ``timeout`` seconds at most.

        Raises:
            PortMappingError: miniupnpc is not installed, or there is no gateway.
        """
        try:
            import miniupnpc
        except ImportError as error:
            raise PortMappingError("UPnP is left out: pip install 'p2pstack[upnp]'") from error
        upnp = miniupnpc.UPnP(discoverdelay=DISCOVERY_MILLISECONDS)

        def discover() -> None:
            _call(upnp.discover)
            _call(upnp.selectigd)

        await _in_thread(discover, timeout)
        return cls(upnp, timeout)

    async def map(self, port: int, seconds: float, former: Lease | None) -> Lease:
        """Have a port passed on to ``port`` (PMAP-08, PMAP-09).

        Raises:
            PortMappingError: the gateway does not answer, or refuses.
        """
        return await _in_thread(lambda: self._map(port, int(seconds), former), self._timeout)

    def _map(self, port: int, seconds: int, former: Lease | None) -> Lease:
        host = _ipv4(_call(self._upnp.externalipaddress))
        external, others = (former.external if former is not None else port), OTHER_PORTS
        while True:
            try:
                self._add(external, port, seconds)
            except PortMappingError as error:
                if str(error) == _TAKEN and others:
                    external, others = secrets.choice(range(10_000, 65_536)), others - 1
                elif str(error) == _ONLY_PERMANENT and seconds:
                    seconds = 0
                else:
                    raise
            else:
                return Lease(internal=port, external=external, host=host, seconds=float(seconds) or PERMANENT)

    def _add(self, external: int, port: int, seconds: int) -> None:
        _call(self._upnp.addportmapping, external, "TCP", str(self.local), port, DESCRIPTION, "", seconds)

    async def unmap(self, lease: Lease) -> None:
        """Take a mapping back (PMAP-07).

        Raises:
            PortMappingError: the gateway does not answer, or refuses.
        """
        await _in_thread(lambda: _call(self._upnp.deleteportmapping, lease.external, "TCP"), self._timeout)


def _call(function: Callable[..., T], *arguments: object) -> T:
    """Call miniupnpc.

    Raises:
        PortMappingError: whatever it raises, which is a bare ``Exception`` with a text.
    """
    try:
        return function(*arguments)
    except Exception as error:
        text = str(error)
        # It says so where no device has answered.
        raise PortMappingError("no device answers" if text == "Success" else text) from error


def _ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise PortMappingError(f"its address {text[:64]!r} is no IPv4 address") from None


async def _in_thread(work: Callable[[], T], timeout: float) -> T:
    """Run ``work`` in a thread that can be given up; return what it returns.

    Raises:
        PortMappingError: it raises that, or takes longer than ``timeout`` seconds.
    """
    future: Future[T] = Future()

    def run() -> None:
        # From here on it can't be cancelled: whoever waited may be gone, the result is still set.
        future.set_running_or_notify_cancel()
        if not _turn.acquire(timeout=timeout):
            return
        try:
            future.set_result(work())
        except PortMappingError as error:
            future.set_exception(error)
        finally:
            _turn.release()

    threading.Thread(target=run, name="p2pstack-upnp", daemon=True).start()
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.wrap_future(future)
    except TimeoutError:
        raise PortMappingError(f"no answer within {timeout:g} s") from None
