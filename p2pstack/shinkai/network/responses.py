"""Requests that wait for their answers: found again by the message's key once its job was done (SHK-75)."""

from __future__ import annotations

import asyncio

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.message import ShinkaiMessage

__all__ = ["ResponseChannel", "Responses"]


class ResponseChannel:
    """The way back to whoever sent a request. It is answered once, with a message or with nothing."""

    __slots__ = ("_answer", "peer")

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer
        self._answer: asyncio.Future[ShinkaiMessage | None] = asyncio.get_running_loop().create_future()

    @property
    def open(self) -> bool:
        """Whether the request still waits."""
        return not self._answer.done()

    def send(self, message: ShinkaiMessage | None) -> bool:
        """Answer, or end with nothing (None), as the original does for a Ping and what it drops; whether it waited."""
        if self._answer.done():
            return False
        self._answer.set_result(message)
        return True

    def close(self) -> None:
        """There is no way back any more."""
        self._answer.cancel()

    async def wait(self) -> ShinkaiMessage | None:
        """Return the answer, once there is one."""
        return await self._answer


class Responses:
    """Open channels by the key of the message that they came with; several may wait for the same one."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._channels: dict[str, list[ResponseChannel]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, channel: ResponseChannel) -> None:
        """Let a channel wait for the job with this key.

        Raises:
            LimitExceeded: ``max_responses`` wait already.
        """
        if self._count >= self.limit:
            raise LimitExceeded("max_responses", self.limit)
        self._channels.setdefault(key, []).append(channel)
        self._count += 1

    def remove(self, key: str, channel: ResponseChannel) -> None:
        """Forget a channel; nothing happens if it is unknown."""
        channels = self._channels.get(key, [])
        if channel in channels:
            channels.remove(channel)
            self._count -= 1
            if not channels:
                del self._channels[key]

    def answer(self, key: str, message: ShinkaiMessage | None) -> int:
        """Answer every channel that waits for this key; return how many those were."""
        channels = self._channels.pop(key, [])
        self._count -= len(channels)
        return sum(channel.send(message) for channel in channels)
