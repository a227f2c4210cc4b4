"""py-libp2p behind the command line that all measured stacks share.

Runs inside the virtual environment that `benchmarks.environments` makes, where p2pstack is not installed.
Verbs: `listen [--port N]` and `dial ADDR --do ping|echo|perf|connect|hold`; one JSON object a line on stdout.
TCP, Noise and yamux on 127.0.0.1, everything else as the library has it: its waits belong to what is measured.
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import trio
from libp2p import new_host
from libp2p.abc import IHost, INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.ping import ID as PING
from libp2p.host.ping import PingService
from libp2p.io.utils import read_exactly
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.perf import PerfService
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from multiaddr import Multiaddr

ECHO = TProtocol("/echo/1.0.0")
PERF = TProtocol("/perf/1.0.0")
PING_SIZE = 32
BLOCK = 65_536


def emit(**event: object) -> None:
    """Print one event as a line of JSON."""
    print(json.dumps(event), flush=True)


def make_host() -> IHost:
    """A host with a fresh identity that speaks Noise and yamux alone."""
    key_pair = create_new_key_pair()
    noise = NoiseTransport(key_pair, noise_privkey=create_noise_key_pair().private_key)
    return new_host(key_pair=key_pair, sec_opt={NOISE: noise}, muxer_preference="YAMUX")


async def read_some(stream: INetStream) -> bytes:
    """The next bytes, or b"" at the end of the stream (which the library raises)."""
    try:
        data: bytes = await stream.read(BLOCK)
    except StreamEOF:
        return b""
    return data


async def read_all(stream: INetStream) -> list[bytes]:
    """Everything up to the end of the stream."""
    parts = []
    while data := await read_some(stream):
        parts.append(data)
    return parts


async def serve_echo(stream: INetStream) -> None:
    """Send back what comes until the other side ends, then close."""
    while data := await read_some(stream):
        await stream.write(data)
    await stream.close()


async def listen(arguments: argparse.Namespace) -> None:
    """Serve ping, echo and perf until stdin closes (it is not to be written to)."""
    host = make_host()
    host.set_stream_handler(ECHO, serve_echo)
    host.set_stream_handler(PING, PingService(host).handle_ping)
    await PerfService(host).start()
    async with host.run([Multiaddr(f"/ip4/127.0.0.1/tcp/{arguments.port}")]):
        address = str(host.get_addrs()[0])
        suffix = f"/p2p/{host.get_id()}"
        emit(event="listening", addr=address if address.endswith(suffix) else address + suffix)
        await trio.lowlevel.wait_readable(0)


async def ping(host: IHost, peer: ID, arguments: argparse.Namespace) -> None:
    """Pings one after another on one stream, timed here: the library's own service gives whole milliseconds."""
    stream = await host.new_stream(peer, [PING])
    times = []
    for _ in range(arguments.count):
        payload = os.urandom(PING_SIZE)
        start = time.perf_counter()
        await stream.write(payload)
        answer = await read_exactly(stream, PING_SIZE)
        times.append((time.perf_counter() - start) * 1e6)
        if answer != payload:
            raise ValueError("ping: the payload came back changed")
    emit(event="ping", rtts_us=times)


async def echo(host: IHost, peer: ID, arguments: argparse.Namespace) -> None:
    """`--streams` echoes, in a row or at most `--workers` at once."""
    payload = os.urandom(arguments.size)
    slots = trio.CapacityLimiter((arguments.workers or arguments.streams) if arguments.concurrent else 1)

    async def once() -> None:
        async with slots:
            stream = await host.new_stream(peer, [ECHO])
            await stream.write(payload)
            await stream.close_write()  # type: ignore[attr-defined]  # the class has it, its interface does not
            if b"".join(await read_all(stream)) != payload:
                raise ValueError("echo: the payload came back changed")
            await stream.close()

    start = time.perf_counter()
    if arguments.concurrent:
        async with trio.open_nursery() as nursery:
            for _ in range(arguments.streams):
                nursery.start_soon(once)
    else:
        for _ in range(arguments.streams):
            await once()
    seconds = time.perf_counter() - start
    emit(event="echo", streams=arguments.streams, bytes=arguments.size * arguments.streams, seconds=seconds)


async def perf(host: IHost, peer: ID, arguments: argparse.Namespace) -> None:
    """One upload, then one download, each on a stream of its own."""
    seconds = []
    block = bytes(BLOCK)
    for up, down in ((arguments.up, 0), (0, arguments.down)):
        start = time.perf_counter()
        if up or down:
            stream = await host.new_stream(peer, [PERF])
            await stream.write(down.to_bytes(8, "big"))
            for offset in range(0, up, BLOCK):
                await stream.write(block[: up - offset])
            await stream.close_write()  # type: ignore[attr-defined]  # the class has it, its interface does not
            total = 0
            while data := await read_some(stream):
                total += len(data)
            if total != down:
                raise ValueError("perf: not all bytes came back")
        seconds.append(time.perf_counter() - start)
    emit(
        event="perf",
        up_bytes=arguments.up,
        up_seconds=seconds[0],
        down_bytes=arguments.down,
        down_seconds=seconds[1],
    )


@contextlib.asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[IHost, ID]]:
    """A new host that is connected to `address`."""
    host, info = make_host(), info_from_p2p_addr(Multiaddr(address))
    async with host.run([]):
        await host.connect(info)
        yield host, info.peer_id


async def connect(arguments: argparse.Namespace) -> None:
    """`--count` full upgrades one after another by one host, each connection closed again."""
    host, info = make_host(), info_from_p2p_addr(Multiaddr(arguments.addr))
    async with host.run([]):
        start = time.perf_counter()
        for _ in range(arguments.count):
            await host.connect(info)
            await host.disconnect(info.peer_id)
        emit(event="connect", count=arguments.count, seconds=time.perf_counter() - start)


async def hold(arguments: argparse.Namespace) -> None:
    """`--count` hosts with one connection each, kept for `--wait` seconds."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(arguments.count):
            await stack.enter_async_context(connected(arguments.addr))
        emit(event="holding", count=arguments.count)
        await trio.sleep(arguments.wait)


STREAM_VERBS: dict[str, Callable[[IHost, ID, argparse.Namespace], Awaitable[None]]] = {
    "ping": ping,
    "echo": echo,
    "perf": perf,
}


async def dial(arguments: argparse.Namespace) -> None:
    """What `--do` names."""
    if arguments.do in ("connect", "hold"):
        await (connect if arguments.do == "connect" else hold)(arguments)
        return
    async with connected(arguments.addr) as (host, peer):
        await STREAM_VERBS[arguments.do](host, peer, arguments)


def main() -> None:
    """Parse the command line and run; a failure is an error event and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    listener = verbs.add_parser("listen")
    listener.add_argument("--port", type=int, default=0)
    dialer = verbs.add_parser("dial")
    dialer.add_argument("addr")
    dialer.add_argument("--do", choices=("ping", "echo", "perf", "connect", "hold"), required=True)
    for name, default in (("count", 10), ("size", 1), ("streams", 1), ("workers", 0), ("up", 0), ("down", 0)):
        dialer.add_argument(f"--{name}", type=int, default=default)
    dialer.add_argument("--concurrent", action="store_true")
    dialer.add_argument("--wait", type=float, default=10)
    arguments = parser.parse_args()
    try:
        trio.run(listen if arguments.verb == "listen" else dial, arguments)
    except* Exception as group:
        emit(event="error", error=repr(group.exceptions[0]))
        raise SystemExit(1) from group


if __name__ == "__main__":
    main()
