"""Behind a NAT, all at once: found out about, relayed, mapped, and punched through (specs/relay.md, specs/dcutr.md).

::

    host = Host(listen=["/ip4/0.0.0.0/tcp/4001"])
    nat = NatTraversal(host, relays=["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…"])
    async with host:
        print(await nat.reachable())          # where others can dial the host, through a relay if need be
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import DeadlineExceeded, HostClosed
from p2pstack.host.events import AddressesChanged
from p2pstack.identity.multiaddrs import Multiaddr, with_peer
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.config import AutonatClientConfig
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.port_mapping.service import PortMapping
from p2pstack.services.relay.auto import AutoRelay
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_config import AutoRelayConfig, RelayClientConfig
from p2pstack.services.standard import Host

__all__ = ["NatTraversal"]


class NatTraversal:
    """What a host needs to be reached behind a NAT; make it before the host is started.

    Peers are asked whether they can dial the host. As long as they can't, it holds reservations with relays: those in
    ``relays``, addresses with ``/p2p`` at their end, then connected peers that are relays. Whoever comes through one is
    reached directly where a hole can be punched. With ``map_ports`` the gateway is asked to pass the host's ports on.
    """

    def __init__(
        self,
        host: Host,
        relays: Sequence[str | Multiaddr] = (),
        *,
        map_ports: bool = False,
        relay_client: RelayClientConfig | None = None,
        auto_relay: AutoRelayConfig | None = None,
        autonat: AutonatClientConfig | None = None,
        hole_punching: DcutrConfig | None = None,
    ) -> None:
        self._host = host
        self.relay_client = RelayClient(host, config=relay_client)
        self.autonat = AutonatClient(host, autonat)
        self.auto_relay = AutoRelay(host, self.relay_client, relays, config=auto_relay)
        self.hole_punching = HolePunching(host, hole_punching)
        self.port_mapping = PortMapping(host) if map_ports else None

    @property
    def addresses(self) -> list[Multiaddr]:
        """Where others can dial the host from outside, as far as it is known, with its id at the end."""
        host = self._host
        found = dict.fromkeys([*self.autonat.public, *host.advertised])
        return [with_peer(address, host.peer_id) for address in found]

    async def reachable(self, timeout: float = 30.0) -> list[Multiaddr]:
        """Return ``addresses`` as soon as there is one.

        Raises:
            DeadlineExceeded: there is none within ``timeout`` seconds.
            HostClosed: the host was closed meanwhile.
        """
        async with self._host.events(AddressesChanged, ReachabilityChanged) as events:
            try:
                async with asyncio.timeout(timeout):
                    while not self.addresses:
                        await anext(events)
            except TimeoutError as error:
                raise DeadlineExceeded(f"nobody can dial the host: none says so within {timeout:g} s") from error
            except StopAsyncIteration as error:
                raise HostClosed("the host was closed") from error
        return self.addresses
