"""Functions of the program that take messages as they come, one after another (SHK-95)."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence

from p2pstack.errors import P2PError
from p2pstack.shinkai.node.inbox import InboxReader, received
from p2pstack.shinkai.node.results import ReceivedMessage
from p2pstack.shinkai.node.store import Kind, MessageStore

__all__ = ["MessageHandler", "pump"]

logger = logging.getLogger("p2pstack.shinkai")

MessageHandler = Callable[[ReceivedMessage], Awaitable[None]]
"""Takes a message. When it returns the message is taken; when it raises it is given the message again, later."""


async def pump(store: MessageStore, handler: MessageHandler, *, kinds: Sequence[Kind], prefetch: int) -> None:
    """Give messages of some kinds to ``handler``, for ever."""
    async with InboxReader(store, kinds=kinds, prefetch=prefetch) as reader:
        while True:
            try:
                stored = await reader.next_stored()
            except P2PError as error:
                logger.warning("the inbox can't be read: %s", error)
                await asyncio.sleep(1.0)
                continue
            message = received(stored, functools.partial(store.take, stored.seq))
            failure = await _call(handler, message)
            if failure is None:
                continue
            reader.leave()
            logger.error("the handler of a message from %s failed", stored.sender, exc_info=failure)
            try:
                again = await store.fail(stored, f"{type(failure).__name__}: {failure}")
            except P2PError as error:
                logger.warning("the failure can't be noted: %s", error)
                store.put_back([stored.seq])
                continue
            if not again:
                logger.error("message %s is put aside: its handler has failed too often", stored.key)


async def _call(handler: MessageHandler, message: ReceivedMessage) -> BaseException | None:
    """Run a handler in a task of its own, so that whatever it raises ends nothing but that."""
    task = asyncio.ensure_future(handler(message))
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait((task,))
        raise
    return asyncio.CancelledError("it was cancelled") if task.cancelled() else task.exception()
