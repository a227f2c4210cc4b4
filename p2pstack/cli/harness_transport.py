"""``p2pstack transport-interop``: listener or dialer of libp2p's transport-interop tests.

Everything it has to know is in the environment, in the spelling of test-plans (``is_dialer``) or in that of the newer
unified-testing (``IS_DIALER``, with ``TEST_KEY``). The listener leaves its address at Redis and stays; the dialer takes
it, connects, pings once and prints how long both took: JSON for the former, YAML for the latter. Logs go to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import NoReturn

from p2pstack.cli.arguments import CommandError, Commands, add_loop
from p2pstack.cli.harness_redis import Redis, redis_endpoint
from p2pstack.cli.output import Output, print_json, print_text
from p2pstack.cli.running import run
from p2pstack.identity.multiaddrs import Multiaddr, is_loopback
from p2pstack.services.standard import Host

__all__ = ["Settings", "add_commands", "play", "read_settings"]

DEFAULT_SECONDS = 180
LONGEST = 86_400
"""Seconds that a test may be given."""

_SPOKEN = {"transport": "tcp", "security": "noise", "muxer": "yamux"}
_NEW_NAMES = {
    "transport": "TRANSPORT",
    "security": "SECURE_CHANNEL",
    "muxer": "MUXER",
    "is_dialer": "IS_DIALER",
    "ip": "LISTENER_IP",
    "redis_addr": "REDIS_ADDR",
    "test_timeout_seconds": "TEST_TIMEOUT_SECS",
}
"""What a variable of test-plans is called by unified-testing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a test wants: ``key`` is the name of the list at Redis, ``seconds`` how long the test may take."""

    dialer: bool
    address: str
    redis: tuple[str, int]
    seconds: float
    key: str
    yaml: bool
    verbose: bool


def add_commands(commands: Commands) -> None:
    """Add ``transport-interop``."""
    parser = commands.add_parser(
        "transport-interop",
        help="listener or dialer of libp2p's transport-interop tests",
        description="Takes all that it has to know from the environment: transport, security, muxer, is_dialer, ip, "
        "redis_addr and test_timeout_seconds, or TRANSPORT, SECURE_CHANNEL, MUXER, IS_DIALER, LISTENER_IP, REDIS_ADDR, "
        "TEST_TIMEOUT_SECS, TEST_KEY and DEBUG.",
    )
    parser.set_defaults(run=_interop)
    add_loop(parser)


def _interop(options: argparse.Namespace, _: Output) -> int:
    settings = read_settings(os.environ)
    if settings.verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    run(play(settings), options.loop)
    return 0


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return what the environment asks for; of two spellings of a variable the first that is not empty counts.

    Raises:
        CommandError: something is missing, not understood, or not spoken here.
    """

    def read(name: str, default: str = "") -> str:
        return environment.get(name) or environment.get(_NEW_NAMES[name]) or default

    for name, spoken in _SPOKEN.items():
        wanted = read(name)
        if wanted != spoken:
            raise CommandError(f"{name} is {wanted!r}, and only {spoken!r} is spoken here")
    role = read("is_dialer")
    if role not in {"true", "false"}:
        raise CommandError(f"is_dialer is {role!r}, and not true or false")
    key = environment.get("TEST_KEY")
    ip = read("ip", "0.0.0.0")  # noqa: S104 - the address that the tests ask for
    return Settings(
        dialer=role == "true",
        address=f"/{'ip6' if ':' in ip else 'ip4'}/{ip}/tcp/0",
        redis=redis_endpoint(read("redis_addr", "redis:6379")),
        seconds=_seconds(read("test_timeout_seconds", str(DEFAULT_SECONDS))),
        key=f"{key}_listener_multiaddr" if key else "listenerAddr",
        yaml=bool(key),
        verbose=environment.get("DEBUG") == "true",
    )


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= LONGEST:
        raise CommandError(f"test_timeout_seconds is {text!r}, and not a number of 1 to {LONGEST}")
    return float(text)


async def play(settings: Settings) -> None:
    """Be the listener or the dialer of a test.

    Raises:
        CommandError: Redis or the other side did not come, or the listener's time is over.
        P2PError: the listener can't be reached, or does not answer the ping.
    """
    deadline = monotonic() + settings.seconds
    async with await Redis.connect(settings.redis, settings.seconds) as redis:
        if settings.dialer:
            await _dial(settings, redis, deadline)
        else:
            await _listen(settings, redis, deadline)


async def _listen(settings: Settings, redis: Redis, deadline: float) -> NoReturn:
    async with Host(listen=[settings.address]) as host:
        address = _reachable(host.full_addresses)
        await redis.push(settings.key, str(address))
        # A runner ends all when the first of them ends: whoever listens stays until it is ended, or too late anyway.
        await asyncio.sleep(max(deadline - monotonic(), 0.0))
    raise CommandError(f"nobody has ended this listener within {settings.seconds:g} s")


def _reachable(addresses: list[Multiaddr]) -> Multiaddr:
    """Return an address that others can dial: a loopback one only where there is no other.

    Raises:
        CommandError: there is none at all.
    """
    try:
        return min(addresses, key=is_loopback)
    except ValueError:
        raise CommandError("this machine has no address to listen on") from None


async def _dial(settings: Settings, redis: Redis, deadline: float) -> None:
    address = await redis.pop(settings.key, max(deadline - monotonic(), 0.0))
    async with Host() as host:
        started = perf_counter()
        connection = await host.connect(address, timeout=max(deadline - monotonic(), 0.001))
        ping = await host.ping(connection.peer_id) * 1e3
        both = (perf_counter() - started) * 1e3
    if settings.yaml:
        print_text(sys.stdout, f"latency:\n  handshake_plus_one_rtt: {both:.3f}\n  ping_rtt: {ping:.3f}\n  unit: ms")
    else:
        # The second key is misspelt in the contract, too.
        print_json(sys.stdout, {"handshakePlusOneRTTMillis": round(both, 3), "pingRTTMilllis": round(ping, 3)})
