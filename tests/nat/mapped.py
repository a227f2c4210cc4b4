"""A host that answers pings and has its port mapped, until its stdin ends: `python -m tests.nat.mapped`.

Prints an event a line, as the peers do: ``mapped`` with the address and the gateway, ``failed`` with the reasons.
"""

from __future__ import annotations

import asyncio

from p2pstack.cli.peer_host import emit
from p2pstack.cli.running import run, stop_requests
from p2pstack.host.events import EventStream
from p2pstack.services.port_mapping.events import PortMapped, PortMappingFailed
from p2pstack.services.port_mapping.service import PortMapping
from p2pstack.services.standard import Host


async def main() -> None:
    host = Host(listen=["/ip4/0.0.0.0/tcp/0"])
    with stop_requests(stdin=True) as stop:
        async with host, PortMapping(host):
            telling = asyncio.create_task(tell(host, host.events(PortMapped, PortMappingFailed)))
            await stop.wait()
            telling.cancel()


async def tell(host: Host, events: EventStream) -> None:
    async for event in events:
        if isinstance(event, PortMapped):
            emit("mapped", addr=f"{event.address}/p2p/{host.peer_id}", gateway=event.gateway)
        elif isinstance(event, PortMappingFailed):
            emit("failed", reasons=list(event.reasons))


if __name__ == "__main__":
    run(main())
