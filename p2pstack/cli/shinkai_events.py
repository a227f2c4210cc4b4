"""How the events of a Shinkai node look in a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from p2pstack.cli.output import printable, rough
from p2pstack.cli.shinkai_logs import StatusLog
from p2pstack.host.events import Event
from p2pstack.shinkai.network.events import PeerDown, PeerUp, RelayDown, RelayUp
from p2pstack.shinkai.node.events import LibP2PUnavailable, MessageAccepted, MessageDelivered, MessageFailed
from p2pstack.shinkai.node.results import SendResult, SendState

__all__ = ["show_event"]


def show_event(event: Event, log: StatusLog, clock: Callable[[], float] = time) -> None:
    """Print an event; those that say nothing to whoever runs the node are left out."""
    match event:
        case MessageAccepted(key=key, sender=sender, inbox=inbox, via=via):
            values = {"key": key, "from": sender, "inbox": inbox, "via": via}
            log.event("received", f"← a message from {printable(sender)}, by {via}", "green", **values)
        case MessageDelivered(key=key, recipient=to, via=via):
            log.event("delivered", f"→ delivered to {printable(to)}, by {via}", "green", key=key, to=to, via=via)
        case MessageFailed(recipient=to, result=result):
            _show_failure(to, result, log, clock())
        case LibP2PUnavailable(reason=reason):
            log.event("libp2p_unavailable", f"libp2p is not running: {printable(reason)}", "yellow", reason=reason)
        case PeerUp(peer=peer, agent=agent):
            text = f"+ {peer}" + (f" is {printable(agent)}" if agent else "")
            log.event("peer_up", text, "dim", peer_id=str(peer), agent=agent)
        case PeerDown(peer=peer):
            log.event("peer_down", f"- {peer}", "dim", peer_id=str(peer))
        case RelayUp(peer=peer, address=address):
            log.event("relay_up", f"the relay {peer} is connected", peer_id=str(peer), address=str(address))
        case RelayDown(address=address, reason=reason, retry_in=wait):
            text = f"the relay at {address} is not connected, next try in {rough(wait)}: {printable(reason)}"
            log.event("relay_down", text, "yellow", address=str(address), reason=reason, retry_in=wait)
        case _:
            pass


def _show_failure(to: str, result: SendResult, log: StatusLog, now: float) -> None:
    detail = result.detail or result.reason
    values = {"key": result.key, "to": to, "reason": result.reason, "detail": detail}
    why = f"for {printable(to)}: {printable(detail)}"
    if result.state is SendState.QUEUED:
        wait = max(0.0, (result.next_attempt or now) - now)
        text = f"… waits {why}; next try in {rough(wait)}"
        log.event("queued", text, "yellow", next_attempt=result.next_attempt, **values)
    else:
        log.event("given_up", f"✗ given up {why}", "red", **values)
