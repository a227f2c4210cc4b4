"""py-libp2p behind the command line that all measured stacks share.

Runs inside the virtual environment that `benchmarks.environments` makes, where p2pstack is not installed.
Verbs: `listen [--port N] [--topic T]`, `dial ADDR --do ping|echo|perf|connect|hold` and `gossip ADDR… --topic T
--publish N`; one JSON object a line on stdout. TCP, Noise and yamux on 127.0.0.1, everything else as the library has
it: its waits belong to what is measured. Gossipsub's limit of ten messages a second is switched off.
"""

import argparse
import contextlib
import json
import os
import struct
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
from libp2p.pubsub.gossipsub import PROTOCOL_ID, PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

ECHO = TProtocol("/echo/1.0.0")
PERF = TProtocol("/perf/1.0.0")
PING_SIZE = 32
BLOCK = 65_536
HEADER = struct.Struct(">QQ")
"""The beginning of a gossip message: its number, and the ns since 1970 when it was sent."""
MESH_SECONDS = 10.0


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
    """Serve ping, echo and perf, and receive a topic, until stdin closes (it is not to be written to)."""
    host = make_host()
    inbox = Inbox()
    host.set_stream_handler(ECHO, serve_echo)
    host.set_stream_handler(PING, PingService(host).handle_ping)
    await PerfService(host).start()
    async with contextlib.AsyncExitStack() as stack:
        # Before the host runs, so that no connection is missed.
        router = GossipRouter(host) if arguments.topic else None
        await stack.enter_async_context(host.run([Multiaddr(f"/ip4/127.0.0.1/tcp/{arguments.port}")]))
        if router is not None:
            await stack.enter_async_context(router.joined(arguments.topic, inbox))
        address = str(host.get_addrs()[0])
        suffix = f"/p2p/{host.get_id()}"
        emit(event="listening", addr=address if address.endswith(suffix) else address + suffix)
        await trio.lowlevel.wait_readable(0)
        # What follows takes the library a while.
        emit(event="summary", **inbox.summary())


class Inbox:
    """What came of a topic: numbers, and when each was sent and received."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.sent: list[int] = []
        self.received: list[int] = []

    def add(self, data: bytes) -> None:
        """Count a message."""
        self.received.append(time.time_ns())
        number, sent = HEADER.unpack_from(data)
        self.numbers.add(number)
        self.sent.append(sent)

    def summary(self) -> dict[str, object]:
        """Under the names that all peers use."""
        count = len(self.received)
        values: dict[str, object] = {"received": count, "distinct": len(self.numbers)}
        if count > 1:
            span = (self.received[-1] - self.received[0]) / 1e9
            latencies = sorted(end - start for start, end in zip(self.sent, self.received, strict=True))
            values |= {
                "receive_span_seconds": span,
                "receive_rate": (count - 1) / span,
                "latency_us_first": (self.received[0] - self.sent[0]) / 1e3,
                "latency_us_p50": latencies[count // 2] / 1e3,
                "latency_us_p99": latencies[count * 99 // 100] / 1e3,
                "latency_us_max": latencies[-1] / 1e3,
            }
        return values


class GossipRouter:
    """Gossipsub of a host, with the mesh that the specification recommends."""

    def __init__(self, host: IHost) -> None:
        self.own = host.get_id()
        # With version 1.2 an IDONTWANT before each message fills half of the queue, and hardly anything arrives.
        protocols = [PROTOCOL_ID_V11, PROTOCOL_ID]
        self.router = GossipSub(protocols, degree=6, degree_low=5, degree_high=12, spam_protection_enabled=False)
        self.pubsub = Pubsub(host, self.router)

    @contextlib.asynccontextmanager
    async def joined(self, topic: str, inbox: Inbox) -> AsyncIterator[None]:
        """Run, and put what comes in `topic` into `inbox`; our own messages are left out."""
        own = self.own.to_bytes()
        async with background_trio_service(self.pubsub), background_trio_service(self.router):
            await self.pubsub.wait_until_ready()
            subscription = await self.pubsub.subscribe(topic)

            async def receive() -> None:
                while True:
                    message = await subscription.get()
                    if message.from_id != own:
                        inbox.add(message.data)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                yield
                nursery.cancel_scope.cancel()


async def gossip(arguments: argparse.Namespace) -> None:
    """Publish `--publish` messages as soon as all that were dialled are in the mesh, then stay for `--settle`."""
    host, inbox = make_host(), Inbox()
    router = GossipRouter(host)
    topic = arguments.topic
    async with host.run([]), router.joined(topic, inbox):
        peers = [info_from_p2p_addr(Multiaddr(address)) for address in arguments.addr]
        async with trio.open_nursery() as nursery:
            for info in peers:
                nursery.start_soon(host.connect, info)
        for info in peers:
            await router.pubsub.wait_for_mesh(info.peer_id, topic, timeout=MESH_SECONDS)
        rest = bytes(arguments.size - HEADER.size)
        start = time.perf_counter()
        for number in range(arguments.publish):
            if arguments.rate:
                await trio.sleep(max(start + number / arguments.rate - time.perf_counter(), 0))
            await router.pubsub.publish(topic, HEADER.pack(number, time.time_ns()) + rest)
            # Publishing alone never lets the tasks run that send.
            await trio.lowlevel.checkpoint()
        seconds = time.perf_counter() - start
        await trio.sleep(arguments.settle)
        emit(event="gossip", sent=arguments.publish, publish_seconds=seconds, **inbox.summary())


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
    listener.add_argument("--topic")
    listener.add_argument("--quiet", action="store_true", help="it always is")
    dialer = verbs.add_parser("dial")
    dialer.add_argument("addr")
    dialer.add_argument("--do", choices=("ping", "echo", "perf", "connect", "hold"), required=True)
    for name, default in (("count", 10), ("size", 1), ("streams", 1), ("workers", 0), ("up", 0), ("down", 0)):
        dialer.add_argument(f"--{name}", type=int, default=default)
    dialer.add_argument("--concurrent", action="store_true")
    dialer.add_argument("--wait", type=float, default=10)
    gossiper = verbs.add_parser("gossip")
    gossiper.add_argument("addr", nargs="+")
    gossiper.add_argument("--topic", required=True)
    for name, size in (("publish", 0), ("size", 1024)):
        gossiper.add_argument(f"--{name}", type=int, default=size)
    for name, amount in (("rate", 0.0), ("settle", 0.5)):
        gossiper.add_argument(f"--{name}", type=float, default=amount)
    arguments = parser.parse_args()
    try:
        trio.run({"listen": listen, "dial": dial, "gossip": gossip}[arguments.verb], arguments)
    except* Exception as group:
        emit(event="error", error=repr(group.exceptions[0]))
        raise SystemExit(1) from group


if __name__ == "__main__":
    main()
