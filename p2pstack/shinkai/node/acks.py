"""Acknowledgements that come as messages of their own, and which message each of them is for (SHK-82, SHK-83).

Ours name the message that they acknowledge, in the inbox field, which originals don't look at in an ACK:
``ack_inbox::<key of the message>::false``. Theirs name none, and stand for the oldest message that waits for one.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable

from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.inboxes import InboxName
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["AckWaiters", "acknowledged_key", "make_ack"]

_NAMED = re.compile(r"ack_inbox::([0-9a-f]{64})::false")


def make_ack(
    keys: NodeKeys, sender: ShinkaiName, recipient: str, key: str, *, time: float, entropy: Callable[[int], bytes]
) -> ShinkaiMessage:
    """Return the acknowledgement of the message ``key`` for the node ``recipient``, signed by this one."""
    inbox = InboxName(f"ack_inbox::{key}::false", end_to_end=False)
    return (
        ShinkaiMessageBuilder(keys, sender.full_name, recipient, time=time, entropy=entropy).ack().inbox(inbox).build()
    )


def acknowledged_key(ack: ShinkaiMessage) -> str | None:
    """Return the key of the message that a readable ACK names, or None where it names none."""
    found = _NAMED.fullmatch(ack.readable_body.internal_metadata.inbox)
    return None if found is None else found[1]


class AckWaiters:
    """Messages that have left and wait for an acknowledgement, by recipient, the oldest first; ``limit`` at most."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: OrderedDict[str, tuple[str, asyncio.Future[None]]] = OrderedDict()
        self._by_recipient: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, recipient: str, key: str) -> asyncio.Future[None]:
        """Note that ``recipient``, the name of a node, is about to be sent ``key``; return what its ACK ends."""
        known = self._waiting.get(key)
        if known is not None and not known[1].done():
            return known[1]
        if known is None and len(self._waiting) >= self.limit:
            self.forget(next(iter(self._waiting)))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[key] = (recipient, future)
        self._by_recipient.setdefault(recipient, OrderedDict())[key] = None
        return future

    def oldest(self, recipient: str) -> str | None:
        """Return the key of the message to ``recipient`` that waits for longest, or None."""
        keys = self._by_recipient.get(recipient)
        return next(iter(keys)) if keys else None

    def acknowledged(self, key: str, recipient: str) -> bool:
        """End the wait for ``key`` if it was sent to ``recipient``; whether somebody is still waiting for that."""
        found = self._waiting.get(key)
        if found is None or found[0] != recipient:
            return False
        self.forget(key)
        if found[1].done():
            return False
        found[1].set_result(None)
        return True

    def forget(self, key: str) -> None:
        """No acknowledgement is expected any more."""
        found = self._waiting.pop(key, None)
        if found is not None:
            keys = self._by_recipient[found[0]]
            keys.pop(key, None)
            if not keys:
                del self._by_recipient[found[0]]
