"""Frames with a uvarint length in front, as most protocols above the multiplexer use them (GEN-02, GEN-06).

The reader takes the stream in pieces of any size and gives whole frames back. It refuses a length above its limit as
soon as it has read it, before it keeps or waits for any byte of that frame.
"""

from __future__ import annotations

from p2pstack.errors import DecodeError, Truncated
from p2pstack.wire import Buffer, uvarint

__all__ = ["FrameReader", "encode_frame"]


def encode_frame(payload: Buffer) -> bytes:
    """Return ``payload`` with its length in front."""
    return uvarint.encode(len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into frames of at most ``limit`` bytes of payload each.

    After an error the stream has no frame boundaries any more: the reader drops what it holds and raises the same
    error at every further call.
    """

    __slots__ = ("_buffer", "_failure", "_limit", "_max_prefix")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._max_prefix = len(uvarint.encode(limit))
        self._buffer = bytearray()
        self._failure: DecodeError | None = None

    @property
    def buffered(self) -> int:
        """Bytes that are held of a frame that is not complete yet."""
        return len(self._buffer)

    def receive_data(self, data: Buffer) -> list[bytes]:
        """Take the next bytes of the stream; return the payloads that they complete, in order.

        Raises:
            DecodeError: a length is above the limit (GEN-02), or no valid varint (GEN-06). Frames that the same
                ``data`` completed before the bad length are lost with it.
        """
        if self._failure is not None:
            raise self._failure
        self._buffer += data
        try:
            return self._take_frames()
        except DecodeError as error:
            self._failure = error
            self._buffer.clear()
            raise

    def _take_frames(self) -> list[bytes]:
        buffer = self._buffer
        frames = []
        start = 0
        while start < len(buffer):
            try:
                length, body = uvarint.decode(buffer, start, self._max_prefix)
            except Truncated:
                break
            if length > self._limit:
                raise DecodeError(
                    f"a frame of {length} bytes is longer than the limit of {self._limit}", requirement="GEN-02"
                )
            end = body + length
            if end > len(buffer):
                break
            frames.append(bytes(memoryview(buffer)[body:end]))
            start = end
        del buffer[:start]
        return frames

    def receive_eof(self) -> None:
        """Tell the reader that the stream has ended.

        Raises:
            Truncated: it ended inside a frame.
            DecodeError: the stream had failed before.
        """
        if self._failure is not None:
            raise self._failure
        if self._buffer:
            raise Truncated(f"the stream ends inside a frame, after {len(self._buffer)} bytes of it")
