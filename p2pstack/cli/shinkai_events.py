"""How the events of a Shinkai node look in a terminal, and as JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from time import time
from typing import Any

from p2pstack.cli.output import printable, rough
from p2pstack.cli.people_shinkai_talk import FOUND
from p2pstack.cli.shinkai_logs import StatusLog
from p2pstack.host.events import Event, EventStream
from p2pstack.services.bootstrap import BootstrapConnected, BootstrapFailed
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.shinkai.network.events import PeerDown, PeerUp, RelayDown, RelayReserved, RelayUp
from p2pstack.shinkai.node.events import LibP2PUnavailable, MessageAccepted, MessageDelivered, MessageFailed
from p2pstack.shinkai.node.results import SendResult, SendState

__all__ = ["show_event", "show_events"]


def show_event(event: Event, log: StatusLog, clock: Callable[[], float] = time) -> None:
    """Print an event; those that say nothing to whoever runs the node are left out."""
    match event:
        case MessageAccepted(key=key, sender=sender, inbox=inbox, via=via):
            values = {"key": key, "from": sender, "inbox": inbox, "via": via}
            log.event("received", f"← a message from {printable(sender)}, by {via}", "green", **values)
        case MessageDelivered(key=key, recipient=to, via=via, found=found):
            text = f"→ delivered to {printable(to)}, by {via}{FOUND.get(found, '')}"
            log.event("delivered", text, "green", key=key, to=to, via=via, found=found)
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
        case RelayReserved(peer=peer, addresses=addresses):
            where = [str(each) for each in addresses]
            log.event("relay_reserved", f"reachable through the relay {peer}", peer_id=str(peer), addresses=where)
        case RelayDown(address=None, reason=reason, retry_in=wait):
            text = f"it is not known where the relay is, next try in {rough(wait)}: {printable(reason)}"
            log.event("relay_unknown", text, "yellow", reason=reason, retry_in=wait)
        case RelayDown(address=address, reason=reason, retry_in=wait):
            text = f"the relay at {address} is not connected, next try in {rough(wait)}: {printable(reason)}"
            log.event("relay_down", text, "yellow", address=str(address), reason=reason, retry_in=wait)
        case BootstrapConnected(peer=peer, address=address):
            text = f"the bootstrap peer {peer} is connected"
            log.event("bootstrap_up", text, peer_id=str(peer), address=str(address))
        case BootstrapFailed(address=address, error=error, failures=failures, retry_in=wait):
            reason = str(error)
            text = f"the bootstrap address {address} leads to nobody, next try in {rough(wait)}: {printable(reason)}"
            told = {"failures": failures, "retry_in": wait}
            log.event("bootstrap_failed", text, "yellow", address=str(address), reason=reason, **told)
        case HolePunched() | HolePunchFailed():
            _show_punch(event, log)
        case _:
            pass


def _show_punch(event: HolePunched | HolePunchFailed, log: StatusLog) -> None:
    peer, values = str(event.peer), {"peer_id": str(event.peer), "attempts": event.attempts}
    if isinstance(event, HolePunched):
        where, direction = str(event.connection.remote_address), event.connection.direction
        text = f"{peer} is connected directly, at {where}"
        log.event("hole_punched", text, "green", address=where, direction=direction, seconds=event.seconds, **values)
    else:
        reasons = [str(reason) for reason in event.reasons]
        text = f"no direct connection to {peer}, the relay stays in between: {printable('; '.join(reasons))}"
        log.event("hole_punch_failed", text, "yellow", reasons=reasons, **values)


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


async def show_events(streams: Sequence[EventStream], stop: asyncio.Event, show: Callable[[Event], None]) -> None:
    """Have ``show`` print what happens until ``stop`` is set; what it raises ends this as well."""
    async with _tasks([stop.wait(), *(_show(stream, show) for stream in streams)]) as tasks:
        while not tasks[0].done():
            done, _ = await asyncio.wait(
                [task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()


async def _show(stream: EventStream, show: Callable[[Event], None]) -> None:
    async with stream as events:
        async for event in events:
            show(event)


@contextlib.asynccontextmanager
async def _tasks(work: list[Coroutine[Any, Any, Any]]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run coroutines as tasks, which end with the block."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
