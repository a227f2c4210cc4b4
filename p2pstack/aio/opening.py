"""Opening streams on a connection, and waiting for room where it holds as many as it may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, cast

from p2pstack.aio.view import ConnectionView
from p2pstack.errors import DeadlineExceeded

if TYPE_CHECKING:
    from p2pstack.aio.alarm import Alarm
    from p2pstack.aio.runtime import Runtime
    from p2pstack.aio.stream import Stream
    from p2pstack.aio.waiting import WaitingList

__all__ = ["StreamOpener"]


class StreamOpener(ConnectionView):
    """The part of a connection that opens streams; see :class:`p2pstack.aio.connection.Connection`."""

    __slots__ = ("_alarm", "_openers", "_runtime", "loop")

    loop: asyncio.AbstractEventLoop
    """The loop that it lives in."""

    _alarm: Alarm
    _openers: WaitingList
    _runtime: Runtime

    if TYPE_CHECKING:

        def plan_flush(self) -> None:
            """Send what is queued, at the end of this loop turn."""

    async def open_stream(self, protocols: str | Sequence[str], *, lazy: bool = False, timeout: float = 15.0) -> Stream:
        """Open a stream that speaks one of ``protocols``, the first that the peer supports.

        With ``lazy`` and one protocol nothing is waited for: the first bytes travel with the proposal, and a peer that
        doesn't speak the protocol is noticed at the first read (MSS-06).

        Raises:
            ProtocolNotSupported: the peer speaks none of them.
            DeadlineExceeded: no answer, or no room for a further stream, within ``timeout`` seconds.
            ConnectionClosed: the connection is over, or ends meanwhile.
        """
        names = (protocols,) if isinstance(protocols, str) else tuple(protocols)
        until = monotonic() + timeout
        session = self.machine.session
        if session is not None and not session.can_open:
            await self._wait_for_room(timeout)
        now = monotonic()
        stream = cast("Stream", self.machine.open_stream(names, now))
        self.plan_flush()
        self._alarm.at_latest(now + self._runtime.endpoint.config.negotiation_timeout)
        if lazy and len(names) == 1:
            stream.protocol = names[0]
            return stream
        try:
            async with asyncio.timeout(until - now):
                while stream.protocol is None:
                    await stream.wait_to_read()
        except TimeoutError as error:
            stream.reset()
            raise DeadlineExceeded(f"no protocol was agreed within {timeout:g} s") from error
        except asyncio.CancelledError:
            stream.reset()
            raise
        return stream

    async def _wait_for_room(self, timeout: float) -> None:
        """Wait until the session allows another stream."""
        session = self.machine.session
        try:
            async with asyncio.timeout(timeout):
                while session is not None and not session.can_open and not session.terminated:
                    await self._openers.join(self.loop)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no further stream could be opened within {timeout:g} s") from error

    def offer_room(self) -> None:
        """Let those go on that wait for room, if there is any."""
        session = self.machine.session
        if session is None or session.can_open or session.terminated:
            self._openers.wake()
