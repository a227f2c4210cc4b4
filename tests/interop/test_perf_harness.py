"""libp2p's perf benchmarks: our client and server, in the official form, with the other peers at the other end."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator

import pytest

from p2pstack.cli.harness_perf import SERVER_KEY
from tests.interop.addresses import tcp_endpoint
from tests.interop.harness import START_SECONDS, Peer, Peers
from tests.interop.pairs import each_other_kind

pytestmark = pytest.mark.interop

COMMAND = [sys.executable, "-u", "-m", "p2pstack", "perf-interop"]
SIZE = 5_000_000


@contextlib.asynccontextmanager
async def perf(peers: Peers, *words: object) -> AsyncIterator[Peer]:
    """Our program; it is ended with the block."""
    program = await Peer.start([*COMMAND, *map(str, words)], "perf-interop")
    peers.started.append(program)
    try:
        yield program
    finally:
        program.terminate()
        await program.stop()


@each_other_kind
async def test_our_client_measures_a_server_of_any_id(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node:
        host, port = tcp_endpoint(node.address)
        words = ("--server-address", f"{host}:{port}", "--upload-bytes", SIZE, "--download-bytes", SIZE)
        async with perf(peers, *words) as program:
            assert await program.finish() == 0
    final = json.loads(program.errors[-1].removeprefix("(stdout) "))
    assert (final["type"], final["uploadBytes"], final["downloadBytes"]) == ("final", SIZE, SIZE)


@each_other_kind
async def test_a_client_measures_our_server(peers: Peers, kind: str) -> None:
    async with perf(peers, "--run-server", "--server-address", "127.0.0.1:0") as program:
        await program.until(lambda: bool(program.errors), "address", seconds=START_SECONDS)
        address = program.errors[0].removeprefix("(stdout) ")
        assert address.endswith(f"/p2p/{SERVER_KEY.peer_id}")
        found = await peers.dial(kind, address, "perf", "--up", SIZE, "--down", SIZE)
    assert (found["up_bytes"], found["down_bytes"]) == (SIZE, SIZE)
