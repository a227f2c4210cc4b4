"""The clients of libp2p's official interop tests, ours and those of the peers, as their runners start them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from tests.interop.harness import Peer, PeerFailed, Peers

__all__ = ["CLIENT_SECONDS", "client", "result"]

CLIENT_SECONDS = 40.0


@contextlib.asynccontextmanager
async def client(
    peers: Peers, kind: str, verb: str, environment: Mapping[str, str], prefix: Sequence[str] = ()
) -> AsyncIterator[Peer]:
    """Run the client ``verb`` of that kind, which is told by its environment; it is ended with the block."""
    program = [sys.executable, "-m", "p2pstack"] if kind == "p2pstack" else peers.command(kind)
    words = [f"{name}={value}" for name, value in environment.items()]
    process = await Peer.start([*prefix, "env", *words, *program, verb], f"{kind} {verb} {' '.join(words)}")
    peers.started.append(process)
    try:
        yield process
    finally:
        process.terminate()
        await process.stop()


async def result(process: Peer) -> dict[str, Any]:
    """Wait for the end of a client, which has to be a good one; returns the last line of its stdout."""
    status = await process.finish(seconds=CLIENT_SECONDS)
    lines = [line.removeprefix("(stdout) ") for line in process.errors if line.startswith("(stdout) ")]
    if status != 0 or not lines:
        raise PeerFailed(f"{process.title} ended with status {status}\n{process.transcript()}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
