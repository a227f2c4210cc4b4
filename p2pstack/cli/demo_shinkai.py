"""``p2pstack demo``: three Shinkai nodes in one process that write to each other, in a few seconds.

They are nodes as ``p2pstack node`` runs them, each with a folder, keys, a port and queues of its own. The folders are
temporary, and the ports are of 127.0.0.1 alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter, time

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output, duration, printable, rough
from p2pstack.cli.running import run
from p2pstack.shinkai import json_form
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys, public_to_hex
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node import NodeConfig, ReceivedMessage, SendResult, SendState, ShinkaiNode

__all__ = ["demo"]

ALICE, BOB, CAROL = "@@alice.shinkai", "@@bob.shinkai", "@@carol.shinkai"
TO_BOB = "Hello Bob, nobody but you can read this."
TO_CAROL = "Hello Carol, this was written while you were away."
OVER_TCP = "Hello Bob, this came over plain TCP, and is just as secret."

LOOPBACK = "127.0.0.1"

ARRIVAL = 20.0
"""Seconds after which a message that has not arrived is a fault."""

SHOWN = 72
"""Characters of what is on the wire."""


def demo(options: argparse.Namespace, output: Output) -> int:
    """Run the demonstration."""
    run(_show(output), options.loop)
    return 0


async def _show(output: Output) -> None:
    started = perf_counter()
    with tempfile.TemporaryDirectory(prefix="p2pstack-demo-") as folder:
        network = _Network(Path(folder))
        await _show_all(network, output)
    seconds = perf_counter() - started
    output.result({"step": "end", "seconds": seconds})
    output.line()
    output.line(f"All nodes are closed; nothing is left behind. That took {duration(seconds)}.", "bold green")


class _Network:
    """Names, keys and folders of the three, and the directory that they share."""

    def __init__(self, folder: Path) -> None:
        self.keys = {name: NodeKeys.generate(os.urandom) for name in (ALICE, BOB, CAROL)}
        self.directory = MemoryDirectory()
        self._folder = folder
        for name in self.keys:
            self.list(name, f"{LOOPBACK}:{_free_port()}")

    def list(self, name: str, address: str) -> None:
        """Say where a node is."""
        keys = self.keys[name]
        self.directory.add(
            IdentityRecord(
                name=ShinkaiName.parse(name),
                encryption_key=keys.encryption.public,
                signature_key=keys.signature.public_key,
                address_or_proxy_nodes=(address,),
            )
        )

    @contextlib.asynccontextmanager
    async def run(self, name: str, *, libp2p: bool = True, peers: tuple[str, ...] = ()) -> AsyncIterator[ShinkaiNode]:
        """Run a node, listed where it listens."""
        node = ShinkaiNode(
            name,
            keys=self.keys[name],
            directory=self.directory,
            data=self._folder / name.removeprefix("@@"),
            config=NodeConfig(libp2p=libp2p),
            listen=f"{LOOPBACK}:0",
            bootstrap=peers,
        )
        async with node:
            self.list(name, str(node.listen_address))
            yield node


async def _show_all(network: _Network, output: Output) -> None:
    async with network.run(ALICE) as alice:
        async with network.run(BOB) as bob:
            _show_nodes(network, [alice, bob], output)
            await _show_message(alice, bob, output)
            await _show_queued(network, alice, output)
        await _show_fallback(network, alice, output)


def _show_nodes(network: _Network, nodes: list[ShinkaiNode], output: Output) -> None:
    shown = {
        str(node.name): {
            "signature_key": public_to_hex(node.keys.signature.public_key),
            "listening": str(node.listen_address),
            "peer_id": str(node.libp2p_manager.peer_id) if node.libp2p_manager is not None else None,
        }
        for node in nodes
    }
    output.result({"step": "nodes", "nodes": shown, "offline": [CAROL]})
    output.heading("Two Shinkai nodes run; a third, carol's, is known to the directory, and offline")
    fields: list[tuple[str, object]] = [
        (name, [f"port {each['listening']}", f"libp2p {each['peer_id']}"]) for name, each in shown.items()
    ]
    output.fields([*fields, (CAROL, "offline")])


async def _show_message(alice: ShinkaiNode, bob: ShinkaiNode, output: Output) -> None:
    message = alice.builder(BOB).text(TO_BOB).encrypt_body_for(bob.keys.encryption.public).build()
    wire = json_form.encode(message).decode()
    if TO_BOB in wire:
        raise CommandError("the message on the wire can be read")
    _heading(output, "alice writes to bob, by libp2p")
    began = perf_counter()
    result = await alice.send(message)
    seconds = perf_counter() - began
    _expect(result, SendState.ACKNOWLEDGED, "libp2p")
    received = await _take(bob)
    output.result({"step": "message", **_result(result), "seconds": seconds, "wire": wire, **_received(received)})
    output.fields(
        [
            ("alice writes", TO_BOB),
            ("on the wire", wire[:SHOWN] + "…"),
            ("acknowledged", f"by {result.via}, after {duration(seconds)}"),
            ("bob reads", printable(received.text)),
            ("signed by", str(received.sender)),
        ]
    )


async def _show_queued(network: _Network, alice: ShinkaiNode, output: Output) -> None:
    _heading(output, "alice writes to carol, who is offline")
    result = await alice.send_text(CAROL, TO_CAROL)
    _expect(result, SendState.QUEUED)
    wait = max(0.0, (result.next_attempt or 0.0) - time())
    output.result({"step": "queued", **_result(result)})
    output.fields(
        [
            ("alice writes", TO_CAROL),
            *((f"{attempt.way} fails", printable(attempt.error)) for attempt in result.attempts),
            ("queued", f"on disk; next try in {rough(wait)}"),
        ]
    )
    _heading(output, "carol starts, and connects to alice")
    began = perf_counter()
    addresses = () if alice.libp2p_manager is None else tuple(map(str, alice.libp2p_manager.addresses))
    async with network.run(CAROL, peers=addresses) as carol:
        received = await _take(carol)
        seconds = perf_counter() - began
        output.result({"step": "delivered", "seconds": seconds, **_received(received)})
        output.fields(
            [
                ("carol reads", printable(received.text)),
                ("delivered", f"by {received.via}, {duration(seconds)} after she was started"),
            ]
        )


async def _show_fallback(network: _Network, alice: ShinkaiNode, output: Output) -> None:
    _heading(output, "bob is started anew, without libp2p; alice writes to him again")
    async with network.run(BOB, libp2p=False) as bob:
        began = perf_counter()
        result = await alice.send_text(BOB, OVER_TCP)
        seconds = perf_counter() - began
        _expect(result, SendState.ACKNOWLEDGED, "tcp")
        received = await _take(bob)
        output.result({"step": "fallback", **_result(result), "seconds": seconds, **_received(received)})
        output.fields(
            [
                ("alice writes", OVER_TCP),
                *((f"{attempt.way} fails", printable(attempt.error)) for attempt in result.attempts),
                ("acknowledged", f"by {result.via}, after {duration(seconds)}"),
                ("bob reads", printable(received.text)),
            ]
        )


async def _take(node: ShinkaiNode) -> ReceivedMessage:
    """Return the next message in a node's inbox."""
    try:
        async with asyncio.timeout(ARRIVAL), node.inbox() as inbox:
            message = await anext(inbox)
            await message.done()
            return message
    except TimeoutError as error:
        raise CommandError(f"nothing has arrived at {node.name} within {ARRIVAL:g} s") from error


def _expect(result: SendResult, state: SendState, via: str | None = None) -> None:
    if result.state is not state or result.via != via:
        how = f" by {result.via}" if result.via else ""
        raise CommandError(f"a message was to be {state}, and was {result.state}{how}: {result.reason} {result.detail}")


def _result(result: SendResult) -> dict[str, object]:
    return {
        "state": result.state.value,
        "via": result.via,
        "failed": [[attempt.way, attempt.error] for attempt in result.attempts],
        "next_attempt": result.next_attempt,
    }


def _received(message: ReceivedMessage) -> dict[str, object]:
    return {"from": str(message.sender), "text": message.text, "by": message.via}


def _free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port


def _heading(output: Output, text: str) -> None:
    output.line()
    output.heading(text)
