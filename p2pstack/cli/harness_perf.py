"""``p2pstack perf-interop``: client or server of libp2p's perf benchmarks, with the arguments that these give.

The client prints a line of JSON each second, with what has gone over since the last one, and one at the end; its time
begins before it connects. The server's identity is known to everybody, since go's client insists on it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from time import perf_counter

from p2pstack.cli.arguments import CommandError, Commands, add_loop, size
from p2pstack.cli.output import Output, print_json, print_text
from p2pstack.cli.running import run, stop_requests
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.perf import measure, serve_perf
from p2pstack.services.standard import Host

__all__ = ["SERVER_KEY", "add_commands", "play"]

SERVER_KEY = PrivateKey.from_seed(bytes(32))
"""No secret: 12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN."""

INTERVAL = 1.0
"""Seconds between two lines."""

_YES = ("true", "1", "yes")


def add_commands(commands: Commands) -> None:
    """Add ``perf-interop``."""
    parser = commands.add_parser(
        "perf-interop",
        help="client or server of libp2p's perf benchmarks",
        description="Serves /perf/1.0.0 with --run-server, else uploads and downloads once, on a new connection.",
    )
    parser.add_argument("--run-server", nargs="?", type=_flag, const=True, default=False, metavar="BOOL")
    parser.add_argument("--server-address", required=True, metavar="HOST:PORT")
    parser.add_argument("--transport", choices=("tcp",), default="tcp")
    parser.add_argument("--upload-bytes", type=size, default=0, metavar="N", help="default: 0")
    parser.add_argument("--download-bytes", type=size, default=0, metavar="N", help="default: 0")
    parser.set_defaults(run=_interop)
    add_loop(parser)


def _flag(text: str) -> bool:
    if text not in {*_YES, "false", "0", "no"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text in _YES


def _interop(options: argparse.Namespace, _: Output) -> int:
    run(play(options), options.loop)
    return 0


async def play(options: argparse.Namespace) -> None:
    """Be the server until SIGTERM comes, or the client until it is done.

    Raises:
        CommandError: the server's address is none.
        OSError: it can't be listened on.
        P2PError: the server can't be reached, or breaks the protocol.
    """
    address = _multiaddr(options.server_address)
    if options.run_server:
        await _serve(address)
    else:
        await _measure(address, options.upload_bytes, options.download_bytes)


def _multiaddr(text: str) -> str:
    """Return ``HOST:PORT`` as a multiaddr; the host may be a name, or IPv6 in brackets."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise CommandError(f"{text!r} is no server's address: HOST:PORT is")
    if host.startswith("[") and host.endswith("]"):
        return f"/ip6/{host[1:-1]}/tcp/{port}"
    kind = "ip4" if host.replace(".", "").isdigit() else "dns"
    return f"/{kind}/{host}/tcp/{port}"


async def _serve(address: str) -> None:
    host = Host(SERVER_KEY, listen=[address])
    serve_perf(host)
    async with host:
        with stop_requests(stdin=False) as stop:
            for each in host.full_addresses:
                print_text(sys.stdout, str(each))
            await stop.wait()


@dataclass(slots=True)
class _Meter:
    """What has gone over, and what of it has been printed."""

    now: tuple[int, int] = (0, 0)
    printed: tuple[int, int] = (0, 0)
    since: float = field(default_factory=perf_counter)

    def progress(self, sent: int, received: int) -> None:
        self.now = (sent, received)

    async def print_each_second(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            time, since = perf_counter(), self.since
            _print("intermediary", time - since, self.now[0] - self.printed[0], self.now[1] - self.printed[1])
            self.since, self.printed = time, self.now


async def _measure(address: str, upload: int, download: int) -> None:
    started = perf_counter()
    async with Host() as host:
        meter = _Meter(since=started)
        printing = asyncio.create_task(meter.print_each_second())
        try:
            connection = await host.connect(address)
            await measure(host, connection.peer_id, upload=upload, download=download, progress=meter.progress)
            seconds = perf_counter() - started
        finally:
            printing.cancel()
            await asyncio.wait([printing])
    _print("final", seconds, upload, download)


def _print(kind: str, seconds: float, upload: int, download: int) -> None:
    values = {"type": kind, "timeSeconds": seconds, "uploadBytes": upload, "downloadBytes": download}
    print_json(sys.stdout, values)
