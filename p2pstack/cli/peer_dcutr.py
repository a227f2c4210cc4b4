"""Hole punching of ``p2pstack peer``: ``dial CIRCUIT --do dcutr``, and what a listener tells of it."""

from __future__ import annotations

import argparse
import contextlib
from time import perf_counter

from p2pstack.aio.connection import Connection
from p2pstack.cli.peer_host import emit, make_host
from p2pstack.connection.trace import TraceSink
from p2pstack.errors import P2PError
from p2pstack.host.events import Event
from p2pstack.identity.circuits import Circuit, split_circuit
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.standard import Host

__all__ = ["know_ourselves", "print_punches", "punch"]


async def punch(options: argparse.Namespace, sink: TraceSink | None) -> None:
    """Connect through the relay in ``options.address``, then wait for a direct connection, and ping over it."""
    host = make_host(options, listen=[f"/ip4/{options.listen_ip}/tcp/0"], trace=sink)
    RelayClient(host)
    punching = HolePunching(host)
    async with host:
        relay = split_circuit(parse(options.address))
        await know_ourselves(host, await host.connect(relay.relay, _known(relay)))
        started = perf_counter()
        peer = (await host.connect(options.address)).peer_id
        emit("relayed", seconds=perf_counter() - started)
        direct = await punching.upgrade(peer, timeout=options.wait)
        seconds = perf_counter() - started
        round_trip = await host.ping(peer)
        emit(
            "direct",
            remote=str(direct.remote_address),
            direction=direct.direction,
            seconds=seconds,
            rtt_us=round_trip * 1e6,
        )


def _known(circuit: Circuit) -> list[Multiaddr]:
    return [circuit.relay_address] if circuit.relay_address is not None else []


async def know_ourselves(host: Host, connection: Connection) -> None:
    """Wait until the peer at the other end, a relay, has told where it sees us: that is what a hole is punched for."""
    with contextlib.suppress(P2PError):
        await host.identify.wait(connection)


def print_punches(event: Event) -> None:
    """Print how an upgrade has ended."""
    match event:
        case HolePunched():
            emit("hole-punched", peer=str(event.peer), attempts=event.attempts, seconds=event.seconds)
        case HolePunchFailed():
            reasons = [str(reason) for reason in event.reasons]
            emit("hole-punch-failed", peer=str(event.peer), attempts=event.attempts, reasons=reasons)
        case _:
            pass
