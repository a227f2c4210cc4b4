"""The host of ``p2pstack peer``: no limits that bite, as its Go and Rust counterparts; and the events it prints."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from p2pstack.aio.config import ShellConfig
from p2pstack.cli.output import print_json
from p2pstack.cli.tracefile import TraceFile
from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.trace import TraceSink
from p2pstack.host.config import HostConfig, LimitsConfig, ManagerConfig
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.events import PeerInfo
from p2pstack.services.standard import Host
from p2pstack.yamux.config import YamuxConfig

__all__ = ["emit", "emit_identified", "make_host", "peer_config", "resident_kib", "tracing", "without_limits"]

MANY = 1_000_000
"""A limit that is never met."""

_STATUS = Path("/proc/self/status")


def emit(event: str, **values: object) -> None:
    """Print an event."""
    print_json(sys.stdout, {"event": event, **values})


def emit_identified(info: PeerInfo) -> None:
    """Print what a peer tells of itself."""
    emit(
        "identified",
        peer=str(info.peer),
        agent=info.agent,
        protocol_version=info.protocol_version,
        protocols=list(info.protocols),
        observed=str(info.observed) if info.observed is not None else "",
        listen_addrs=[str(address) for address in info.addresses],
        signed_peer_record=info.record is not None,
    )


def peer_config(options: argparse.Namespace) -> HostConfig:
    """Return the configuration that the arguments ask for."""
    shell = ShellConfig(spin_seconds=options.spin / 1e6)
    connection = ConnectionConfig()
    streams: int | None = options.streams_limit
    if streams is not None:
        shell = ShellConfig(spin_seconds=shell.spin_seconds, max_handlers=streams)
        yamux = YamuxConfig(max_streams=streams, max_inbound_streams=streams)
        connection = ConnectionConfig(max_negotiating=streams, yamux=yamux)
    return without_limits(HostConfig(connection=connection, shell=shell))


def without_limits(config: HostConfig) -> HostConfig:
    """Return ``config`` with no limit that is ever met, on connections, streams and memory of peers together."""
    limits = LimitsConfig(
        connections=MANY,
        inbound_connections=MANY,
        upgrading=MANY,
        connections_per_peer=MANY,
        connections_per_ip=MANY,
        connection_rate_per_ip=MANY,
        connection_burst_per_ip=MANY,
        inbound_streams=MANY,
        streams_per_protocol=MANY,
        window_memory=1 << 34,
    )
    return replace(config, limits=limits, manager=ManagerConfig(low_water=MANY, high_water=MANY))


def make_host(options: argparse.Namespace, *, listen: Sequence[str] = (), trace: TraceSink | None = None) -> Host:
    """Return a host as the arguments ask for, not started yet."""
    key = PrivateKey.from_seed(options.seed) if options.seed is not None else None
    return Host(key, listen=listen, config=peer_config(options), trace=trace)


@contextlib.contextmanager
def tracing(options: argparse.Namespace) -> Iterator[TraceSink | None]:
    """Give what a host records its frames with, where that is wanted."""
    if options.trace is None:
        yield None
        return
    with TraceFile(options.trace) as trace:
        yield trace.sink


def resident_kib() -> int:
    """Return the resident memory of this process in KiB, or -1 where the system does not tell as Linux does."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return -1
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), -1)
