"""Whole nodes that know a relay."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from p2pstack.identity.multiaddrs import tcp_endpoint
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.node import ShinkaiNode
from p2pstack.shinkai.relayer import ShinkaiRelayer
from tests.shinkai.node.pairs import LIBP2P_ONLY
from tests.shinkai.relayer.people import LOCAL, RELAY, keys, local_keys, record


def list_relay(known: MemoryDirectory, relayer: ShinkaiRelayer) -> None:
    """Put into the directory where the relay is."""
    endpoint = tcp_endpoint(relayer.host.addresses[0])
    known.add(record(RELAY, address_or_proxy_nodes=(f"{endpoint.host}:{endpoint.port}",)))


def list_behind(known: MemoryDirectory, name: str) -> None:
    """Put into the directory that a node is behind the relay."""
    known.add(record(name, routing=True, address_or_proxy_nodes=(RELAY,)))


@contextlib.asynccontextmanager
async def node_behind(
    relayer: ShinkaiRelayer, known: MemoryDirectory, name: str, number: int = 100, **options: Any
) -> AsyncIterator[ShinkaiNode]:
    """A node that is connected to the relay; one without a name has the keys with this number."""
    own = local_keys(number) if name == LOCAL else keys(name)
    options.setdefault("config", LIBP2P_ONLY)
    options.setdefault("relay", str(relayer.host.addresses[0]))
    async with ShinkaiNode(name, keys=own, directory=known, listen="127.0.0.1:0", **options) as node:
        yield node
