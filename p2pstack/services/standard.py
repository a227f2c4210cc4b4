"""The host that programs use: :class:`BaseHost` with identify and ping."""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.connection.trace import TraceSink
from p2pstack.host.config import HostConfig
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.host import BaseHost, Target
from p2pstack.host.resolver import NameService
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.services.config import ServiceConfig
from p2pstack.services.identify import IdentifyService
from p2pstack.services.ping import PingService

__all__ = ["Host"]


class Host(BaseHost):
    """A libp2p host that tells peers who it is, learns who they are, and answers pings.

    ``key`` is its identity (made anew when left out), ``listen`` the addresses that it listens on from the start. Use
    it with ``async with``: when the block is left nothing remains, no task, no socket. ::

        async with Host(listen=["/ip4/0.0.0.0/tcp/0"]) as host:
            connection = await host.connect("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…")
            info = await host.identify.wait(connection)
            print(info.agent, await host.ping(connection.peer_id))
    """

    def __init__(
        self,
        key: PrivateKey | None = None,
        *,
        listen: Sequence[str | Multiaddr] = (),
        config: HostConfig | None = None,
        services: ServiceConfig | None = None,
        gate: ConnectionGate | None = None,
        names: NameService | None = None,
        trace: TraceSink | None = None,
    ) -> None:
        super().__init__(key, listen=listen, config=config, gate=gate, names=names, trace=trace)
        configured = services or ServiceConfig()
        self.identify = IdentifyService(self, configured.identify)
        self._ping = PingService(self, configured.ping)
        self.services += [self.identify, self._ping]

    async def ping(self, target: Target, *, timeout: float | None = None) -> float:
        """Return the round trip to a peer in seconds; see :meth:`p2pstack.services.ping.PingService.ping`.

        Raises:
            DeadlineExceeded: no echo within ``timeout`` seconds (default 10).
            P2PError: the peer can't be reached, doesn't speak ping, or breaks its rules.
        """
        return await self._ping.ping(target, timeout=timeout)
