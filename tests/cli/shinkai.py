"""Shinkai nodes for the command line's tests: folders with keys, a directory's file, and nodes as processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from p2pstack.cli.shinkai_settings import keep_keys
from p2pstack.shinkai.directory.config import FileDirectoryConfig
from p2pstack.shinkai.directory.identity_file import with_record
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from tests.project.sources import ROOT

ALICE, BOB, CAROL = "@@alice.shinkai", "@@bob.shinkai", "@@carol.shinkai"
NUMBERS = {ALICE: 1, BOB: 2, CAROL: 3}
NOWHERE = "127.0.0.1:1"

ENVIRONMENT = (
    "GLOBAL_IDENTITY_NAME", "NODE_IP", "NODE_PORT", "NODE_WS_PORT", "IDENTITY_SECRET_KEY", "ENCRYPTION_SECRET_KEY",
    "NODE_STORAGE_PATH", "PROXY_IDENTITY", "NO_SECRET_FILE", "RPC_URL", "CONTRACT_ADDRESS", "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_IP", "BURST_ALLOWANCE", "NETWORK_JOB_MANAGER_THREADS", "RUST_LOG", "LOG_ALL",
)  # fmt: skip
"""What `p2pstack node` reads."""

SECONDS = 30.0


class People:
    """Names, whose keys lie in folders below ``root``, and a directory's file that knows them all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "people.json"
        for name in NUMBERS:
            keep_keys(self.folder(name), ShinkaiName.parse(name), self.keys(name))
            self.list(name, NOWHERE)

    def keys(self, name: str) -> NodeKeys:
        return NodeKeys.unsafe_deterministic(NUMBERS[name])

    def folder(self, name: str) -> Path:
        return self.root / name.removeprefix("@@").partition(".")[0]

    def list(self, name: str, *addresses: str, keys: NodeKeys | None = None) -> None:
        """Put into the directory where a node is, or who it is alone."""
        keys = keys or self.keys(name)
        record = IdentityRecord(
            name=ShinkaiName.parse(name),
            encryption_key=keys.encryption.public,
            signature_key=keys.signature.public_key,
            address_or_proxy_nodes=addresses,
        )
        old = self.directory.read_bytes() if self.directory.exists() else b"{}"
        beside = self.root / "beside"
        beside.write_bytes(with_record(old, record, FileDirectoryConfig()))
        beside.replace(self.directory)

    def arguments(self, name: str) -> list[str]:
        """What ``p2pstack node`` is given for one of them."""
        folder, directory = str(self.folder(name)), str(self.directory)
        return ["node", "--data", folder, "--directory", directory, "--listen", "127.0.0.1:0", "--json"]


class NodeProcess:
    """``p2pstack node --json`` as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._unread: deque[dict[str, Any]] = deque()

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name; others before it are passed over."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = self._unread.popleft() if self._unread else await self._next()
                if event["event"] == name:
                    return event

    async def stop(self, number: int) -> int:
        """Send a signal, and return the exit status; all events are read then."""
        self.process.send_signal(number)
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(EOFError):
                while True:
                    self._unread.append(await self._next())
            return await self.process.wait()

    async def _next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise EOFError
        event: dict[str, Any] = json.loads(line)
        self.events.append(event)
        return event


@contextlib.asynccontextmanager
async def node_process(*argv: object) -> AsyncIterator[NodeProcess]:
    """A node as a process, killed at the end of the block unless it has ended."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "p2pstack", *map(str, argv)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield NodeProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def listed_node(people: People, name: str, *argv: object) -> AsyncIterator[NodeProcess]:
    """A node of one of the people as a process, which has started, and is in the directory's file."""
    async with node_process(*people.arguments(name), *argv) as node:
        people.list(name, (await node.event("started"))["listening"])
        yield node
