"""A program that uses ``NatTraversal`` as others would: ``python -m tests.nat.traversing RELAY…``; ends with its stdin.

It wants one reservation at a time, and prints ``{"event":"addresses","addrs":[…]}`` whenever that changes where it can
be dialled, as far as it knows.
"""

from __future__ import annotations

import asyncio
import json
import sys

from p2pstack import Host
from p2pstack.host.events import AddressesChanged
from p2pstack.services.nat import NatTraversal
from p2pstack.services.relay.client_config import AutoRelayConfig


def emit(event: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


async def main(relays: list[str]) -> None:
    """Print addresses until stdin ends."""
    host = Host(listen=["/ip4/0.0.0.0/tcp/0"])
    nat = NatTraversal(host, relays, auto_relay=AutoRelayConfig(wanted=1))
    events = host.events(AddressesChanged)
    async with host, events:
        stdin = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        stdin.add_done_callback(lambda _: events.close())
        async for _ in events:
            emit("addresses", addrs=[str(address) for address in nat.addresses])
    emit("summary", peer=str(host.peer_id))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
