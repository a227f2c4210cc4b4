"""Where a node's relay is: at an address, or where the directory says (SHK-76)."""

from __future__ import annotations

from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.shinkai.directory.interface import Directory, resolve
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.links import Where
from p2pstack.shinkai.node.ways import multiaddr_of

__all__ = ["relay_place"]


def relay_place(relay: str | Multiaddr | ShinkaiName | None, directory: Directory) -> Where | None:
    """Return where a relay is that was told by its multiaddr; of one told by its name, what looks it up.

    Raises:
        InvalidName: it is neither.
    """
    if relay is None or isinstance(relay, Multiaddr):
        return relay
    if isinstance(relay, str):
        if relay.startswith("/"):
            return relay
        relay = ShinkaiName.parse(relay)
    name = relay

    async def find() -> Multiaddr:
        # 30 s at most, as in the original.
        return parse(multiaddr_of((await resolve(directory, name)).address))

    return find
