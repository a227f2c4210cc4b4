"""Sending one frame: a connection for each, as nodes of the first era expect (SHK-84)."""

from __future__ import annotations

import asyncio
import contextlib

from p2pstack.errors import DeadlineExceeded
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import Frame, encode_frame
from p2pstack.shinkai.node.config import TcpConfig

__all__ = ["send_frame"]


async def send_frame(endpoint: Endpoint, frame: Frame, config: TcpConfig) -> None:
    """Connect, write, and close. That this returns does not say that anybody has read it.

    Raises:
        DeadlineExceeded: there was no connection, or not all was taken, in time.
        OSError: it was refused, or ended.
        LocalError: the frame is too long.
    """
    data = encode_frame(frame, config.frames)
    try:
        async with asyncio.timeout(config.connect_timeout):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except TimeoutError:
        raise DeadlineExceeded(f"no connection to {endpoint} within {config.connect_timeout:g} s") from None
    try:
        async with asyncio.timeout(config.write_timeout):
            writer.write(data)
            writer.write_eof()
            await writer.drain()
    except TimeoutError:
        writer.transport.abort()
        raise DeadlineExceeded(f"{endpoint} did not take a message within {config.write_timeout:g} s") from None
    except BaseException:
        writer.transport.abort()
        raise
    try:
        # The other side closes once it has taken the message, or resets the connection where it refuses it. Some never
        # close: that says nothing.
        async with asyncio.timeout(config.linger):
            await reader.read(1)
    except TimeoutError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
