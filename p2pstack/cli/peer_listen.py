"""``p2pstack peer listen``: serves until stdin ends or SIGTERM comes, and prints what happens."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Iterator

from p2pstack.cli.peer_autonat import print_reachability, use_autonat
from p2pstack.cli.peer_dcutr import print_punches
from p2pstack.cli.peer_dht import joining, served, use_dht
from p2pstack.cli.peer_gossip import MAX_BYTES
from p2pstack.cli.peer_host import emit, emit_identified, make_host, resident_kib, tracing
from p2pstack.cli.peer_inbox import Inbox, counters, receive
from p2pstack.cli.peer_relay import reserving
from p2pstack.cli.pubsub_options import pubsub_config
from p2pstack.cli.running import raise_descriptor_limit, stop_requests
from p2pstack.errors import P2PError
from p2pstack.host.events import ConnectionEnded, ConnectionOpened, Event, EventStream
from p2pstack.relay.config import RelayConfig
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.echo import serve_echo
from p2pstack.services.events import IdentifyFailed, PeerIdentified
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.mdns.events import MdnsPeerExpired, MdnsPeerFound
from p2pstack.services.mdns.service import Mdns
from p2pstack.services.perf import serve_perf
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_events import ReservationLost
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host

__all__ = ["listen"]


_EVENTS = (
    ConnectionOpened, ConnectionEnded, PeerIdentified, IdentifyFailed, ReservationLost, HolePunched, HolePunchFailed,
    ReachabilityChanged, MdnsPeerFound, MdnsPeerExpired,
)  # fmt: skip

_RELAY = RelayConfig(
    max_reservations=4_096,
    reservations_per_ip=4_096,
    reservation_rate_per_peer=None,
    reservation_rate_per_ip=None,
    circuit_rate_per_peer=None,
    circuit_rate_per_ip=None,
)
"""As the Go peer's relay: all may come, but a circuit has its time and its bytes."""


async def listen(options: argparse.Namespace) -> None:
    """Listen, print the address, and serve."""
    raise_descriptor_limit()
    with tracing(options) as sink:
        host = make_host(options, listen=[f"/ip4/{options.listen_ip}/tcp/{options.port}"], trace=sink)
        serve_echo(host, relayed=True)
        serve_perf(host, relayed=True)
        if options.relay or options.relay_shinkai:
            RelayServer(host, RelayConfig.shinkai() if options.relay_shinkai else _RELAY)
        # Only where there is a topic: a benchmark of connections counts no streams of gossipsub.
        pubsub = Gossipsub(host, config=pubsub_config(options)) if options.topics else None
        client = RelayClient(host) if options.relay_addr or options.dcutr else None
        if options.dcutr:
            HolePunching(host)
        if options.autonat:
            use_autonat(host, options.listen_ip)
        if options.mdns:
            Mdns(host)
        dht = use_dht(host, options)
        # Asked for before the host listens, so that no connection is missed.
        events = host.events(*_EVENTS)
        async with host, events:
            with stop_requests(stdin=True) as stop, _memory_on_request(host, wanted=options.rss):
                async with _receiving(options, host, pubsub) as received, _dialling(options, host):
                    emit("listening", addr=_dialable(host))
                    async with reserving(host, client, options.relay_addr), joining(dht, host, options):
                        if options.quiet:
                            events.close()
                            await stop.wait()
                        else:
                            await _print_events(events, stop)
            memory = {"rss_kib": resident_kib()} if options.rss else {}
            emit("summary", peer=str(host.peer_id), **received, **served(dht), **memory)


def _dialable(host: Host) -> str:
    """Return the first address, or on all interfaces the first that is not the loopback's."""
    addresses = [str(address) for address in host.full_addresses]
    return next((address for address in addresses if not address.startswith("/ip4/127.")), addresses[0])


@contextlib.asynccontextmanager
async def _receiving(
    options: argparse.Namespace, host: Host, pubsub: Gossipsub | None
) -> AsyncIterator[dict[str, object]]:
    """Receive what is published in the topics; gives what is filled at the end with what it was."""
    received: dict[str, object] = {"received": 0}
    if pubsub is None:
        yield received
        return
    inbox = Inbox()
    subscriptions = [
        pubsub.subscribe(topic, max_messages=options.sub_buffer, max_bytes=MAX_BYTES) for topic in options.topics
    ]
    async with asyncio.TaskGroup() as group:
        for subscription in subscriptions:
            group.create_task(receive(subscription, host.peer_id, inbox, quiet=options.quiet))
        try:
            yield received
        finally:
            for subscription in subscriptions:
                subscription.close()
    received |= {**inbox.summary(), "counters": counters(pubsub, sum(each.dropped for each in subscriptions))}


@contextlib.asynccontextmanager
async def _dialling(options: argparse.Namespace, host: Host) -> AsyncIterator[None]:
    """Connect to further peers meanwhile."""
    tasks = [asyncio.create_task(_connect(host, address)) for address in options.connect]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _connect(host: Host, address: str) -> None:
    """Connect to a peer, and report a failure; a success shows as a connected event."""
    try:
        await host.connect(address)
    except P2PError as error:
        emit("connect-failed", addr=address, error=str(error))


async def _print_events(events: EventStream, stop: asyncio.Event) -> None:
    """Print each event until ``stop`` is set."""
    stopped = asyncio.create_task(stop.wait())
    stopped.add_done_callback(lambda _: events.close())
    try:
        async for event in events:
            _print_event(event)
    finally:
        stopped.cancel()


def _print_event(event: Event) -> None:
    match event:
        case ConnectionOpened():
            emit("connected", peer=str(event.connection.peer_id))
        case ConnectionEnded():
            emit("disconnected", peer=str(event.connection.peer_id))
        case PeerIdentified():
            emit_identified(event.info)
        case IdentifyFailed():
            emit("identify-failed", peer=str(event.peer), reason=str(event.error))
        case ReachabilityChanged():
            print_reachability(event)
        case MdnsPeerFound():
            emit("mdns", peer=str(event.peer), addrs=[str(address) for address in event.addresses])
        case MdnsPeerExpired():
            emit("mdns-expired", peer=str(event.peer))
        case ReservationLost():
            emit("reservation-lost", relay=str(event.relay), reason=str(event.reason))
        case _:
            print_punches(event)


@contextlib.contextmanager
def _memory_on_request(host: Host, *, wanted: bool) -> Iterator[None]:
    """Print an ``rss`` event at each SIGUSR1, where the system has it."""
    number = getattr(signal, "SIGUSR1", None)
    if not wanted or number is None:
        yield
        return

    def report() -> None:
        gc.collect()
        emit("rss", rss_kib=resident_kib(), connections=len(host.connections()), tasks=len(asyncio.all_tasks()))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, report)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
