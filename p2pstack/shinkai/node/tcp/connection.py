"""A connection that somebody opened to the node's port: libp2p, or frames; its first byte tells (SHK-85, SHK-86)."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, cast

from p2pstack.errors import DecodeError, P2PError
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.frames import LIBP2P_FIRST_BYTE, Frame, FrameReader
from p2pstack.shinkai.node.config import TcpConfig

__all__ = ["AcceptedConnection", "Owner"]

logger = logging.getLogger("p2pstack.shinkai")


class Owner(Protocol):
    """Who accepts connections, counts them, and takes their frames: the listener."""

    config: TcpConfig

    def accept(self, connection: AcceptedConnection) -> P2PError | None:
        """Decide on a connection that has said nothing yet; an error refuses it."""

    def admit_frames(self, connection: AcceptedConnection) -> P2PError | None:
        """Decide on a connection whose first byte begins a frame; an error refuses it."""

    def hand_over(self, connection: AcceptedConnection, transport: asyncio.Transport, data: bytes) -> bool:
        """Give a connection that speaks libp2p to the host; False where there is none."""

    def receive(self, connection: AcceptedConnection, frame: Frame) -> None:
        """Take a frame."""

    def refuse(self, reason: str) -> None:
        """Count a connection that broke the rules."""

    def ended(self, connection: AcceptedConnection) -> None:
        """Forget a connection, which was handed over or is closed."""


class AcceptedConnection(asyncio.Protocol):
    """Cuts what comes into frames. Nothing is ever written to it; errors end it without a word (SHK-87)."""

    def __init__(self, owner: Owner) -> None:
        self.peer = Endpoint("0.0.0.0", 0)  # noqa: S104 - until it is known
        self.silent = True
        self.counted = False
        self._owner = owner
        self._reader = FrameReader(owner.config.frames)
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._frames = 0
        self._unfinished = 0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is accepted."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        if not name:
            transport.abort()  # type: ignore[attr-defined]
            return
        self.peer = Endpoint(name[0], name[1])
        refusal = self._owner.accept(self)
        if refusal is not None:
            self._refuse(refusal)
            return
        self.counted = True
        self._expire_in(self._owner.config.first_byte_timeout)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._transport is None or self._transport.is_closing():
            return
        if self.silent:
            if data[0] == LIBP2P_FIRST_BYTE:
                self._hand_over(data)
                return
            refusal = self._owner.admit_frames(self)
            if refusal is not None:
                self._refuse(refusal)
                return
            self.silent = False
            self._expire_in(self._owner.config.frame_timeout)
        try:
            frames = self._reader.receive_data(data)
        except MessageError as error:
            self._refuse(error)
            return
        for frame in frames:
            self._take(frame)

    def eof_received(self) -> bool:
        """The other side has said everything; its frames are still being taken."""
        if not self.silent:
            try:
                self._reader.receive_eof()
            except DecodeError as error:
                self._refuse(error)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        self._end()

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def frame_done(self) -> None:
        """A frame was taken care of: there is room for another."""
        self._unfinished -= 1
        if not self._unfinished and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take(self, frame: Frame) -> None:
        self._frames += 1
        if self._frames > self._owner.config.max_frames:
            self._owner.refuse("too-many-frames")
            self.close()
            return
        self._unfinished += 1
        # What the sender writes meanwhile waits in its kernel, not in our memory.
        if self._transport is not None and self._unfinished == 1 and not self._transport.is_closing():
            self._transport.pause_reading()
        self._owner.receive(self, frame)

    def _hand_over(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        self._end()
        if not self._owner.hand_over(self, transport, data):
            transport.abort()

    def _expire_in(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._owner.refuse("silent" if self.silent else "slow-frame")
        self.close()

    def _refuse(self, error: P2PError) -> None:
        reason = getattr(error, "reason", None) or getattr(error, "name", None) or "truncated"
        self._owner.refuse(reason)
        logger.debug("the connection from %s is closed: %s", self.peer, error)
        self.close()

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._ended:
            self._ended = True
            self._owner.ended(self)
