"""The server of AutoNAT: it dials peers back and tells them how that went, within limits (specs/autonat.md)."""

from __future__ import annotations

from p2pstack.autonat.protocols import DIAL_REQUEST, V1
from p2pstack.host.host import BaseHost
from p2pstack.services.autonat.config import AutonatServerConfig
from p2pstack.services.autonat.serving_v1 import ServerV1
from p2pstack.services.autonat.serving_v2 import ServerV2

__all__ = ["AutonatServer"]


class AutonatServer:
    """Serves versions 1 and 2 on a host, which starts and stops it; peers behind relays are not served.

    A host that others can reach should offer it: without such servers nobody in a network knows what he is. It is made
    before the host is started::

        host = Host(listen=["/ip4/0.0.0.0/tcp/4001"])
        AutonatServer(host)

    Peers are dialled back by a second host with an identity of its own, as in go: who is connected to this one would
    use the connection of the dial-back for other things, too, and lose it a moment later.
    """

    def __init__(self, host: BaseHost, config: AutonatServerConfig | None = None) -> None:
        self.config = config or AutonatServerConfig()
        self._dialler = BaseHost(config=host.config, gate=host.gate)
        v1, v2 = ServerV1(host, self._dialler, self.config), ServerV2(host, self._dialler, self.config)
        # One stream more than is served at once, so that who asks for too many is told so.
        host.handle(V1, v1.serve, max_streams=self.config.v1.concurrent + 1)
        host.handle(DIAL_REQUEST, v2.serve, max_streams=self.config.v2.concurrent + 1)
        host.services.append(self)

    async def start(self) -> None:
        """Be ready to dial; called by the host."""
        await self._dialler.start()

    async def stop(self) -> None:
        """End all dials; called by the host."""
        await self._dialler.close()
