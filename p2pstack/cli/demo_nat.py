"""``p2pstack demo --nat``: two nodes behind NATs meet through a relay, and go direct.

The net is made of network namespaces of this machine, which takes Linux and root; the machine's own network is not
touched. Nodes and relay are processes as operators run them: ``p2pstack node`` and ``p2pstack relay``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from p2pstack.cli import demo_nat_libp2p
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_client import connect
from p2pstack.cli.demo_nat_parts import ROUTER_MS, Moment, Net, Process, Seen, Timeline, punches, running, show_net
from p2pstack.cli.output import Output, data_size, duration, printable
from p2pstack.cli.running import run
from p2pstack.cli.shinkai_settings import keep_keys
from p2pstack.shinkai.directory import identity_file
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.testing.nat import Nat, Topology, missing

__all__ = ["demo"]

ALICE, BOB, RELAY = "@@alice.shinkai", "@@bob.shinkai", "@@relay.shinkai"
NODE_PORT, RELAY_PORT = 9552, 8080

FIRST = "Hello Bob, a relay passes this on, and can't read it."
SECOND = "Hello Bob, this came straight through both routers."
THIRD = "Hello Bob, the relay is gone, and we still talk."


def demo(options: argparse.Namespace, output: Output) -> int:
    """Run the demonstration, with ``options.libp2p`` that of plain hosts.

    Raises:
        CommandError: it can't be shown on this machine, or something did not go as told.
    """
    started = perf_counter()
    why = missing()
    if why is not None:
        raise CommandError(f"`demo --nat` can't be shown: {why}")
    bob = Nat.SYMMETRIC if options.symmetric else Nat.PORT_PRESERVING
    with Topology(ROUTER_MS) as topology:
        what = "hosts" if options.libp2p else "Shinkai nodes"
        net, timeline = show_net(topology, Nat.PORT_PRESERVING, bob, what, output), Timeline(output, started)
        run(_show(net, timeline, options), options.loop)
    seconds = perf_counter() - started
    output.result({"step": "end", "seconds": seconds})
    output.line()
    output.line(f"All processes have ended, the net is removed. That took {duration(seconds)}.", "bold green")
    return 0


async def _show(net: Net, timeline: Timeline, options: argparse.Namespace) -> None:
    timeline.begin()
    if options.libp2p:
        await demo_nat_libp2p.show(net, timeline, symmetric=options.symmetric)
        return
    with tempfile.TemporaryDirectory(prefix="p2pstack-demo-") as folder:
        await _Story(net, timeline, Path(folder)).tell()


class _Story:
    """Nodes, the relay, and what they say."""

    def __init__(self, net: Net, timeline: Timeline, folder: Path) -> None:
        self._net = net
        self._timeline = timeline
        self._folder = folder
        self._directory = folder / "directory.json"
        self._ids: dict[str, str] = {}
        # Behind routers they don't know where others could find them: all that is listed is an address of the LAN.
        for name, host, port in (
            (RELAY, net.relay, RELAY_PORT),
            (ALICE, net.alice, NODE_PORT),
            (BOB, net.bob, NODE_PORT),
        ):
            self._enlist(name, f"{host.address}:{port}")

    def _enlist(self, name: str, address: str) -> None:
        keys = NodeKeys.generate(os.urandom)
        self._ids[name] = str(keys.signature.peer_id)
        keep_keys(self._data(name), ShinkaiName.parse(name), keys)
        record = IdentityRecord(
            name=ShinkaiName.parse(name),
            encryption_key=keys.encryption.public,
            signature_key=keys.signature.public_key,
            address_or_proxy_nodes=(address,),
        )
        config = FileDirectoryConfig()
        known = identity_file.read(self._directory, config)
        identity_file.write(self._directory, identity_file.with_record(known, record, config))

    def _data(self, name: str) -> Path:
        return self._folder / name.removeprefix("@@")

    def _command(self, verb: str, name: str, port: int) -> list[object]:
        listen = f"0.0.0.0:{port}"
        return [verb, "--data", self._data(name), "--directory", self._directory, "--listen", listen, "--json"]

    async def tell(self) -> None:
        """Let it happen."""
        async with contextlib.AsyncExitStack() as stack:
            relay = await stack.enter_async_context(
                running(self._net.relay, "the relay", *self._command("relay", RELAY, RELAY_PORT))
            )
            up = await relay.event("started")
            at = f"/ip4/{self._net.relay.address}/tcp/{RELAY_PORT}"
            self._timeline.tell(Moment(up.at, "relay_up", "relay", f"is up at {at}", {"address": at}))
            words = [(name, [*self._command("node", name, NODE_PORT), "--relay", RELAY]) for name in (ALICE, BOB)]
            hosts = {ALICE: self._net.alice, BOB: self._net.bob}
            alice, bob = [
                await stack.enter_async_context(running(hosts[name], _short(name), *command)) for name, command in words
            ]
            self._timeline.tell(*await asyncio.gather(*(_reserved(node) for node in (alice, bob))))
            await self._meet(relay, alice, bob)
            await self._leave(relay, alice, bob)
            await asyncio.gather(alice.stop(), bob.stop())

    async def _meet(self, relay: Process, alice: Process, bob: Process) -> None:
        """A message through the relay, the hole, and a message through that."""
        told = await self._say(FIRST, "relayed_message", "through the relay", bob)
        opened = await relay.event("circuit_opened", where=lambda values: values["target"] == self._ids[BOB])
        circuit = Moment(opened.at, "circuit_opened", "relay", "has connected alice to bob by a circuit")
        self._timeline.tell(circuit, *told)
        self._timeline.tell(*await asyncio.gather(_punched(alice), _punched(bob)))
        self._timeline.tell(*await self._say(SECOND, "direct_message", "directly", bob))

    async def _leave(self, relay: Process, alice: Process, bob: Process) -> None:
        """The circuit ends since nobody needs it; then the relay does, and a message comes all the same."""
        closed = await relay.event("circuit_closed")
        passed = closed.values["sent"] + closed.values["received"]
        text = f"is needed no more: the circuit is closed, after {data_size(passed)}"
        self._timeline.tell(Moment(closed.at, "circuit_closed", "relay", text, {"bytes": passed}))
        await relay.stop()
        self._timeline.tell(Moment(perf_counter(), "relay_stopped", "relay", "is stopped", style="yellow"))
        await asyncio.gather(*(node.event("relay_down") for node in (alice, bob)))
        self._timeline.tell(*await self._say(THIRD, "message_without_relay", "without a relay", bob))

    async def _say(self, text: str, step: str, way: str, bob: Process) -> list[Moment]:
        """Have alice write to bob, by the socket in her folder, as ``p2pstack send`` does; bob has to read it."""
        began = perf_counter()
        async with connect(self._data(ALICE)) as client:
            await client.ask(do="send", to=BOB, text=text)
            reply = await client.reply()
        ended = perf_counter()
        if (reply["state"], reply.get("via")) != ("acknowledged", "libp2p"):
            raise CommandError(f"a message was to be acknowledged, and was {reply['state']}: {reply.get('detail')}")
        received = await bob.event("received")
        read = await self._read()
        if read != text:
            raise CommandError(f"bob was to read {text!r}, and read {read!r}")
        values = {"text": text, "seconds": ended - began}
        return [
            Moment(began, f"{step}_sent", "alice", f"writes {way}: {text}"),
            Moment(received.at, f"{step}_read", "bob", f"reads: {printable(read)}", {"text": read}),
            Moment(ended, step, "alice", f"has his acknowledgement, {duration(ended - began)} later", values, "green"),
        ]

    async def _read(self) -> str:
        """Take the message out of bob's inbox, as ``p2pstack inbox`` does."""
        async with connect(self._data(BOB)) as client:
            await client.ask(do="inbox", inbox="")
            message: dict[str, Any] = (await client.reply())["message"]
            await client.ask(taken=message["key"])
            await client.reply()
        return str(message["text"])


async def _reserved(node: Process) -> Moment:
    seen = await node.event("relay_reserved")
    text = "has reserved: whoever asks the relay for it gets through"
    return Moment(seen.at, "reserved", node.title, text, {"addresses": seen.values["addresses"]})


async def _punched(node: Process) -> Moment:
    seen = await node.event("hole_punched", "hole_punch_failed")
    if seen.values["event"] != "hole_punched":
        raise CommandError(f"{node.title} got no direct connection: {'; '.join(seen.values['reasons'])}")
    return _hole(node, seen)


def _hole(node: Process, seen: Seen) -> Moment:
    values = {name: seen.values[name] for name in ("address", "direction", "attempts", "seconds")}
    text = f"is connected directly with {values['address']}, {punches(values['attempts'])}"
    return Moment(seen.at, "hole_punched", node.title, text, values, "bold green")


def _short(name: str) -> str:
    return name.removeprefix("@@").partition(".")[0]
