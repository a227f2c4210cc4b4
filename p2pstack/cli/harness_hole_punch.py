"""``p2pstack hole-punch-interop``: a client of libp2p's hole-punch-interop tests, there called ``hole-punch-client``.

Two of them run, each behind a NAT of its own, and learn from Redis where the relay is. The one with ``MODE=listen``
reserves there and tells its peer id; the one with ``MODE=dial`` connects through the relay, waits until both have
punched through, pings directly and prints the round trip. What else there is to say goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import NoReturn

from p2pstack.cli.arguments import CommandError, Commands, add_loop
from p2pstack.cli.harness_redis import Redis, redis_endpoint
from p2pstack.cli.output import Output, print_json
from p2pstack.cli.running import run
from p2pstack.identity.circuits import circuit_address
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of, with_peer, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.dcutr.events import HolePunchFailed
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_events import ReservationLost
from p2pstack.services.standard import Host

__all__ = ["Settings", "add_commands", "play", "read_settings"]

SECONDS = 300.0
"""For everything of a dialer, and for a listener to have its reservation. The runner ends both after 60."""

RELAY = "RELAY_TCP_ADDRESS"
LISTENER = "LISTEN_CLIENT_PEER_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a test wants."""

    dialer: bool
    redis: tuple[str, int]


def add_commands(commands: Commands) -> None:
    """Add ``hole-punch-interop``."""
    parser = commands.add_parser(
        "hole-punch-interop",
        help="a client of libp2p's hole-punch-interop tests",
        description="Takes all that it has to know from the environment: MODE=dial or listen, TRANSPORT=tcp, and "
        "REDIS_ADDR where Redis is not at redis:6379.",
    )
    parser.set_defaults(run=_interop)
    add_loop(parser)


def _interop(options: argparse.Namespace, _: Output) -> int:
    run(play(read_settings(os.environ)), options.loop)
    return 0


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return what the environment asks for.

    Raises:
        CommandError: something is missing, not understood, or not spoken here.
    """
    mode, transport = environment.get("MODE", ""), environment.get("TRANSPORT", "")
    if mode not in {"dial", "listen"}:
        raise CommandError(f"MODE is {mode!r}, and neither dial nor listen")
    if transport != "tcp":
        raise CommandError(f"TRANSPORT is {transport!r}, and only 'tcp' is spoken here")
    return Settings(dialer=mode == "dial", redis=redis_endpoint(environment.get("REDIS_ADDR") or "redis:6379"))


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


async def play(settings: Settings) -> None:
    """Be one of the two clients. A listener stays until it is ended from outside.

    Raises:
        CommandError: Redis, the relay's address or the other client did not come.
        P2PError: the relay refuses, or no direct connection comes about.
    """
    deadline = monotonic() + SECONDS
    async with await Redis.connect(settings.redis, SECONDS) as redis:
        relay = parse(await redis.pop(RELAY, deadline - monotonic()))
        host = Host(listen=["/ip4/0.0.0.0/tcp/0"])
        client, punching = RelayClient(host), HolePunching(host)
        async with host:
            connection = await host.connect(relay)
            # The relay tells where it sees us from, which is where the other client has to knock.
            info = await host.identify.wait(connection)
            _note(f"connected to the relay {connection.peer_id}, which sees us at {info.observed}")
            if settings.dialer:
                await _dial(host, punching, redis, relay, deadline)
            else:
                await _listen(host, client, redis, relay)


async def _listen(host: Host, client: RelayClient, redis: Redis, relay: Multiaddr) -> NoReturn:
    async with host.events(HolePunchFailed, ReservationLost) as events:
        await client.reserve(relay)
        await redis.push(LISTENER, str(host.peer_id))
        _note(f"reserved; waiting as {host.peer_id}")
        async for event in events:
            if isinstance(event, HolePunchFailed):
                raise CommandError("no hole was punched: " + "; ".join(map(str, event.reasons)))
            if isinstance(event, ReservationLost):
                raise CommandError(f"the reservation is lost: {event.reason}")
    raise CommandError("the host was closed")


async def _dial(host: Host, punching: HolePunching, redis: Redis, relay: Multiaddr, deadline: float) -> None:
    peer = PeerId.from_string(await redis.pop(LISTENER, deadline - monotonic()))
    await host.connect(_through(relay, peer), timeout=deadline - monotonic())
    _note(f"connected to {peer} through the relay")
    connection = await punching.upgrade(peer, timeout=deadline - monotonic())
    _note(f"connected to {peer} at {connection.remote_address}")
    # New streams use the direct connection.
    seconds = await host.ping(peer)
    print_json(sys.stdout, {"rtt_to_holepunched_peer_millis": round(seconds * 1e3)})


def _through(relay: Multiaddr, peer: PeerId) -> Multiaddr:
    """Return the address of ``peer`` behind the relay.

    Raises:
        CommandError: the relay's address does not say who it is.
    """
    name = peer_id_of(relay)
    if name is None:
        raise CommandError(f"{RELAY} is {relay}, without a peer id")
    return with_peer(circuit_address(without_peer(relay), name), peer)
