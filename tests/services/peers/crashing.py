"""A process that is killed: a host that meets peers and says who is on disk.

Run as ``python -m tests.services.peers.crashing FILE ADDRESS…``. It connects to all addresses, and disconnects, again
and again; each line of its output is a peer that the file held when the line was written.
"""

from __future__ import annotations

import asyncio
import os
import sys

from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.service import PersistentPeers
from p2pstack.services.standard import Host
from tests.aio.shell import until


async def main(path: str, addresses: list[str]) -> None:
    host = Host()
    peers = PersistentPeers(host, path, config=PeersConfig(wanted=0, write_interval=0.01))
    async with host:
        while True:
            for address in addresses:
                connection = await host.connect(address)
                await until(lambda peer=connection.peer_id: peer in peers)
                await peers.flush()
                os.write(1, f"{connection.peer_id}\n".encode())
                await host.disconnect(connection.peer_id)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
