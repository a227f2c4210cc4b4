"""``p2pstack node``: in the test's own loop, and as processes where signals and files matter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack.cli.control_client import connect
from p2pstack.cli.control_protocol import SOCKET
from p2pstack.cli.output import Output, OutputGone
from p2pstack.cli.shinkai_logs import StatusLog
from p2pstack.cli.shinkai_node import serve
from p2pstack.cli.shinkai_settings import read_settings
from p2pstack.errors import DeadlineExceeded
from p2pstack.shinkai.directory.file import FileDirectory
from p2pstack.shinkai.keys import NodeKeys
from tests.aio.shell import until
from tests.cli import relays
from tests.cli.commands import Commands, Console, options_of, process
from tests.cli.shinkai import ALICE, BOB, CAROL, ENVIRONMENT, NOWHERE, People, listed_node, node_process


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path)


@contextlib.asynccontextmanager
async def serving(people: People, name: str, *argv: object, as_json: bool = True) -> AsyncIterator[asyncio.Task[None]]:
    """A node in the test's own loop, ended as Ctrl-C does unless it has ended by itself."""
    settings = read_settings(options_of(*people.arguments(name), *argv), os.environ)
    task = asyncio.create_task(serve(settings, StatusLog(Output(as_json=as_json))))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_for_people(people: People, console: Console) -> None:
    async with serving(people, ALICE, as_json=False):
        await console.line("  `p2pstack send NAME TEXT")
        head, *rest = console.lines
        assert head.endswith("@@alice.shinkai is running, profile head")
        shown = "\n".join(rest)
        for part in ("listens on    127.0.0.1:", "/p2p/12D3KooW", str(people.directory), "in the inbox  0"):
            assert part in shown


