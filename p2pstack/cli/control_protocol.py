"""How commands talk to a running node: JSON objects, one a line, over a Unix socket in its folder.

A client sends one request, ``{"do": "send", ...}``, and gets replies; the last one is ``{"end": true, ...}`` or
``{"error": "..."}``. Only the owner of the folder's socket can connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from p2pstack.cli.arguments import CommandError

T = TypeVar("T")

__all__ = ["MAX_LINE", "SOCKET", "Channel", "socket_address"]

SOCKET = "control.sock"

MAX_LINE = 2 * 1024 * 1024
"""Bytes: twice the longest message."""

CLOSE_TIMEOUT = 1.0
"""Seconds in which what was sent is taken."""

_MAX_ADDRESS = 104 if sys.platform == "darwin" else 108
"""Bytes of a Unix socket's address, its end included."""


def socket_address(data: Path) -> str:
    """Return the address of the socket in a folder: its path, from here where that is shorter.

    Raises:
        CommandError: both are longer than the system allows.
    """
    path = str(data.absolute() / SOCKET)
    address = min(path, os.path.relpath(path), key=len)
    if len(os.fsencode(address)) >= _MAX_ADDRESS:
        raise CommandError(f"{path} is too long for a socket's address: take a shorter folder, or run in one above it")
    return address


class Channel:
    """One connection, from either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, timeout: float, values: dict[str, Any]) -> None:
        """Send an object.

        Raises:
            CommandError: it is no text in Unicode, or too long.
            OSError: the other side is gone, or takes nothing within ``timeout`` seconds (TimeoutError).
        """
        try:
            line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        except UnicodeEncodeError as error:
            raise CommandError("this is no text: it has half a character in it") from error
        if len(line) > MAX_LINE:
            raise CommandError(f"this is too long: {MAX_LINE} bytes are the limit")
        self._writer.write(line)
        async with asyncio.timeout(timeout):
            await self._writer.drain()

    async def receive(self, timeout: float | None) -> dict[str, Any] | None:
        """Return the next object, or None at the end.

        Raises:
            CommandError: what comes is none, or too long.
            OSError: the connection broke, or nothing came within ``timeout`` seconds (TimeoutError).
        """
        try:
            async with asyncio.timeout(timeout):
                line = await self._reader.readline()
        except ValueError as error:  # how the reader says that the line is longer than its limit
            raise CommandError(f"a line is longer than {MAX_LINE} bytes") from error
        if not line.endswith(b"\n"):
            return None
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandError("a line is no JSON") from error
        if not isinstance(values, dict):
            raise CommandError("a line is no JSON object")
        return values

    async def while_open(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` as long as the other side is there; it says nothing meanwhile.

        Raises:
            ConnectionResetError: it is gone; the work was cancelled.
        """
        loop = asyncio.get_running_loop()
        working = loop.create_task(work)
        leaving = loop.create_task(self._closed_by_peer())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ConnectionResetError("whoever asked has gone")
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.wait((working, leaving))

    async def _closed_by_peer(self) -> None:
        with contextlib.suppress(OSError):
            while await self._reader.read(65_536):
                pass

    async def close(self) -> None:
        """Close the connection. What was sent still arrives, unless the other side takes nothing for a moment."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._writer.wait_closed()
        except OSError:
            pass
        finally:
            self._writer.transport.abort()
