"""A host with hardly any file descriptors, for test_churn.py: prints its address, then each time that it has none left.

It ends with its standard input, and prints how many tasks are left then besides the main one.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from typing import Any

from p2pstack.host.host import BaseHost
from tests.misbehave.arena import ECHO, echo

SPARE = 10
"""File descriptors that the host may still open once it listens."""


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main() -> None:
    """Listen with ``SPARE`` descriptors until the input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)

    def complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        say(f"{context['message']}: {context.get('exception')!r}")

    loop.set_exception_handler(complain)
    async with BaseHost(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        host.handle(ECHO, echo)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + SPARE, lowest + SPARE))
        say(host.full_addresses[0])
        await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    say(f"tasks left: {len(asyncio.all_tasks()) - 1}")


if __name__ == "__main__":
    asyncio.run(main())
