"""How a node answers requests: each is a job, and its answer what the job's worker says (SHK-71, SHK-75)."""

from __future__ import annotations

from collections.abc import Callable

from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import json_form
from p2pstack.shinkai.network.direct import Held
from p2pstack.shinkai.network.handler import Received, ShinkaiMessageHandler, Via
from p2pstack.shinkai.network.responses import ResponseChannel

__all__ = ["JobAnswers"]


class JobAnswers:
    """Hands requests to a handler, and waits for what answers them."""

    def __init__(self, handler: ShinkaiMessageHandler, on_received: Callable[[PeerId, Received], None]) -> None:
        self._handler = handler
        self._on_received = on_received

    async def answer(self, peer: PeerId, request: Held) -> bytes:
        """Have a request handled, and wait for what the node answers; ``b""`` where that is nothing."""
        channel = ResponseChannel(peer)
        received = await self._handler.handle(peer, request.data, via=Via.DIRECT, channel=channel)
        request.release()
        self._on_received(peer, received)
        if not received.key:
            return b""
        try:
            message = await channel.wait()
        finally:
            self._handler.responses.remove(received.key, channel)
        return b"" if message is None else json_form.encode(message)
