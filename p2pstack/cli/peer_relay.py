"""The relay client of ``p2pstack peer``: a reservation to listen behind, and dials through relays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from p2pstack.cli.peer_dcutr import know_ourselves
from p2pstack.cli.peer_host import emit
from p2pstack.errors import P2PError
from p2pstack.identity.circuits import is_circuit
from p2pstack.identity.multiaddrs import parse, with_peer
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.standard import Host

__all__ = ["pass_relays", "reserving"]


def pass_relays(host: Host, address: str) -> None:
    """Let ``host`` dial through relays where ``address`` asks for it.

    Raises:
        DecodeError: the address can't be read.
    """
    if is_circuit(parse(address)):
        RelayClient(host)


@contextlib.asynccontextmanager
async def reserving(host: Host, client: RelayClient | None, relays: Sequence[str]) -> AsyncIterator[None]:
    """Reserve with ``relays`` meanwhile, and print what comes of it."""
    tasks = [asyncio.create_task(_reserve(host, client, relay)) for relay in relays] if client is not None else []
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _reserve(host: Host, client: RelayClient, relay: str) -> None:
    """Print where peers find us behind the relay, or why they don't."""
    try:
        reservation = await client.reserve(relay)
    except P2PError as error:
        emit("error", error=str(error))
        return
    connection = host.network.best(reservation.relay)
    if connection is not None:
        await know_ourselves(host, connection)
    address = with_peer(reservation.addresses[0], host.peer_id)
    emit("reserved", addr=str(address), expires=reservation.expires)
