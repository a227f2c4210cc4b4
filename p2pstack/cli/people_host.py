"""The host behind the commands for people, and how they show who a peer is."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from p2pstack.aio.connection import Connection
from p2pstack.cli.arguments import add_common, add_loop, seconds
from p2pstack.cli.keyfiles import read_key
from p2pstack.cli.output import printable
from p2pstack.cli.tracefile import TraceFile
from p2pstack.errors import P2PError
from p2pstack.services.events import PeerInfo
from p2pstack.services.standard import Host

__all__ = [
    "ALL_INTERFACES",
    "LOCAL",
    "add_host_options",
    "add_target",
    "info_fields",
    "info_values",
    "open_host",
    "who_is",
]

LOCAL, ALL_INTERFACES = "/ip4/127.0.0.1/tcp/0", "/ip4/0.0.0.0/tcp/0"
"""Where to listen, on a free port: for trials on one machine, and for others to connect."""


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that starts a host."""
    add_common(parser)
    add_loop(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", help="who to be (default: a new key)")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="record every frame, for `p2pstack trace`")


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add whom to talk to, for commands that dial."""
    parser.add_argument("address", metavar="ADDR", help="/ip4/192.0.2.1/tcp/4001, better with /p2p/ID behind it")
    parser.add_argument("--timeout", type=seconds, default=15.0, metavar="S", help="for the dial (default: 15)")


@contextlib.asynccontextmanager
async def open_host(
    options: argparse.Namespace, listen: Sequence[str] = (), serve: Sequence[Callable[[Host], object]] = ()
) -> AsyncIterator[Host]:
    """Run a host with the key and the trace that the arguments ask for; ``serve`` adds protocols before it starts."""
    key = read_key(options.key) if options.key is not None else None
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(TraceFile(options.trace)).sink if options.trace is not None else None
        host = Host(key, listen=listen, trace=sink)
        for add in serve:
            add(host)
        async with host:
            yield host


async def who_is(host: Host, connection: Connection) -> PeerInfo | None:
    """Return what the peer tells of itself, or None where it does not tell."""
    with contextlib.suppress(P2PError):
        return await host.identify.wait(connection)
    return None


def info_values(info: PeerInfo) -> dict[str, object]:
    """Return what a peer tells of itself, for JSON."""
    return {
        "peer_id": str(info.peer),
        "agent": info.agent,
        "protocol_version": info.protocol_version,
        "protocols": list(info.protocols),
        "addresses": [str(address) for address in info.addresses],
        "observed": str(info.observed) if info.observed is not None else None,
        "signed_record": info.record is not None,
    }


def info_fields(info: PeerInfo) -> list[tuple[str, object]]:
    """Return what a peer tells of itself, for people."""
    return [
        ("agent", printable(info.agent)),
        ("protocol version", printable(info.protocol_version)),
        ("protocols", [printable(protocol) for protocol in info.protocols]),
        ("listens on", [str(address) for address in info.addresses]),
        ("sees us at", str(info.observed) if info.observed is not None else "-"),
        ("signed record", info.record is not None),
    ]
