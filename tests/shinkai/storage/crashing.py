"""A process that is killed: it fills and works both queues, and tells each step once it is done.

Run as ``python -m tests.shinkai.storage.crashing FILE FIRST``. Each line of its output is a letter and a key:
A accepted, B about to be completed, C completed, for messages; a, b, c for jobs. A line is written to the pipe before
the next step begins, so what the reader has not seen has not been promised.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from p2pstack.shinkai.storage.job_queue import JobQueue
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.storage.files import job

WRITERS = 8
MESSAGES = 4_000
"""Steps of a writer before the process gives up being killed."""


def say(letter: str, key: str) -> None:
    os.write(1, f"{letter} {key}\n".encode())


async def fill(retries: RetryQueue, jobs: JobQueue, first: int, writer: int) -> None:
    for number in range(first, first + MESSAGES):
        key = f"{writer}-{number}"
        await retries.add(b"m" * 300, key=key, recipient="b")
        say("A", key)
        if await jobs.add(job(b"j" * 300), key=key):
            say("a", key)


async def deliver(retries: RetryQueue) -> None:
    while True:
        for entry in await retries.take(16, timeout=60):
            if entry.key.endswith(("0", "1")):  # the peer is away
                await retries.failed(entry.key, entry.attempts, "connection refused")
                continue
            say("B", entry.key)
            await retries.delivered(entry.key)
            say("C", entry.key)


async def work(jobs: JobQueue) -> None:
    while True:
        for entry in await jobs.take(4, timeout=60):
            say("b", entry.key)
            await jobs.done(entry.key)
            say("c", entry.key)


async def main(path: Path, first: int) -> None:
    async with await open_database(path) as database:
        retries, jobs = RetryQueue(database), JobQueue(database)
        workers = [asyncio.create_task(deliver(retries)), asyncio.create_task(work(jobs))]
        await asyncio.gather(*(fill(retries, jobs, first, writer) for writer in range(WRITERS)))
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