async def test_messages_and_peers_are_shown(people: People, console: Console, commands: Commands) -> None:
    async with serving(people, ALICE), listed_node(people, BOB) as bob:
        people.list(ALICE, (await console.event("started"))["listening"])
        sent = await commands.beside("send", BOB, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
        assert (sent.status, sent.err) == (0, "")
        delivered = await console.event("delivered")
        assert (delivered["to"], delivered["via"]) == (BOB, "libp2p")
        received = await bob.event("received")
        assert (received["from"], received["key"]) == (ALICE, delivered["key"])
        assert (await console.event("peer_up"))["agent"] == f"shinkai-node-{BOB}"
        assert await bob.stop(signal.SIGTERM) == 0
        await console.event("peer_down")
        await commands.beside("send", BOB, "Are you there?", "--data", people.folder(ALICE), "--json")
        queued = [event for event in console.events if event.get("event") == "queued"][-1]
        assert (queued["to"], queued["reason"]) == (BOB, "unreachable")


@pytest.mark.req("SHK-122")
@pytest.mark.multicast
async def test_nodes_on_a_local_network_are_given_no_address(
    people: People, console: Console, commands: Commands
) -> None:
    for name in (ALICE, BOB):
        people.list(name)
    lan = ["--mdns", "--interface", "lo"]
    async with serving(people, ALICE, *lan), node_process(*people.arguments(BOB), *lan) as bob:
        await console.event("started")
        await bob.event("peer_up")
        sent = await commands.beside("send", BOB, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
        assert (sent.status, sent.err) == (0, "")
        assert (await bob.event("received"))["from"] == ALICE


async def test_sigterm_ends_it_in_good_order(people: People, console: Console) -> None:
    async with serving(people, ALICE) as task:
        await console.event("started")
        assert (people.folder(ALICE) / SOCKET).exists()
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        assert [event["event"] for event in console.events] == ["started", "stopping", "stopped"]
        assert not (people.folder(ALICE) / SOCKET).exists()


async def test_nobody_reads_what_it_says(people: People, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(people, ALICE) as task:
        address = (await console.event("started"))["addresses"][0]

        def gone(_: object) -> int:
            raise BrokenPipeError

        monkeypatch.setattr(console, "write", gone)
        async with listed_node(people, BOB, "--peer", address):
            with pytest.raises(OutputGone):
                await task
        assert not (people.folder(ALICE) / SOCKET).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_by_a_signal_with_everything_on_disk(people: People, number: int) -> None:
    async with listed_node(people, ALICE) as alice:
        async with connect(people.folder(ALICE)) as client:
            await client.ask(do="send", to=BOB, text="Hello")
            assert (await client.reply())["state"] == "queued"
        status = await alice.stop(number)
        assert status == (0 if number == signal.SIGTERM else 130)
        assert alice.events[-1]["event"] == "stopped"
        assert alice.process.stderr is not None
        assert await alice.process.stderr.read() == b""
    assert sorted(path.name for path in people.folder(ALICE).iterdir()) == [".secret", "node.sqlite"]
    async with listed_node(people, BOB) as bob, listed_node(people, ALICE) as again:
        assert again.events[0]["queued"] == 1
        received = await bob.event("received")
        assert received["from"] == ALICE
        delivered = await again.event("delivered")
        assert delivered["key"] == received["key"]


async def test_a_killed_process_leaves_a_folder_that_works(people: People) -> None:
    async with listed_node(people, ALICE) as alice:
        async with connect(people.folder(ALICE)) as client:
            await client.ask(do="send", to=BOB, text="Hello")
            await client.reply()
        await alice.stop(signal.SIGKILL)
    assert (people.folder(ALICE) / SOCKET).exists()
    async with listed_node(people, ALICE) as again, connect(people.folder(ALICE)) as client:
        assert again.events[0]["queued"] == 1
        await client.ask(do="peers")
        assert (await client.reply())["name"] == ALICE


@pytest.mark.req("SHK-77", "SHK-120", "SHK-121")
async def test_a_killed_process_comes_back_into_its_network_with_no_address_given(
    people: People, commands: Commands
) -> None:
    for name in (ALICE, BOB, CAROL):
        people.list(name)
    async with node_process(*people.arguments(BOB)) as bob:
        started = await bob.event("started")
        entrance, peer = started["addresses"][0], started["peer_ids"][0]
        async with node_process(*people.arguments(ALICE), "--bootstrap", entrance) as alice:
            assert (await alice.event("bootstrap_up"))["peer_id"] == peer
            await until(lambda: peer.encode() in on_disk(people.folder(ALICE)), 30.0)
            await alice.stop(signal.SIGKILL)
        async with (
            node_process(*people.arguments(CAROL), "--bootstrap", entrance) as carol,
            node_process(*people.arguments(ALICE)) as alice,
        ):
            await carol.event("peer_up")
            assert (await alice.event("peer_up"))["peer_id"] == peer
            sent = await commands.beside("send", CAROL, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
            assert (sent.status, sent.err) == (0, "")
            assert (await carol.event("received"))["from"] == ALICE
            told = (await commands.beside("peers", "--data", people.folder(ALICE), "--json")).json[0]
            assert told["known_peers"] >= 1


def on_disk(folder: Path) -> bytes:
    """What the system has of a node's file, be the process killed or not."""
    return b"".join(path.read_bytes() for path in folder.glob("node.sqlite*"))


async def test_one_node_a_folder(people: People) -> None:
    async with listed_node(people, ALICE):
        second = await asyncio.to_thread(process, *people.arguments(ALICE))
        assert (second.status, second.out) == (1, "")
        assert second.err.count("\n") == 1
        async with connect(people.folder(ALICE)) as client:
            await client.ask(do="peers")
            assert (await client.reply())["name"] == ALICE


async def test_the_environment_describes_a_node(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBAL_IDENTITY_NAME", "@@dave.shinkai")
    monkeypatch.setenv("NODE_IP", "127.0.0.1")
    monkeypatch.setenv("NODE_PORT", "0")
    monkeypatch.setenv("NODE_STORAGE_PATH", str(people.root / "dave"))
    async with node_process("node", "--json") as node:
        note = await node.event("note")
        assert note["note"] == f"new keys, kept in {people.root / 'dave' / '.secret'}"
        started = await node.event("started")
        assert (started["name"], started["data"]) == ("@@dave.shinkai", str(people.root / "dave"))
        assert started["listening"].startswith("127.0.0.1:")
        assert started["directory"] == str(people.root / "dave" / "directory.json")
        assert (await node.event("unlisted"))["name"] == "@@dave.shinkai"


@pytest.mark.parametrize("profile", ["seed", "both"])
async def test_the_other_profiles(people: People, profile: str, commands: Commands) -> None:
    async with listed_node(people, ALICE, "--profile", profile), listed_node(people, BOB, "--profile", profile) as bob:
        sent = await commands.beside("send", BOB, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
        assert sent.json[-1]["state"] in {"acknowledged", "delivered"}
        assert (await bob.event("received"))["via"] == "libp2p"
        told = (await commands.beside("peers", "--data", people.folder(BOB), "--json")).json[0]
        assert told["profile"] == profile
        assert len(told["peer_ids"]) == (2 if profile == "both" else 1)


async def test_without_libp2p(people: People, commands: Commands) -> None:
    async with listed_node(people, ALICE, "--no-libp2p") as alice, listed_node(people, BOB):
        assert alice.events[0]["libp2p"] is False
        sent = await commands.beside("send", BOB, "Hello", "--data", people.folder(ALICE), "--json", "--wait", 20)
        assert sent.json[-1]["state"] in {"acknowledged", "delivered"}
        assert (await alice.event("delivered"))["via"] == "tcp"


async def test_a_directory_that_lists_other_keys(people: People, console: Console) -> None:
    people.list(ALICE, NOWHERE, keys=NodeKeys.unsafe_deterministic(9))
    async with serving(people, ALICE):
        assert (await console.event("other_keys"))["name"] == ALICE


async def test_a_directory_that_can_not_be_used(people: People, console: Console) -> None:
    people.directory.write_text('{"alice": 1}')
    async with serving(people, ALICE) as task:
        await asyncio.wait([task])
        assert "alice" in str(task.exception())
    assert console.lines == []


async def test_a_relay_is_found_by_its_name(people: People, console: Console) -> None:
    async with listed_node(people, CAROL) as carol, serving(people, ALICE, "--relay", CAROL):
        up = await console.event("relay_up")
        assert up["address"].endswith(f"/tcp/{carol.events[0]['listening'].rpartition(':')[2]}")


@pytest.mark.req("SHK-76")
async def test_a_relay_that_nobody_knows_yet(people: People, commands: Commands) -> None:
    async with (
        listed_node(people, CAROL) as carol,
        node_process(*people.arguments(ALICE), "--relay", relays.RELAY) as alice,
    ):
        assert (await alice.event("started"))["libp2p"] is True
        unknown = await alice.event("relay_unknown")
        assert relays.RELAY in unknown["reason"]
        assert 2.0 <= unknown["retry_in"] <= 3.0
        told = (await commands.beside("peers", "--data", people.folder(ALICE), "--json")).json[0]
        assert relays.RELAY in told["relay_error"]
        shown = await commands.beside("peers", "--data", people.folder(ALICE))
        assert "The relay is not connected: " in shown.out
        relays.put(people, relays.RELAY, carol.events[0]["listening"], relays.KEYS)
        assert (await alice.event("relay_up"))["peer_id"] == carol.events[0]["peer_ids"][0]


async def test_a_relay_that_is_not_there(people: People, console: Console) -> None:
    async with serving(people, ALICE, "--relay", "/ip4/127.0.0.1/tcp/1"):
        assert "refused" in (await console.event("relay_down"))["reason"]


@pytest.mark.req("SHK-124")
async def test_a_bootstrap_peer_that_is_not_there(people: People, commands: Commands) -> None:
    address = "/ip4/127.0.0.1/tcp/1"
    async with node_process(*people.arguments(ALICE), "--bootstrap", address) as alice:
        assert (await alice.event("started"))["libp2p"] is True
        failed = await alice.event("bootstrap_failed")
        assert failed["address"] == address
        assert "refused" in failed["reason"]
        told = (await commands.beside("peers", "--data", people.folder(ALICE), "--json")).json[0]
        assert "refused" in told["bootstrap_errors"][address]
        shown = await commands.beside("peers", "--data", people.folder(ALICE))
        assert f"The bootstrap address {address} leads to nobody: " in shown.out


async def test_websocket_clients_are_told(people: People, console: Console, commands: Commands) -> None:
    client = pytest.importorskip("websockets.asyncio.client")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    async with serving(people, ALICE, "--ws-port", port), listed_node(people, BOB):
        assert (await console.event("websocket"))["listening"] == f"127.0.0.1:{port}"
        people.list(ALICE, (await console.event("started"))["listening"])
        async with client.connect(f"ws://127.0.0.1:{port}", compression=None) as told:
            await told.send('{"subscriptions": [{"topic": "inbox"}]}')
            await told.recv()
            await commands.beside("send", ALICE, "Hello", "--data", people.folder(BOB), "--json")
            assert "Hello" in await told.recv()


async def test_the_registry_on_chain_is_shown_by_its_contract(people: People) -> None:
    folder = people.folder(ALICE)
    url = "http://127.0.0.1:1/a-key"
    async with node_process("node", "--data", folder, "--listen", "127.0.0.1:0", "--rpc-url", url, "--json") as node:
        started = await node.event("started")
        assert started["directory"].startswith("contract 0x")
        assert await node.stop(signal.SIGTERM) == 0
        assert "a-key" not in str(node.events)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--listen", "nowhere"], "no address to listen on"),
        (["--peer", "nowhere"], "nowhere"),
        (["--bootstrap", "/ip4/127.0.0.1/udp/1"], "no multiaddr of a peer"),
        (["--listen", "192.0.2.1:1"], "assign"),
    ],
)
def test_what_can_not_be_is_one_line(people: People, commands: Commands, argv: list[str], complaint: str) -> None:
    result = commands.run(*people.arguments(ALICE), *argv)
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert complaint in result.err


async def test_a_directory_that_does_not_answer_ends_nothing(
    people: People, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: object) -> None:
        raise DeadlineExceeded("the disk hangs")

    monkeypatch.setattr(FileDirectory, "lookup", slow)
    async with serving(people, ALICE) as task:
        assert (await console.event("directory"))["reason"] == "the disk hangs"
        assert not task.done()
