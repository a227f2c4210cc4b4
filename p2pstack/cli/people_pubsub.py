"""``p2pstack pub`` and ``sub``: messages to a topic from a terminal, and what comes in it (specs/gossipsub.md)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from p2pstack.cli.arguments import CommandError, Commands, count, seconds
from p2pstack.cli.dht_node import add_entrance, searching
from p2pstack.cli.output import Output, counted, data_size, printable
from p2pstack.cli.people_host import ALL_INTERFACES, LOCAL, add_host_options, open_host
from p2pstack.cli.pubsub_options import add_policy, pubsub_config
from p2pstack.cli.running import read_stdin, run, stop_requests
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.host.events import ConnectionEnded, Event, EventStream
from p2pstack.services.gossipsub.events import MessagesDropped, PeerJoinedTopic, PeerLeftTopic
from p2pstack.services.gossipsub.publishing import NotEnoughPeers
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription
from p2pstack.services.standard import Host

__all__ = ["add_commands"]

FLUSH_SECONDS = 10.0
"""How long the end of ``pub`` waits until peers have taken what was published."""

HINT_SECONDS = 5.0
"""Without a peer in the topic for so long, ``sub`` says that nothing can come."""

MAX_LINE = 1 << 20
"""Bytes of a line that is published: no peer takes a longer message."""

SHOWN_BYTES = 64
"""Bytes of a message that are shown where it is no text."""


def add_commands(commands: Commands) -> None:
    """Add ``pub`` and ``sub``."""
    pub = commands.add_parser(
        "pub",
        help="publish messages in a topic",
        description="Connects to each --peer, or to those of the topic that the DHT of --bootstrap tells of, and "
        "publishes: each MESSAGE, or a file, or without either each line of stdin. It waits until somebody is "
        "subscribed to the topic.",
    )
    pub.add_argument("topic", metavar="TOPIC")
    pub.add_argument("messages", nargs="*", metavar="MESSAGE")
    pub.add_argument("--file", metavar="F", help="publish that file as one message (-: all of stdin)")
    pub.add_argument("--peer", action="append", default=[], metavar="ADDR", help="whom to dial; may be repeated")
    pub.add_argument("--wait", type=seconds, default=10.0, metavar="S", help="for a subscriber (default: 10)")
    pub.set_defaults(run=_pub)
    sub = commands.add_parser(
        "sub",
        help="show what is published in topics",
        description="Shows the messages of each TOPIC until Ctrl-C. Without --peer it listens, on 127.0.0.1 where "
        "--listen does not say otherwise, and waits for others to connect. With --bootstrap it listens on all "
        "interfaces, is announced in the DHT, and connects to others of the topic.",
    )
    sub.add_argument("topics", nargs="+", metavar="TOPIC")
    sub.add_argument("--peer", action="append", default=[], metavar="ADDR", help="whom to dial; may be repeated")
    sub.add_argument("--listen", action="append", default=[], metavar="ADDR", help="where others can connect")
    sub.add_argument("--count", type=count, metavar="N", help="end after so many messages")
    sub.set_defaults(run=_sub)
    for parser in (pub, sub):
        parser.add_argument("--timeout", type=seconds, default=15.0, metavar="S", help="for a dial (default: 15)")
        add_entrance(parser, "find the topic's peers by a DHT, by this node of it, with /p2p/ID; may be repeated")
        add_policy(parser)
        add_host_options(parser)


# -- pub


def _pub(options: argparse.Namespace, output: Output) -> int:
    if options.file is not None and options.messages:
        raise CommandError("either messages or --file, not both")
    if not options.peer and not options.bootstrap:
        raise CommandError("name somebody to publish to by --peer ADDR, or a DHT to find them in by --bootstrap ADDR")
    run(_publish_all(options, output), options.loop)
    return 0


async def _publish_all(options: argparse.Namespace, output: Output) -> None:
    number = 0
    config = pubsub_config(options, close_timeout=FLUSH_SECONDS)
    async with (
        open_host(options) as host,
        Gossipsub(host, config=config) as pubsub,
        searching(host, pubsub, options, output) as discovery,
    ):
        if discovery is not None:
            discovery.seek(options.topic)
        await _connect(host, options, output)
        async for data in _messages(options):
            await _publish(host, pubsub, options, data, output)
            number += 1
    output.line(f"{counted(number, 'message')} published in {printable(options.topic)}", "bold green")


async def _connect(host: Host, options: argparse.Namespace, output: Output) -> None:
    for address in options.peer:
        connection = await host.connect(address, timeout=options.timeout)
        peer, where = str(connection.peer_id), str(connection.remote_address)
        output.result({"event": "connected", "peer_id": peer, "remote": where})
        output.line(f"+ {peer} at {where}", "green")


async def _publish(host: Host, pubsub: Gossipsub, options: argparse.Namespace, data: bytes, output: Output) -> None:
    try:
        sent = await pubsub.publish(options.topic, data, timeout=options.wait)
    except NotEnoughPeers as error:
        raise CommandError(_why_nobody(host, pubsub, options)) from error
    output.result(
        {
            "event": "published",
            "topic": options.topic,
            "bytes": len(data),
            "message_id": sent.message_id.hex(),
            "peers": sent.peers,
            "dropped": sent.dropped,
        }
    )
    slow = f", not to {counted(sent.dropped, 'peer')} that read too slowly" if sent.dropped else ""
    output.line(f"  {data_size(len(data))} to {counted(sent.peers, 'peer')}{slow}, id …{sent.message_id.hex()[-16:]}")


def _why_nobody(host: Host, pubsub: Gossipsub, options: argparse.Namespace) -> str:
    """Return what is wrong where nobody takes a message, and what can be done."""
    name = printable(options.topic, 60)
    waited = f"after {options.wait:g} s, so nothing was published; check the topic's name, subscribe somebody"
    if options.bootstrap:
        return (
            f"nobody of the topic {name!r} was found in the DHT and could be reached {waited} "
            f"(`p2pstack sub {name} --bootstrap ...`), or give it time with --wait"
        )
    connected = len({connection.peer_id for connection in host.connections()})
    if not connected:
        return f"the connection is lost: nobody is left to publish {name!r} to"
    if not pubsub.peers():
        return f"{counted(connected, 'peer')} connected, but none speaks gossipsub; is it turned on there?"
    return (
        f"no peer that we are connected to is subscribed to {name!r} {waited} (`p2pstack sub {name}`), name more nodes "
        "with --peer, or give them time with --wait"
    )


async def _messages(options: argparse.Namespace) -> AsyncIterator[bytes]:
    """Give what is to be published."""
    if options.file == "-":
        yield b"".join([chunk async for chunk in read_stdin()])
    elif options.file is not None:
        yield await asyncio.to_thread(Path(options.file).read_bytes)
    elif options.messages:
        for message in options.messages:
            yield message.encode("utf-8", "surrogateescape")
    else:
        async for line in _lines(read_stdin()):
            yield line


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut ``chunks`` into lines, which are given without their ends."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
        if len(rest) > MAX_LINE:
            raise CommandError(f"a line of stdin is longer than {data_size(MAX_LINE)}; --file - publishes all as one")
    if rest:
        yield rest


# -- sub


def _sub(options: argparse.Namespace, output: Output) -> int:
    run(_follow(options, output), options.loop)
    return 0


async def _follow(options: argparse.Namespace, output: Output) -> None:
    """Show messages until there were enough, SIGTERM comes, or nobody is left who could send any."""
    default = [ALL_INTERFACES] if options.bootstrap else [] if options.peer else [LOCAL]
    listen = options.listen or default
    shown = Shown(options.count, output)
    async with (
        open_host(options, listen) as host,
        Gossipsub(host, config=pubsub_config(options)) as pubsub,
        host.events(PeerJoinedTopic, PeerLeftTopic, MessagesDropped, ConnectionEnded) as events,
        contextlib.AsyncExitStack() as stack,
    ):
        subscriptions = [pubsub.subscribe(topic) for topic in dict.fromkeys(options.topics)]
        _introduce(host, options, output)
        await _connect(host, options, output)
        await stack.enter_async_context(searching(host, pubsub, options, output))
        with stop_requests(stdin=False) as stop:
            hint = asyncio.create_task(_hint(pubsub, options.topics, output))
            waiting: list[asyncio.Task[object]] = [
                asyncio.create_task(_show_events(events, host, options.topics, output, may_come=bool(listen))),
                asyncio.create_task(stop.wait()),
                *(asyncio.create_task(shown.follow(subscription)) for subscription in subscriptions),
            ]
            try:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (hint, *waiting):
                    task.cancel()
                await asyncio.wait((hint, *waiting))
                output.line(f"{counted(shown.number, 'message')} received", "bold green")


class Shown:
    """Shows messages, and ends after ``wanted`` of them; None: never."""

    def __init__(self, wanted: int | None, output: Output) -> None:
        self.number = 0
        self._wanted = wanted
        self._output = output

    async def follow(self, subscription: Subscription) -> None:
        """Show the messages of a subscription."""
        async for incoming in subscription:
            if self.number == self._wanted:
                return
            self.number += 1
            self._show(incoming)
            if self.number == self._wanted:
                return

    def _show(self, incoming: Incoming) -> None:
        data, author = incoming.data, str(incoming.author) if incoming.author is not None else None
        text = _text_of(data)
        self._output.result(
            {
                "event": "message",
                "topic": incoming.topic,
                "author": author,
                "via": str(incoming.peer),
                "bytes": len(data),
                "text": text,
                "data_b64": b64encode(data).decode(),
            }
        )
        shown = printable(text) if text is not None else f"{data[:SHOWN_BYTES].hex()}{'…' * (len(data) > SHOWN_BYTES)}"
        who = author[-8:] if author is not None else "nobody"
        self._output.line(f"{printable(incoming.topic, 60)}  {who}  {shown}")


def _introduce(host: Host, options: argparse.Namespace, output: Output) -> None:
    addresses = [str(address) for address in host.full_addresses]
    output.result(
        {"event": "subscribed", "peer_id": str(host.peer_id), "topics": options.topics, "addresses": addresses}
    )
    output.heading(f"This node is {host.peer_id}")
    fields: list[tuple[str, object]] = [("subscribed to", [printable(topic) for topic in options.topics])]
    if addresses:
        way = f"--bootstrap {options.bootstrap[0]}" if options.bootstrap else f"--peer {addresses[0]}"
        dht = f" --dht-protocol {options.dht_protocol}" if options.dht_protocol else ""
        example = f"p2pstack pub {printable(options.topics[0])} hello {way}{dht}"
        fields += [("listens on", addresses), ("try", example)]
    output.fields(fields)
    output.line("  Ctrl-C ends it.", "dim")


async def _hint(pubsub: Gossipsub, topics: Sequence[str], output: Output) -> None:
    """Say it where nothing can come, because nobody else is in a topic."""
    await asyncio.sleep(HINT_SECONDS)
    for topic in topics:
        if not pubsub.peers(topic):
            output.line(
                f"  nobody else is subscribed to {printable(topic, 60)} yet; a message comes through a peer that is, "
                "or from its author directly",
                "yellow",
            )


async def _show_events(
    events: EventStream, host: Host, topics: Sequence[str], output: Output, *, may_come: bool
) -> None:
    """Show who is there.

    Raises:
        CommandError: all connections are lost, and there can be no new ones.
    """
    async for event in events:
        _show_event(event, topics, output)
        if isinstance(event, ConnectionEnded) and not may_come and not host.connections():
            reason = printable(str(event.reason)) if event.reason is not None else "it was closed"
            raise CommandError(f"the last connection has ended: {reason}")


def _show_event(event: Event, topics: Sequence[str], output: Output) -> None:
    match event:
        case PeerJoinedTopic(peer=peer, topic=topic) if topic in topics:
            output.result({"event": "joined", "peer_id": str(peer), "topic": topic})
            output.line(f"+ {peer} is in {printable(topic, 60)}", "green")
        case PeerLeftTopic(peer=peer, topic=topic) if topic in topics:
            output.result({"event": "left", "peer_id": str(peer), "topic": topic})
            output.line(f"- {peer} has left {printable(topic, 60)}", "red")
        case MessagesDropped(topic=topic, count=number):
            output.result({"event": "dropped", "topic": topic, "count": number})
            output.line(
                f"! {counted(number, 'message')} of {printable(topic, 60)} came too fast, and are lost", "yellow"
            )
        case _:
            pass


def _text_of(data: bytes) -> str | None:
    """Return what ``data`` is as text, or None."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
