"""``p2pstack relay``: in the test's own loop, and as a process where signals matter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from urllib.request import urlopen

import pytest

from p2pstack.cli.output import Output, OutputGone
from p2pstack.cli.relay_settings import read_relay_settings
from p2pstack.cli.shinkai_logs import StatusLog
from p2pstack.cli.shinkai_relay import serve
from p2pstack.shinkai.keys import NodeKeys
from tests.cli.commands import Commands, Console, options_of
from tests.cli.relays import ENVIRONMENT as RELAY_ENVIRONMENT
from tests.cli.relays import KEYS, RELAY, arguments, put
from tests.cli.shinkai import ALICE, BOB, ENVIRONMENT, NOWHERE, People, listed_node, node_process


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENVIRONMENT, *RELAY_ENVIRONMENT):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def people(tmp_path: object) -> People:
    return People(tmp_path)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def serving(people: People, *argv: object, as_json: bool = True) -> AsyncIterator[asyncio.Task[None]]:
    """A relay in the test's own loop, ended as Ctrl-C does unless it has ended by itself."""
    settings = read_relay_settings(options_of(*arguments(people), *argv), os.environ)
    task = asyncio.create_task(serve(settings, StatusLog(Output(as_json=as_json))))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_for_people(people: People, console: Console) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    async with serving(people, as_json=False):
        await console.line("  Ctrl-C ends it")
        head, *rest = console.lines
        assert head.endswith("@@relay.shinkai is running")
        shown = "\n".join(rest)
        for part in ("listens on", f"/p2p/{KEYS.signature.peer_id}", str(people.directory), "not served"):
            assert part in shown


@pytest.mark.req("SHK-101", "SHK-102")
async def test_who_comes_and_goes_is_shown(people: People, console: Console) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    put(people, BOB, NOWHERE, NodeKeys.unsafe_deterministic(77))
    async with serving(people):
        address = (await console.event("started"))["addresses"][0]
        async with listed_node(people, ALICE, "--peer", address) as alice:
            registered = await console.event("registered")
            assert (registered["name"], registered["local"]) == (ALICE, False)
            assert await alice.stop(signal.SIGTERM) == 0
        gone = await console.event("unregistered")
        assert (gone["name"], gone["reason"]) == (ALICE, "disconnected")
        async with node_process(*people.arguments(BOB), "--peer", address):
            refused = await console.event("registration_refused")
            assert (refused["name"], refused["reason"]) == (BOB, "wrong-key")


@pytest.mark.req("SHK-120", "SHK-121")
async def test_nodes_that_know_its_address_alone_find_each_other(
    people: People, console: Console, commands: Commands
) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    for name in (ALICE, BOB):
        people.list(name)
    async with serving(people):
        told = ["--bootstrap", (await console.event("started"))["addresses"][0]]
        async with (
            node_process(*people.arguments(ALICE), *told) as alice,
            node_process(*people.arguments(BOB), *told) as bob,
        ):
            for each in (alice, bob):
                await each.event("peer_up")
            sent = await commands.beside("send", BOB, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
            assert (sent.status, sent.err) == (0, "")
            assert (await bob.event("received"))["from"] == ALICE
            assert (await alice.event("delivered"))["found"] in {"dht", "connected"}


@pytest.mark.req("SHK-111")
async def test_figures_are_served_on_this_machine(people: People, console: Console) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    async with serving(people, "--metrics", free_port()):
        url = (await console.event("started"))["metrics"]

        def read() -> str:
            with urlopen(url, timeout=10) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                text: str = answer.read().decode()
                return text

        text = await asyncio.to_thread(read)
        assert 'p2pstack_relay_registered{kind="named"} 0\n' in text


async def test_sigterm_ends_it_in_good_order(people: People, console: Console) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    async with serving(people) as task:
        await console.event("started")
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        assert [event["event"] for event in console.events] == ["started", "stopping", "stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_by_a_signal(people: People, number: int) -> None:
    async with node_process(*arguments(people)) as relay:
        await relay.event("started")
        assert await relay.stop(number) == (0 if number == signal.SIGTERM else 130)
        assert relay.events[-1]["event"] == "stopped"
        assert relay.process.stderr is not None
        assert await relay.process.stderr.read() == b""


async def test_nobody_reads_what_it_says(people: People, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    async with serving(people) as task:
        address = (await console.event("started"))["addresses"][0]

        def gone(_: object) -> int:
            raise BrokenPipeError

        monkeypatch.setattr(console, "write", gone)
        async with listed_node(people, ALICE, "--peer", address):
            with pytest.raises(OutputGone):
                await task


async def test_what_the_directory_says_of_the_relay_itself(people: People, console: Console) -> None:
    async with serving(people):
        assert (await console.event("unlisted"))["name"] == RELAY
    put(people, RELAY, NOWHERE, NodeKeys.unsafe_deterministic(77))
    async with serving(people):
        assert (await console.event("other_keys"))["name"] == RELAY


async def test_a_directory_that_can_not_be_used(people: People, console: Console) -> None:
    people.directory.write_text('{"alice": 1}')
    async with serving(people) as task:
        await asyncio.wait([task])
        assert "alice" in str(task.exception())
    assert console.lines == []


async def test_a_port_that_is_taken(people: People, console: Console) -> None:
    put(people, RELAY, NOWHERE, KEYS)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with serving(people, "--listen", f"127.0.0.1:{port}") as task:
            await asyncio.wait([task])
            assert isinstance(task.exception(), OSError)
        async with serving(people, "--metrics", port) as task:
            await asyncio.wait([task])
            assert isinstance(task.exception(), OSError)
    assert console.lines == []


async def test_notes_are_shown(people: People, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS_ENDPOINT_URL", "http://127.0.0.1:1")
    async with serving(people):
        assert "STATUS_ENDPOINT_URL" in (await console.event("note"))["note"]


@pytest.mark.req("SHK-78", "SHK-81", "SHK-104")
async def test_nodes_behind_it_write_to_each_other(people: People, console: Console, commands: Commands) -> None:
    async with serving(people):
        started = await console.event("started")
        place = started["addresses"][0].split("/")
        put(people, RELAY, f"{place[2]}:{place[4]}", KEYS)
        for name in (ALICE, BOB):
            put(people, name, RELAY, people.keys(name), routing=True)
        async with (
            node_process(*people.arguments(ALICE), "--relay", RELAY) as alice,
            node_process(*people.arguments(BOB), "--relay", RELAY) as bob,
        ):
            for node in (alice, bob):
                reserved = await node.event("relay_reserved")
                assert reserved["addresses"][0].endswith(f"/p2p/{KEYS.signature.peer_id}/p2p-circuit")
            await console.event("registered", 2)
            sent = await commands.beside("send", BOB, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
            assert (sent.status, sent.err) == (0, "")
            received = await bob.event("received")
            assert (received["from"], received["via"]) == (ALICE, "libp2p")
            assert (await alice.event("delivered"))["via"] == "libp2p"
