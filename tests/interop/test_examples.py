"""The programs of examples/, as somebody would start them, with a node of each kind at the other end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack.identity.keys import PrivateKey
from tests.host.hosts import closed_address
from tests.interop.gossip import member
from tests.interop.harness import ROOT, START_SECONDS, Peer, Peers
from tests.interop.pairs import each_kind

EXAMPLES = sorted(each for each in (ROOT / "examples").glob("*.py") if not each.name.startswith("shinkai_"))


@contextlib.asynccontextmanager
async def example(peers: Peers, name: str, *arguments: str) -> AsyncIterator[Peer]:
    """A program of examples/, which is stopped at the end of the block."""
    program = await Peer.start([sys.executable, "-u", f"examples/{name}", *arguments], name)
    peers.started.append(program)
    try:
        yield program
    finally:
        program.terminate()
        await program.stop()


async def prints(program: Peer, line: str) -> None:
    await program.until(lambda: f"(stdout) {line}" in program.errors, f"line {line!r}", seconds=START_SECONDS)


@pytest.mark.interop
@each_kind
async def test_gossip_publishes_and_receives(peers: Peers, kind: str) -> None:
    async with member(peers, kind, "news") as node, example(peers, "gossip.py", node.address) as program:
        await prints(program, "sent to 1 peers")
        await node.until(lambda: node.got("news").total() == 1, "message of the example")
        [(author, _)] = node.got("news")
        await node.gets(author, b"hello from Python", "news")
        assert author.startswith("12D3KooW")
        await node.publish("news", b"hello back")
        await prints(program, f"{node.peer_id} b'hello back'")


@pytest.mark.interop
@each_kind
async def test_gossip_with_the_dialer_of_the_other_end(peers: Peers, kind: str) -> None:
    """Two programs that know only the node in the middle: ours, and the ``gossip`` verb, which publishes three."""
    async with member(peers, kind, "news") as node, example(peers, "gossip.py", node.address) as program:
        await prints(program, "sent to 1 peers")
        options = ("--topic", "news", "--publish", 3, "--size", 16, "--rate", 50)
        async with peers.run(kind, "gossip", node.address, *options) as publisher:
            assert (await publisher.event("gossip"))["sent"] == 3
            await program.until(
                lambda: sum("\\x00\\x00\\x00" in line for line in program.errors) == 3, "three messages"
            )


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_the_readme_shows_the_very_program(path: Path) -> None:
    """But for the blank lines, which the README saves."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in readme.split("```python\n")[1:]]
    assert lines(path.read_text(encoding="utf-8")) in map(lines, blocks)
    assert f"(examples/{path.name})" in readme
    assert len(lines(path.read_text(encoding="utf-8"))) <= 15


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_there_are_examples() -> None:
    assert "gossip.py" in [path.name for path in EXAMPLES]


def test_discovery_says_why_nobody_was_reached() -> None:
    peer = PrivateKey.from_seed(bytes(32)).peer_id
    done = subprocess.run(
        [sys.executable, "-W", "error", "examples/discovery.py", f"{closed_address()}/p2p/{peer}", str(peer)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=START_SECONDS,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("nobody was reached: ")
    assert "refused" in done.stderr


@pytest.mark.interop
@each_kind
async def test_discovery_finds_a_peer_by_its_id_alone(peers: Peers, kind: str) -> None:
    """The example is given the id of a member of the topic, and the address of another node."""
    async with peers.listen(kind, "--dht", "--quiet") as entrance:
        options = ("--dht", "--bootstrap", entrance.address, "--topic", "news")
        async with peers.listen(kind, *options) as node:
            assert (await node.event("dht-joined"))["ok"]
            async with example(peers, "discovery.py", entrance.address, node.peer_id) as program:
                await prints(program, f"found {node.peer_id} and sent to 1 peers")
                await node.event("message", topic="news")
