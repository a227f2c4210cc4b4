"""``p2pstack demo --nat --libp2p``: the same with plain hosts, and what a symmetric router makes of it.

All are processes: ``p2pstack peer listen`` and ``p2pstack peer dial``.
"""

from __future__ import annotations

import os
from time import perf_counter
from typing import Any

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.demo_nat_parts import Moment, Net, Process, Seen, Timeline, punches, running
from p2pstack.cli.output import duration, printable
from p2pstack.identity.keys import PrivateKey

__all__ = ["show"]

ANYWHERE = ("--listen-ip", "0.0.0.0")  # noqa: S104

WAIT_SECONDS = 10.0
VAIN_SECONDS = 4.0
"""How long alice waits for a direct connection, and for one that can't come."""


async def show(net: Net, timeline: Timeline, *, symmetric: bool = False) -> None:
    """Let it happen; with ``symmetric``, which bob's router is then, alice and bob stay connected through the relay.

    Raises:
        CommandError: something did not go as told.
    """
    listen = ("peer", "listen")
    async with running(net.relay, "the relay", *listen, "--listen-ip", net.relay.address, "--relay") as relay:
        up = await relay.event("listening")
        address = up.values["addr"]
        timeline.tell(Moment(up.at, "relay_up", "relay", f"is up at {address}", {"address": address}))
        async with running(net.bob, "bob", *listen, *ANYWHERE, "--relay-addr", address, "--dcutr") as bob:
            reserved = await bob.event("reserved")
            circuit = reserved.values["addr"]
            text = "has reserved: whoever asks the relay for it gets through"
            timeline.tell(Moment(reserved.at, "reserved", "bob", text, {"address": circuit}))
            known = await bob.event("identified")  # by the relay, the only one that he knows
            await _ping(net, timeline, circuit)
            await _punch(net, timeline, bob, circuit, known.values["observed"] if symmetric else None)
            if symmetric:
                await _ping(net, timeline, circuit)


async def _ping(net: Net, timeline: Timeline, circuit: str) -> None:
    """A ping through the relay, by a host that does not go direct."""
    async with running(net.alice, "alice", "peer", "dial", circuit, "--do", "ping") as alice:
        seen = await _result(alice, "ping")
    seconds = seen.values["rtts_us"][0] / 1e6
    text = f"pings bob through the relay: {duration(seconds)}"
    timeline.tell(Moment(seen.at, "relayed_ping", "alice", text, {"rtt_seconds": seconds}, "green"))


async def _punch(net: Net, timeline: Timeline, bob: Process, circuit: str, observed: str | None) -> None:
    """Dial through the relay, and go direct. Or stay there, where ``observed`` is what a symmetric router shows bob."""
    seed = os.urandom(32)
    peer = str(PrivateKey.from_seed(seed).peer_id)
    wait = WAIT_SECONDS if observed is None else VAIN_SECONDS
    words = ("--do", "dcutr", "--wait", wait, *ANYWHERE, "--seed-hex", seed.hex())
    async with running(net.alice, "alice", "peer", "dial", circuit, *words) as alice:
        relayed = await _result(alice, "relayed")
        text = f"is connected with bob through the relay, after {duration(relayed.values['seconds'])}"
        timeline.tell(Moment(relayed.at, "relayed", "alice", text, {"seconds": relayed.values["seconds"]}))
        ended = await alice.event("direct", "error")
        if ended.values["event"] == "error":
            if observed is None:
                raise CommandError(f"alice got no direct connection: {printable(ended.values['error'])}")
            timeline.tell(*_stayed(ended, observed))
            return
        if observed is not None:
            raise CommandError("alice got a direct connection, through a router that should not let it be")
        timeline.tell(*_direct(ended, await bob.event("hole-punched", where=lambda values: values["peer"] == peer)))


def _direct(alice: Seen, bob: Seen) -> list[Moment]:
    values: dict[str, Any] = {name: alice.values[name] for name in ("remote", "direction", "seconds")}
    seconds = alice.values["rtt_us"] / 1e6
    attempts = bob.values["attempts"]
    punched = f"is connected directly with alice, {punches(attempts)}"
    return [
        Moment(bob.at, "hole_punched", "bob", punched, {"attempts": attempts}, "bold green"),
        Moment(alice.at, "direct", "alice", f"is connected directly with {values['remote']}", values, "bold green"),
        Moment(
            perf_counter(), "direct_ping", "alice", f"pings bob: {duration(seconds)}", {"rtt_seconds": seconds}, "green"
        ),
    ]


def _stayed(ended: Seen, observed: str) -> list[Moment]:
    error = printable(str(ended.values["error"]))
    why = f"{observed} is bob's port for the relay alone: his router takes another one for alice, which nobody knows"
    return [
        Moment(ended.at, "stays_relayed", "alice", f"stays connected through the relay: {error}", {"error": error}),
        Moment(ended.at, "why", "bob", f"can't be met: {why}", {"observed": observed, "why": why}, "yellow"),
    ]


async def _result(alice: Process, name: str) -> Seen:
    seen = await alice.event(name, "error")
    if seen.values["event"] == "error":
        raise CommandError(f"alice can't go on: {printable(seen.values['error'])}")
    return seen
