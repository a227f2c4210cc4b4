"""Shinkai nodes behind NATs, and their relay on the public net: all of them processes, started as operators do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from p2pstack.cli.control_client import connect
from p2pstack.testing.nat import Host, Nat, Topology
from tests.cli.relays import ENVIRONMENT as RELAY_ENVIRONMENT
from tests.cli.relays import KEYS, RELAY, folder, put
from tests.cli.shinkai import ALICE, BOB, ENVIRONMENT, NOWHERE, NodeProcess, People
from tests.project.sources import ROOT

pytestmark = [pytest.mark.interop, pytest.mark.deadline(100)]

PORT = 8080


@contextlib.asynccontextmanager
async def inside(host: Host, *argv: object) -> AsyncIterator[NodeProcess]:
    """A command of ours as a process on ``host``."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    others = {name: value for name, value in os.environ.items() if name not in {*ENVIRONMENT, *RELAY_ENVIRONMENT}}
    process = await asyncio.create_subprocess_exec(
        *(*host.prefix, sys.executable, "-m", "p2pstack", *map(str, argv)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**others, "PYTHONPATH": path},
    )
    try:
        yield NodeProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def nodes(net: Topology, people: People, nat: Nat) -> AsyncIterator[tuple[NodeProcess, NodeProcess, NodeProcess]]:
    """The relay, and alice and bob behind routers of their own, who have reserved with it."""
    place = net.host(Nat.PUBLIC)
    put(people, RELAY, f"{place.address}:{PORT}", KEYS)
    command = ("relay", "--data", folder(people), "--directory", people.directory, "--listen", f"0.0.0.0:{PORT}")
    async with inside(place, *command, "--json") as relay:
        await relay.event("started")
        options = ("--directory", people.directory, "--listen", "0.0.0.0:9552", "--relay", RELAY, "--json")
        async with (
            inside(net.host(nat), "node", "--data", people.folder(ALICE), *options) as alice,
            inside(net.host(nat), "node", "--data", people.folder(BOB), *options) as bob,
        ):
            for node in (alice, bob):
                reserved = await node.event("relay_reserved")
                assert reserved["addresses"] == [
                    f"/ip4/{place.address}/tcp/{PORT}/p2p/{KEYS.signature.peer_id}/p2p-circuit"
                ]
            for _ in range(2):
                await relay.event("registered")
            yield relay, alice, bob


async def say(people: People, sender: str, recipient: str, text: str) -> str:
    """Have a node send; its socket is a file, and so reached from any namespace."""
    async with connect(people.folder(sender)) as client:
        await client.ask(do="send", to=recipient, text=text)
        reply = await client.reply()
    return str(reply["state"])


@pytest.mark.req("SHK-81", "SHK-100", "SHK-104")
async def test_by_name_through_the_relay_from_behind_any_router(build: Callable[..., Topology], tmp_path: Path) -> None:
    people = People(tmp_path)
    for name in (ALICE, BOB):
        put(people, name, RELAY, people.keys(name), routing=True)
    with build() as net:
        async with nodes(net, people, Nat.SYMMETRIC) as (_, alice, bob):
            for sender, recipient, name, other in ((alice, bob, ALICE, BOB), (bob, alice, BOB, ALICE)):
                assert await say(people, name, other, f"I am {name}") == "acknowledged"
                assert (await recipient.event("received"))["from"] == name
                assert (await sender.event("delivered"))["via"] == "libp2p"


@pytest.mark.req("SHK-78", "SHK-100")
async def test_by_a_circuit_that_a_direct_connection_replaces(build: Callable[..., Topology], tmp_path: Path) -> None:
    people = People(tmp_path)
    for name in (ALICE, BOB):
        put(people, name, NOWHERE, people.keys(name))
    with build(10) as net:
        async with nodes(net, people, Nat.PORT_PRESERVING) as (relay, _, bob):
            assert await say(people, ALICE, BOB, "through the hole") == "acknowledged"
            assert (await bob.event("received"))["from"] == ALICE
            opened = await relay.event("circuit_opened")
            assert opened["target"] == str(people.keys(BOB).signature.peer_id)
            # What they say next needs no relay.
            await relay.event("circuit_closed")
            relay.process.kill()
            await relay.process.wait()
            assert await say(people, ALICE, BOB, "without a relay") == "acknowledged"
