"""Relays, listeners and dialers in their places, and what a dialer achieved: what all tests with peers do here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from p2pstack.testing.nat import Host, Nat, Topology
from tests.interop.harness import Event, Peer, PeerFailed, Peers

__all__ = [
    "Outcome", "Place", "described", "dial", "dial_often", "placed", "relay_options", "relayed_listener", "relaying",
    "side_by_side",
]  # fmt: skip

RESERVE_SECONDS = 15.0
WAIT_SECONDS = 12.0
"""How long a dialer waits for a direct connection; three attempts of the slowest fit in."""
AT_ONCE = 5
"""Dialers that run beside each other. Of 10 the circuits between Go and Rust peers fail now and then."""
LEAVE_SECONDS = 15.0
"""For what a dialer does beside: it starts, meets the relay, and leaves."""


@dataclass(frozen=True)
class Outcome:
    """How ``dial --do dcutr`` ended."""

    relayed: Event | None
    """Its event, if the circuit was made."""
    direct: Event | None
    """Its event, if there was a direct connection, and a ping over it."""
    error: str
    """Its error, or nothing."""


@dataclass(frozen=True)
class Place:
    """Three hosts of a topology: a relay on the public net, and two that want to meet."""

    relay: Host
    listener: Host
    dialer: Host


def placed(net: Topology, listener: Nat, dialer: Nat) -> Place:
    """Set up the hosts behind such NATs."""
    return Place(net.host(Nat.PUBLIC), net.host(listener), net.host(dialer))


def relay_options(host: Host) -> tuple[str, ...]:
    """What makes a listener a relay at the host's public address."""
    return ("--relay", "--listen-ip", host.address)


@contextlib.asynccontextmanager
async def relaying(peers: Peers, kind: str, host: Host) -> AsyncIterator[Peer]:
    """A relay at the host's public address."""
    async with peers.behind(host.prefix).listen(kind, *relay_options(host)) as relay:
        yield relay


@contextlib.asynccontextmanager
async def relayed_listener(
    peers: Peers, kind: str, host: Host, *relays: Peer, punching: bool = True
) -> AsyncIterator[tuple[Peer, list[str]]]:
    """A listener with a reservation at each relay, ready to punch; gives its circuit addresses, in the same order."""
    words = [word for relay in relays for word in ("--relay-addr", relay.address)]
    words += ["--dcutr"] if punching else []
    async with peers.behind(host.prefix).listen(kind, "--listen-ip", "0.0.0.0", *words) as node:
        circuits = [await reserved(node, relay) for relay in relays]
        yield node, circuits


async def reserved(node: Peer, relay: Peer, *, seconds: float = RESERVE_SECONDS) -> str:
    """Wait until the listener has a reservation at that relay; returns its circuit address."""
    event = await node.event("reserved", seconds=seconds, where=lambda event: relay.peer_id in event["addr"])
    circuit = str(event["addr"])
    if not circuit.endswith(f"/p2p/{node.peer_id}") or "/p2p-circuit/" not in circuit:
        raise PeerFailed(f"{node.title} told of a circuit that is none of its: {circuit}\n{node.transcript()}")
    return circuit


async def dial(peers: Peers, kind: str, host: Host, circuit: str, *, wait: float = WAIT_SECONDS) -> Outcome:
    """Dial a circuit and wait for a direct connection; the dialer has to end in one of the agreed ways."""
    inside = peers.behind(host.prefix)
    words = (circuit, "--do", "dcutr", "--dcutr", "--listen-ip", "0.0.0.0", "--wait", f"{wait:g}")
    async with inside.run(kind, "dial", *words) as dialer:
        status = await dialer.finish(seconds=wait + LEAVE_SECONDS)
    found = {name: [event for event in dialer.events if event["event"] == name] for name in ("relayed", "direct")}
    errors = [str(event["error"]) for event in dialer.events if event["event"] == "error"]
    if status != (1 if errors else 0) or len(errors) + len(found["direct"]) != 1 or len(found["relayed"]) > 1:
        raise PeerFailed(f"{dialer.title} ended with status {status}\n{dialer.transcript()}")
    return Outcome(*(next(iter(found[name]), None) for name in ("relayed", "direct")), "".join(errors))


async def dial_often(
    peers: Peers, kind: str, host: Host, circuit: str, times: int, *, at_once: int = AT_ONCE
) -> list[Outcome]:
    """Dial so many times, each time as another peer, a few at once."""
    places = asyncio.Semaphore(at_once)

    async def one() -> Outcome:
        async with places:
            return await dial(peers, kind, host, circuit)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(times)]
    return [task.result() for task in tasks]


async def side_by_side(cases: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Run cases that do little but wait beside each other, each to its end; those that fail are named.

    Raises:
        BaseExceptionGroup: with the failures.
    """
    outcomes = await asyncio.gather(*cases.values(), return_exceptions=True)
    failures = []
    for name, outcome in zip(cases, outcomes, strict=True):
        if outcome is not None:
            outcome.add_note(f"in the case {name}")
            failures.append(outcome)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases failed", failures)


def described(what: str, outcomes: Sequence[Outcome]) -> str:
    """How often there was a direct connection, and how many seconds after the start of the dial."""
    seconds = sorted(outcome.direct["seconds"] for outcome in outcomes if outcome.direct is not None)
    times = f", {seconds[0]:.2f} to {seconds[-1]:.2f} s, median {median(seconds):.2f} s" if seconds else ""
    return f"{what}: direct {len(seconds)} of {len(outcomes)}{times}"
