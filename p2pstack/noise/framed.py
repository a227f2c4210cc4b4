"""The handshake over a byte stream: frames in, frames out (NOISE-02, NOISE-18).

Bytes come as they do for :meth:`Transport.open_frames`: in a view that the caller owns, which also keeps what is not
taken yet. So message 3 and the first transport frames may share a segment, and nothing is copied or held here.
"""

from __future__ import annotations

from p2pstack.errors import HandshakeError
from p2pstack.noise.handshake import Handshake
from p2pstack.noise.transport import Transport, pack_length

__all__ = ["FramedHandshake"]


class FramedHandshake:
    """Drives ``handshake``: answers every message of the peer until it is complete; an initiator begins at once."""

    __slots__ = ("_out", "handshake")

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self._out: list[bytes] = []
        if handshake.initiator:
            self._write()

    @property
    def complete(self) -> bool:
        """The peer is proven, and later frames are for :meth:`transport`."""
        return self.handshake.complete

    def data_to_send(self) -> list[bytes]:
        """Return, and forget, the frames that are to be sent, in order."""
        out = self._out
        self._out = []
        return out

    def receive_frames(self, view: memoryview, start: int, end: int) -> int:
        """Take the whole handshake frames in ``view[start:end]``; return where the first byte that was not taken is.

        That byte begins an incomplete frame or, once ``complete``, the first transport frame.

        Raises:
            HandshakeError: as :meth:`Handshake.read_message`; a frame whose length is wrong is not waited for.
            LocalError: there is input after an error.
        """
        handshake = self.handshake
        while not handshake.complete and end - start >= 2:
            size = view[start] << 8 | view[start + 1]
            handshake.check_size(size)
            stop = start + 2 + size
            if stop > end:
                break
            handshake.read_message(bytes(view[start + 2 : stop]))
            start = stop
            if not handshake.complete:
                self._write()
        return start

    def receive_eof(self) -> None:
        """Take the end of the peer's bytes.

        Raises:
            HandshakeError: the handshake is not complete.
        """
        if not self.complete:
            raise HandshakeError("the peer closed during the handshake", requirement="NOISE-02")

    def transport(self) -> Transport:
        """Return both directions of the secure connection; once, as :meth:`Handshake.split`."""
        return Transport(*self.handshake.split())

    def _write(self) -> None:
        message = self.handshake.write_message()
        self._out.append(pack_length(len(message)) + message)
