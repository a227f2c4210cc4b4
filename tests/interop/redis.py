"""A real Redis, as the runners of libp2p's interop tests have one: started for a test, and ended with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.interop.harness import Peer

__all__ = ["redis_server", "require_redis"]

START_SECONDS = 10.0


def require_redis() -> None:
    """Skip the test where Redis is not installed; in CI, fail it."""
    if shutil.which("redis-server") is None:
        reason = "`redis-server` is not on the PATH (Debian: apt-get install redis-server)"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.asynccontextmanager
async def redis_server(prefix: Sequence[str] = (), address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Run Redis at ``address``, on a free port by default; gives ``HOST:PORT``.

    ``prefix`` is what the command line begins with, such as ``ip netns exec NAME``. It keeps everything in memory.
    """
    require_redis()
    number = port or free_port()
    options = ["--port", str(number), "--bind", address, "--save", "", "--appendonly", "no", "--protected-mode", "no"]
    server = await Peer.start([*prefix, "redis-server", *options], "redis-server")
    try:
        ready = "Ready to accept connections"
        await server.until(lambda: any(ready in line for line in server.errors), ready, seconds=START_SECONDS)
        yield f"{address}:{number}"
    finally:
        server.terminate()
        await server.stop()
