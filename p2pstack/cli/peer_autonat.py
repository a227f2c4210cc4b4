"""AutoNAT of ``p2pstack peer``: it serves both versions, and asks whom it meets; one answer is enough."""

from __future__ import annotations

from p2pstack.autonat.config import ConfidenceConfig
from p2pstack.cli.peer_host import emit
from p2pstack.identity.multiaddrs import is_public, parse
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.config import AutonatClientConfig, AutonatServerConfig
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.autonat.server import AutonatServer
from p2pstack.services.standard import Host

__all__ = ["print_reachability", "use_autonat"]


def use_autonat(host: Host, listen_ip: str) -> None:
    """Serve and ask; on a private network about its addresses. A host on all interfaces takes itself for public."""
    anywhere = listen_ip in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    private = not anywhere and not is_public(parse(f"/{'ip6' if ':' in listen_ip else 'ip4'}/{listen_ip}/tcp/1"))
    AutonatServer(host, AutonatServerConfig(private=private))
    AutonatClient(host, AutonatClientConfig(private=private, confidence=ConfidenceConfig(confirmations=1)))


def print_reachability(event: ReachabilityChanged) -> None:
    """Print what is believed now."""
    emit("reachability", status=event.reachability.value, addrs=[str(address) for address in event.addresses])
