"""The end of a command that talks to a running node."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_protocol import MAX_LINE, Channel, socket_address

__all__ = ["CONNECT_TIMEOUT", "REPLY_TIMEOUT", "ControlClient", "connect"]

CONNECT_TIMEOUT = 5.0
"""Seconds. The node is on this machine."""

REPLY_TIMEOUT = 60.0
"""Seconds for a reply: a message is tried by all ways first, each with a time limit of its own."""


class ControlClient:
    """A request and its replies."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def ask(self, **request: Any) -> None:
        """Send the request, or what a reply asks for.

        Raises:
            CommandError: it is too long, or no text.
            OSError: the node is gone.
        """
        await self._channel.send(CONNECT_TIMEOUT, request)

    async def reply(self, timeout: float | None = REPLY_TIMEOUT) -> dict[str, Any]:
        """Return the next reply; None waits for ever.

        Raises:
            CommandError: it tells of an error, or none comes.
        """
        try:
            reply = await self._channel.receive(timeout)
        except TimeoutError as error:
            raise CommandError(f"the node has not answered within {timeout:g} s") from error
        except OSError:
            reply = None
        if reply is None:
            raise CommandError("the node has ended meanwhile")
        if "error" in reply:
            raise CommandError(str(reply["error"]))
        return reply


@contextlib.asynccontextmanager
async def connect(data: Path) -> AsyncIterator[ControlClient]:
    """Connect to the node that runs in the folder ``data``.

    Raises:
        CommandError: none does, or it does not answer.
    """
    address = socket_address(data)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(address, limit=MAX_LINE)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise CommandError(f"no node runs in {data}: `p2pstack node --data {data}` starts one") from error
    except PermissionError as error:
        raise CommandError(f"the node in {data} is another user's") from error
    except TimeoutError as error:
        raise CommandError(f"the node in {data} does not answer") from error
    channel = Channel(reader, writer)
    try:
        yield ControlClient(channel)
    finally:
        await channel.close()
