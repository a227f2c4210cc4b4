"""What ``p2pstack relay`` is told: by its arguments, by ``.secret``, and by the environment of the original's relay."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.shinkai_settings import (
    DIRECTORY_FILE,
    finding_config,
    read_address,
    read_chain,
    read_identity,
    read_level,
    read_number,
)
from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.multiaddrs import parse, without_peer
from p2pstack.relay.config import RelayConfig
from p2pstack.shinkai.directory.config import ChainConfig
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import DirectConfig
from p2pstack.shinkai.node.listening import listen_endpoint
from p2pstack.shinkai.node.ways import multiaddr_of
from p2pstack.shinkai.relayer.config import RelayerConfig, host_config

__all__ = ["RelaySettings", "read_relay_settings"]

_NEVER = 1e9
"""Seconds between pings that are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """A relay as it is to be. ``notes`` are for whoever has started it; ``metrics`` is a port of this machine."""

    name: ShinkaiName
    keys: NodeKeys
    data: Path
    listen: str
    external: tuple[str, ...]
    bootstrap: tuple[str, ...]
    directory: Path | None
    """The file; None: the registry on chain."""

    chain: ChainConfig
    metrics: int | None
    config: RelayerConfig
    level: int
    notes: list[str] = field(default_factory=list)


def read_relay_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> RelaySettings:
    """Read the settings; make the folder, and in it the keys, if there are none.

    Raises:
        CommandError: something is not what it has to be.
        OSError: the folder or a file in it can't be made or read.
    """
    notes: list[str] = []
    # First what can be wrong: or keys would be made for a relay that does not start.
    listen = _multiaddr(options.listen or f"0.0.0.0:{read_number(environ, 'PORT', 8080)}")
    external = tuple(map(_multiaddr, options.external))
    bootstrap = tuple(map(read_address, options.bootstrap))
    chain = read_chain(options, environ)
    config = _config(options, environ)
    name, keys = read_identity(options, environ, options.data, notes, variable="NODE_NAME", default=None)
    if environ.get("STATUS_ENDPOINT_URL"):
        notes.append("STATUS_ENDPOINT_URL is ignored: nothing is posted anywhere, see --metrics")
    return RelaySettings(
        name=name,
        keys=keys,
        data=options.data,
        listen=listen,
        external=external,
        bootstrap=bootstrap,
        directory=None if chain is not None else options.directory or options.data / DIRECTORY_FILE,
        chain=chain or ChainConfig(),
        metrics=options.metrics,
        config=config,
        level=read_level(options.log, environ),
        notes=notes,
    )


def _multiaddr(text: str) -> str:
    """Return the multiaddr that a text is, or that of its host and port."""
    try:
        if text.startswith("/"):
            return str(without_peer(parse(text)))
        return multiaddr_of(listen_endpoint(text))
    except (ConfigError, DecodeError) as error:
        raise CommandError(f"{text!r} is no address: {error}") from error


def _config(options: argparse.Namespace, environ: Mapping[str, str]) -> RelayerConfig:
    connections = options.max_connections or read_number(environ, "MAX_CONNECTIONS", 2_048)
    interval = options.ping_interval
    if interval is None:
        interval = float(read_number(environ, "PING_INTERVAL_SECS", 10))
    defaults = RelayerConfig()
    try:
        outgoing = incoming = BandwidthConfig()
        if options.bandwidth is not None:
            outgoing = incoming = BandwidthConfig(
                per_second=options.bandwidth, burst=max(outgoing.burst, options.bandwidth)
            )
        return RelayerConfig(
            host=host_config(connections, options.max_connections_per_ip or 64),
            relay=_relay(options),
            direct=DirectConfig(max_requests=defaults.direct.max_requests, max_memory=defaults.direct.max_memory),
            finding=finding_config(options),
            outgoing=outgoing,
            incoming=incoming,
            messages_per_second=options.messages_per_second or defaults.messages_per_second,
            max_named=options.max_named or defaults.max_named,
            max_local=options.max_local or defaults.max_local,
            ping_interval=interval or _NEVER,
        )
    except ConfigError as error:
        raise CommandError(f"these limits can't work: {error}") from error


def _relay(options: argparse.Namespace) -> RelayConfig:
    given = {
        "max_reservations": options.max_reservations,
        "reservations_per_ip": options.max_reservations_per_ip,
        "max_circuits": options.max_circuits,
        "circuits_per_peer": options.max_circuits_per_peer,
        "reservation_lifetime": options.reservation_seconds,
        "circuit_duration": options.circuit_seconds,
        "circuit_bytes": options.circuit_bytes,
    }
    return replace(RelayConfig.shinkai(), **{name: value for name, value in given.items() if value is not None})
