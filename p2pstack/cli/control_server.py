"""The node's end of its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p2pstack.aio.tcp import close_servers
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_protocol import MAX_LINE, Channel, socket_address
from p2pstack.errors import P2PError

__all__ = ["Action", "ControlConfig", "ControlServer"]

Action = Callable[[dict[str, Any], Channel], Awaitable[dict[str, Any]]]
"""Does what a request asks for; may send replies meanwhile, and returns the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """Limits of a control socket. Times are seconds."""

    max_clients: int = 32
    """At the same time; further ones are told so. Against a script that starts them without end."""

    request_timeout: float = 5.0
    """For a request. Against a client that connects and says nothing."""

    reply_timeout: float = 30.0
    """For a client to take a reply, and to answer it where it has to. Against one that was stopped."""


class ControlServer:
    """Serves ``actions``, by name, on the socket in the folder ``data``. Use it with ``async with``.

    Nobody else may serve that folder: a socket that is there was left behind, and is replaced.
    """

    def __init__(self, data: Path, actions: Mapping[str, Action], config: ControlConfig | None = None) -> None:
        self.address = socket_address(data)
        self.config = config or ControlConfig()
        self._actions = actions
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __aenter__(self) -> Self:
        _remove(self.address)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Only the owner may connect, from the first moment on.
            former = os.umask(0o177)
            try:
                listener.bind(self.address)
            finally:
                os.umask(former)
            self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=MAX_LINE)
        except BaseException:
            listener.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        _remove(self.address)
        if self._server is not None:
            await close_servers([self._server])
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:  # the loop had accepted it before
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(Channel(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, channel: Channel) -> None:
        try:
            reply = await self._answer(channel)
            with contextlib.suppress(CommandError, OSError):  # it has gone, or does not listen
                await channel.send(self.config.reply_timeout, reply)
        finally:
            await channel.close()

    async def _answer(self, channel: Channel) -> dict[str, Any]:
        try:
            self._admit()
            request = await channel.receive(self.config.request_timeout)
            return {"end": True, **await self._action_of(request)(request or {}, channel)}
        except (CommandError, P2PError, OSError) as error:
            return {"error": str(error) or type(error).__name__}

    def _admit(self) -> None:
        if len(self._tasks) > self.config.max_clients:
            raise CommandError(f"the node serves {self.config.max_clients} commands already")

    def _action_of(self, request: dict[str, Any] | None) -> Action:
        name = None if request is None else request.get("do")
        action = self._actions.get(name) if isinstance(name, str) else None
        if action is None:
            raise CommandError("the node does not know this command")
        return action


def _remove(address: str) -> None:
    Path(address).unlink(missing_ok=True)
