"""perf: so many bytes up, so many down, to measure throughput (specs/perf.md).

Off unless a program calls :func:`serve_perf`: it lets anybody use our bandwidth (PERF-02). Both sides stream one block
again and again, so amounts up to 2^64 - 1 bytes take no memory. Guarded by the rows ``bulk`` of
``python -m benchmarks``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from p2pstack.aio.stream import Stream
from p2pstack.errors import ConfigError, ProtocolViolation
from p2pstack.host.host import BaseHost, Target

__all__ = ["MAX_BYTES", "PERF", "PerfResult", "Progress", "measure", "serve_perf"]

PERF = "/perf/1.0.0"

MAX_BYTES = 2**64 - 1
"""The most that can be asked for, in either direction."""

BLOCK_SIZE = 1024 * 1024
_BLOCK = bytes(BLOCK_SIZE)

Progress = Callable[[int, int], None]
"""Is told how many bytes have been handed to the connection and received so far, after each block or read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerfResult:
    """What a measurement found. Sizes are bytes, times seconds.

    ``upload_seconds`` ends when the server has shown that it has read everything, by its first byte or its end of
    the stream: one latency is part of it. ``download_seconds`` is the rest.
    """

    upload: int
    download: int
    upload_seconds: float
    download_seconds: float


def serve_perf(host: BaseHost, *, max_streams: int | None = None, relayed: bool = False) -> None:
    """Let peers measure throughput to ``host``; ``max_streams`` at once on a connection.

    With ``relayed`` also those that come through a relay.
    """
    host.handle(PERF, respond, eager=True, max_streams=max_streams, relayed=relayed)


async def respond(stream: Stream) -> None:
    """Read the amount that is asked for, drop what is uploaded, then send that amount (PERF-01)."""
    size = int.from_bytes(await stream.read_exactly(8), "big")
    while await stream.chunks():
        pass
    await _send(stream, size, None)


async def measure(
    host: BaseHost,
    target: Target,
    *,
    upload: int,
    download: int,
    progress: Progress | None = None,
    relayed: bool = False,
) -> PerfResult:
    """Send ``upload`` bytes to a peer, then have it send ``download`` bytes; both from 0 to 2^64 - 1.

    With ``relayed`` a connection through a relay will do.

    Raises:
        ConfigError: an amount is out of range.
        ProtocolViolation: the peer sends more or less than that.
        ProtocolNotSupported: it doesn't serve perf.
        DialError: it can't be reached.
        StreamError: the stream or the connection ended, or the peer does nothing for the stream's time-out.
    """
    for amount in (upload, download):
        if not 0 <= amount <= MAX_BYTES:
            raise ConfigError(f"an amount is 0 to 2^64 - 1 bytes, not {amount}")
    async with await host.open_stream(target, PERF, relayed=relayed) as stream:
        started = perf_counter()
        stream.write(download.to_bytes(8, "big"))
        await _send(stream, upload, progress)
        stream.close_write()
        received = sum(map(len, await stream.chunks()))
        turned = perf_counter()
        more = received
        while more and received <= download:
            if progress is not None:
                progress(upload, received)
            more = sum(map(len, await stream.chunks()))
            received += more
        if received != download:
            raise ProtocolViolation("perf", f"{received} bytes came instead of {download}", requirement="PERF-01")
        return PerfResult(
            upload=upload,
            download=download,
            upload_seconds=turned - started,
            download_seconds=perf_counter() - turned,
        )


async def _send(stream: Stream, size: int, progress: Progress | None) -> None:
    """Send ``size`` bytes, block by block, as fast as the peer takes them."""
    left = size
    while left > 0:
        if left >= BLOCK_SIZE:
            stream.write(_BLOCK)
            left -= BLOCK_SIZE
        else:
            stream.write(_BLOCK[:left])
            left = 0
        await stream.drain()
        if progress is not None:
            progress(size - left, 0)
