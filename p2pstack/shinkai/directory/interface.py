"""What every directory can do, and finding out where a node is reached (SHK-60, SHK-61)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from p2pstack.errors import DeadlineExceeded
from p2pstack.shinkai.directory.errors import InvalidIdentity
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["Directory", "Route", "resolve"]


class Directory(Protocol):
    """Names of nodes, and what is known of them."""

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        """Return what is known of the node of ``name``, whatever stands behind the node in it.

        Raises:
            IdentityNotFound: there is no such node.
            InvalidIdentity: there is, but what stands there can't be used.
            DirectoryUnavailable: nobody knows.
        """
        ...

    async def close(self) -> None:
        """End whatever the directory does by itself. Closing twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """How a node is reached: itself, or through its ``proxy``, whose addresses then stand for its own."""

    record: IdentityRecord
    proxy: IdentityRecord | None = None

    @property
    def behind(self) -> bool:
        """Whether a relay hands its messages on, instead of it being connected to."""
        return self.record.routing or self.proxy is not None

    @property
    def address(self) -> Endpoint:
        """Where to connect to.

        Raises:
            InvalidIdentity: the first address is no host and port.
        """
        return (self.proxy or self.record).first_address

    @property
    def listed(self) -> tuple[Endpoint, ...]:
        """The address, unless none is listed, or it is no host and port: then others have to say where the node is."""
        if not any((self.proxy or self.record).address_or_proxy_nodes):
            return ()
        try:
            return (self.address,)
        except InvalidIdentity:
            return ()


async def resolve(directory: Directory, name: ShinkaiName, *, timeout: float = 30.0) -> Route:
    """Look a node up, and its proxy if one of its addresses is a node's name. A proxy's own proxy is not followed.

    Raises:
        IdentityNotFound: there is no such node, or no such proxy.
        InvalidIdentity: what stands there can't be used.
        DirectoryUnavailable: nobody knows.
        DeadlineExceeded: it took longer than ``timeout`` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            record = await directory.lookup(name)
            return Route(record, None if record.proxy is None else await directory.lookup(record.proxy))
    except TimeoutError as error:
        raise DeadlineExceeded(f"looking {name.node_name} up took longer than {timeout} s") from error
