"""What a running node does for commands that ask for it: send, inbox, queue and peers."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Mapping
from typing import Any

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_protocol import Channel
from p2pstack.cli.control_server import Action
from p2pstack.host.events import EventStream
from p2pstack.shinkai import json_form
from p2pstack.shinkai.errors import InvalidName, MessageError
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node import ShinkaiNode
from p2pstack.shinkai.node.events import MessageDelivered, MessageFailed
from p2pstack.shinkai.node.inbox import received
from p2pstack.shinkai.node.results import ReceivedMessage, SendResult, SendState
from p2pstack.shinkai.node.store import StoredMessage

__all__ = ["MAX_LISTED", "TAKE_TIMEOUT", "NodeActions", "result_values"]

MAX_LISTED = 1_000
"""Rows of a list, and messages of the history: with the longest texts less, by the limit of a line."""

TAKE_TIMEOUT = 30.0
"""Seconds in which a client says that it has printed a message; then others may have it."""

LOOK_AGAIN = 1.0
"""Seconds after which a queued message is looked at, whatever was told."""


class NodeActions:
    """The actions of one node."""

    def __init__(self, node: ShinkaiNode) -> None:
        self._node = node

    def all(self) -> Mapping[str, Action]:
        """Return them by name."""
        return {"send": self.send, "inbox": self.inbox, "queue": self.queue, "peers": self.peers}

    async def send(self, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
        """Send a text; if it is queued, tell so, and wait for it as long as the client asks for.

        Raises:
            CommandError: something in the request is not what it has to be.
        """
        try:
            to = ShinkaiName.parse(_text(request, "to"))
        except InvalidName as error:
            raise CommandError(str(error)) from error
        text, wait = _text(request, "text"), _seconds(request, "wait")
        async with self._node.events(MessageDelivered, MessageFailed) as events:
            result = await self._node.send_text(to, text)
            if result.state is not SendState.QUEUED or not wait:
                return result_values(result)
            await channel.send(TAKE_TIMEOUT, result_values(result))
            return await channel.while_open(self._wait(result, events, wait))

    async def _wait(self, result: SendResult, events: EventStream, seconds: float) -> dict[str, Any]:
        """Wait until a message is delivered or given up."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            found = await self._node.queue.find(result.key)
            if found is None:
                return {"state": "delivered", "key": result.key}
            if found.dead:
                reason = f"dead-{found.dead}"
                return {"state": "refused", "key": result.key, "reason": reason, "detail": found.error}
            left = until - loop.time()
            if left <= 0:
                return {"state": "queued", "key": result.key, "next_attempt": found.due, "detail": found.error}
            try:
                # Any of them may be about this message. (Not `wait_for`, which loses a cancellation on Python 3.11.)
                async with asyncio.timeout(min(left, LOOK_AGAIN)):
                    await anext(events)
            except (TimeoutError, StopAsyncIteration):
                continue

    async def inbox(self, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
        """Give messages to the client, each until it says that it has printed it.

        Raises:
            CommandError: something in the request is not what it has to be.
            OSError: the client is gone, or says nothing.
        """
        name = _text(request, "inbox").lower() or None
        if request.get("history") is True:
            return await self._history(name, _count(request, "limit"), channel)
        if request.get("follow") is True:
            return await self._follow(name, channel)
        return await self._drain(name, channel)

    async def _history(self, name: str | None, limit: int, channel: Channel) -> dict[str, Any]:
        rows = await self._node.messages.history(name, limit=limit)
        for stored in reversed(rows):
            await channel.send(TAKE_TIMEOUT, {"message": _stored_values(stored)})
        return {"messages": len(rows)}

    async def _follow(self, name: str | None, channel: Channel) -> dict[str, Any]:
        async with self._node.inbox(name) as messages:
            while True:
                message = await channel.while_open(anext(messages))
                if not await _offer(message, channel):
                    return {}

    async def _drain(self, name: str | None, channel: Channel) -> dict[str, Any]:
        """Give what is there, and end."""
        store, count = self._node.messages, 0
        while True:
            rows, _ = await store.give(1, inbox=name)
            if not rows:
                return {"messages": count}
            stored = rows[0]
            taken = False
            try:
                taken = await _offer(received(stored, functools.partial(store.take, stored.seq)), channel)
            finally:
                if not taken:
                    store.put_back([stored.seq])
            if not taken:
                return {"messages": count}
            count += 1

    async def queue(self, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
        """List what is to be delivered, or what was given up; have a message tried now; forget one.

        Raises:
            CommandError: there is no such message, or no such action.
        """
        queue, limit = self._node.queue, _count(request, "limit")
        match request.get("action"):
            case "list":
                waiting = await queue.waiting(limit=limit)
                rows: list[dict[str, Any]] = [
                    {"key": q.key, "to": q.recipient, "attempts": q.attempts, "next_attempt": q.due, "error": q.error}
                    for q in waiting
                ]
                return {"rows": rows, "total": (await queue.stats()).rows}
            case "dead":
                dead = await queue.dead_letters(limit=limit)
                rows = [
                    {"key": d.key, "reason": d.reason, "attempts": d.attempts, "accepted": d.created, "error": d.error}
                    for d in dead
                ]
                return {"rows": rows, "total": (await queue.stats()).dead_rows}
            case "retry":
                return await self._retry(_text(request, "key"))
            case "drop":
                key = _text(request, "key")
                if not await queue.drop(key):
                    raise CommandError(f"the queue holds no message {key}")
                return {"dropped": key}
            case _:
                raise CommandError("a queue is asked for list, dead, retry or drop")

    async def _retry(self, key: str) -> dict[str, Any]:
        queue = self._node.queue
        found = await queue.find(key)
        if found is None:
            raise CommandError(f"the queue holds no message {key}")
        if found.dead:
            await queue.retry(key)
            return {"retried": 1, "to": found.recipient}
        return {"retried": await queue.hasten(found.recipient), "to": found.recipient}

    async def peers(self, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
        """Tell how the node is doing, and whom it is connected to."""
        status = await self._node.status()
        peers = [
            {
                "peer_id": str(peer),
                "agent": manager.agent_of(peer),
                "profile": manager.profile.value,
                "addresses": [str(each.remote_address) for each in manager.host.connections(peer)],
            }
            for manager in self._node.libp2p_managers
            for peer in manager.peers()
        ]
        return {
            "name": status.name,
            "profile": status.profile,
            "listening": status.listening,
            "peer_ids": status.peer_ids,
            "addresses": status.addresses,
            "libp2p": status.libp2p,
            "libp2p_error": status.libp2p_error,
            "untaken": status.messages.untaken,
            "queued": status.queue.rows,
            "dead": status.queue.dead_rows,
            "sent": dict(status.sent),
            "received": dict(status.received),
            "refused": {reason: count for reason, count in status.refused.items() if count},
            "bootstrap_errors": dict(status.bootstrap_errors),
            "relay_error": status.relay_error,
            "known_peers": status.known_peers,
            "peers": peers,
        }


def result_values(result: SendResult) -> dict[str, Any]:
    """Return what became of a message, for JSON."""
    return {
        "state": result.state.value,
        "key": result.key,
        "via": result.via,
        "next_attempt": result.next_attempt,
        "attempts": [{"way": attempt.way, "error": attempt.error} for attempt in result.attempts],
        "reason": result.reason,
        "detail": result.detail,
        "found": result.found,
    }


async def _offer(message: ReceivedMessage, channel: Channel) -> bool:
    """Give a message to the client; whether it has said that it has it."""
    values = {
        **_message_values(message.message),
        "key": message.key,
        "inbox": message.inbox,
        "via": message.via,
        "at": message.received_at,
        "redelivered": message.redelivered,
    }
    await channel.send(TAKE_TIMEOUT, {"message": values})
    answer = await channel.receive(TAKE_TIMEOUT)
    if answer is None or answer.get("taken") != message.key:
        return False
    await message.done()
    return True


def _stored_values(stored: StoredMessage) -> dict[str, Any]:
    message = json_form.decode(stored.message, max_size=len(stored.message))
    return {
        **_message_values(message),
        "key": stored.key,
        "inbox": stored.inbox,
        "via": stored.via,
        "at": stored.at,
        "state": stored.state.name.lower(),
    }


def _message_values(message: ShinkaiMessage) -> dict[str, Any]:
    """Return what a message says; ``text`` and ``schema`` are None where only a profile could read it."""
    external = message.external_metadata
    values: dict[str, Any] = {"from": external.sender, "to": external.recipient, "text": None, "schema": None}
    try:
        body = message.readable_body
        values["from"] = _below(external.sender, body.internal_metadata.sender_subidentity)
        values["to"] = _below(external.recipient, body.internal_metadata.recipient_subidentity)
        values["text"] = message.content
        values["schema"] = str(getattr(body.message_data, "message_content_schema", ""))
    except MessageError:
        pass
    return values


def _below(node: str, subidentity: str) -> str:
    return f"{node}/{subidentity}" if subidentity else node


def _text(request: dict[str, Any], key: str) -> str:
    value = request.get(key, "")
    if not isinstance(value, str):
        raise CommandError(f"{key} is no text")
    return value


def _seconds(request: dict[str, Any], key: str) -> float:
    value = request.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise CommandError(f"{key} is no number of seconds")
    return float(value)


def _count(request: dict[str, Any], key: str) -> int:
    value = request.get(key, 100)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CommandError(f"{key} is no number of at least 1")
    return min(value, MAX_LISTED)
