"""One HTTP/1.1 request with a body, on a connection of its own, with every length bounded (SHK-65).

It waits as long as the server lets it: the caller sets the deadline, which covers a server that sends a byte at a time.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from p2pstack.errors import ConfigError, DecodeError

__all__ = ["MAX_HEADERS", "MAX_LINE", "HttpError", "post"]

MAX_LINE = 16_384
"""Bytes of a line: of the status, of a header, of a chunk's length."""

MAX_HEADERS = 100
"""Headers of an answer."""

_MAX_DIGITS = 16


class HttpError(DecodeError):
    """What a server sent is no answer that can be used: another status than 200, too much of it, or no HTTP."""


async def post(url: str, body: bytes, *, max_answer: int) -> bytes:
    """Send JSON to ``url`` and return the answer's body of up to ``max_answer`` bytes. Redirects are not followed.

    Raises:
        HttpError: the answer can't be used.
        OSError: there is no connection, or it broke.
        ConfigError: ``url`` is none of http or https.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("this is no URL of http or https")
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
        limit=MAX_LINE,
    )
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        return await _answer(reader, max_answer)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        if isinstance(error, HttpError):
            raise
        raise HttpError("the server's answer is no HTTP, or ends too early", requirement="SHK-65") from error
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, max_answer: int) -> bytes:
    while True:
        version, _, rest = (await _line(reader)).partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not status.isdecimal():
            raise HttpError("the server's answer is no HTTP", requirement="SHK-65")
        headers = await _headers(reader)
        if not status.startswith("1"):
            break
    if status != "200":
        raise HttpError(f"the server answers with status {status}", requirement="SHK-65")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader, max_answer)
    length = headers.get("content-length")
    if length is None:
        return await _up_to(reader, max_answer)
    size = _number(length, 10)
    if size > max_answer:
        raise _too_long(max_answer)
    return await reader.readexactly(size)


async def _line(reader: asyncio.StreamReader) -> str:
    line = await reader.readuntil(b"\n") if not reader.at_eof() else b""
    return line.decode("latin-1").rstrip("\r\n")


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS + 1):
        line = await _line(reader)
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raise HttpError(f"more than {MAX_HEADERS} headers", requirement="SHK-65")


async def _chunks(reader: asyncio.StreamReader, max_answer: int) -> bytes:
    parts: list[bytes] = []
    left = max_answer
    while length := _number((await _line(reader)).partition(";")[0].strip(), 16):
        if length > left:
            raise _too_long(max_answer)
        parts.append(await reader.readexactly(length))
        left -= length
        if await _line(reader):
            raise HttpError("a chunk is longer than it says", requirement="SHK-65")
    return b"".join(parts)


async def _up_to(reader: asyncio.StreamReader, max_answer: int) -> bytes:
    data = bytearray()
    while piece := await reader.read(65_536):
        data += piece
        if len(data) > max_answer:
            raise _too_long(max_answer)
    return bytes(data)


def _too_long(max_answer: int) -> HttpError:
    return HttpError(f"the server's answer has more than {max_answer} bytes", requirement="SHK-65")


def _number(digits: str, base: int) -> int:
    if not 0 < len(digits) <= _MAX_DIGITS or not digits.isalnum() or not digits.isascii():
        raise HttpError("a length in the server's answer is none", requirement="SHK-65")
    return int(digits, base)
