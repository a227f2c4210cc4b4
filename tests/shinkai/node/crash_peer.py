"""A node in a process of its own, to be killed: ``sender`` sends numbered texts, ``receiver`` takes them.

Each keeps a journal that survives it. The sender notes a key once ``send`` has accepted its message; the receiver notes
a key when its program is given the message, as a program has to that wants each once: before it takes it, and looking
into its journal only where the message says that it may have been given out before.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.node import ShinkaiNode
from tests.shinkai.node.pairs import ALICE, BOB, QUICK, TCP_ONLY, keys, record

IN_FLIGHT = 16


class Journal:
    """Lines that are in the file when :meth:`note` returns."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.lines = path.read_text().splitlines()

    def note(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


def journal_path(folder: Path, role: str) -> Path:
    return folder / f"{role}.journal"


async def send(node: ShinkaiNode, journal: Journal, total: int) -> None:
    sent = {int(line.split()[0]) for line in journal.lines}
    numbers = (number for number in range(total) if number not in sent)

    async def work() -> None:
        for number in numbers:
            result = await node.send_text(BOB, str(number))
            assert result, result
            journal.note(f"{number} {result.key}")

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def receive(node: ShinkaiNode, journal: Journal) -> None:
    known = {line.split()[1] for line in journal.lines}
    async for message in node.inbox():
        if message.key in known:
            if not message.redelivered:
                journal.note(f"twice {message.key}")
            continue
        known.add(message.key)
        journal.note(f"{message.text} {message.key}")


async def run(role: str, folder: Path, ports: tuple[int, int], total: int, way: str) -> None:
    directory = MemoryDirectory([record(ALICE, f"127.0.0.1:{ports[0]}"), record(BOB, f"127.0.0.1:{ports[1]}")])
    name, port = (ALICE, ports[0]) if role == "sender" else (BOB, ports[1])
    config = TCP_ONLY if way == "tcp" else QUICK
    # The process ends many times while it works on the same messages.
    config = replace(config, jobs=replace(config.jobs, max_attempts=100))
    journal = Journal(journal_path(folder, role))
    async with ShinkaiNode(
        name, keys=keys(name), directory=directory, data=folder / role, config=config, listen=f"127.0.0.1:{port}"
    ) as node:
        sys.stdout.write("running\n")
        sys.stdout.flush()
        if role == "sender":
            await send(node, journal, total)
        else:
            await receive(node, journal)
        await asyncio.Event().wait()


if __name__ == "__main__":
    first, second = int(sys.argv[3]), int(sys.argv[4])
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), (first, second), int(sys.argv[5]), sys.argv[6]))
