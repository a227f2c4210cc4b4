"""Transport frames: what Noise does to all bytes once the handshake is over.

Hot path: the rows ``bulk`` and ``ping`` of the benchmark guard it.

A frame is a length of two bytes, big-endian, and a ciphertext that is 16 bytes longer than its plaintext (NOISE-02).
Each direction has a key and a counter, which is the nonce; nothing else is sent. For what runs above, frames are no
boundaries: Noise is a byte stream, and its user puts together again what was cut (NOISE-23).

Costs are those of the AEAD call plus less than a microsecond a frame: no object is made for a frame but its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from p2pstack.crypto.aead import TAG_SIZE, InvalidTag, aead
from p2pstack.errors import LocalError, NoiseError
from p2pstack.noise.symmetric import pack_nonce
from p2pstack.wire import Buffer

__all__ = ["MAX_FRAME", "MAX_PLAINTEXT", "CipherState", "Transport", "pack_length"]

MAX_FRAME = 65_535
"""Bytes of a ciphertext, or of a handshake message, without the two bytes of its length (NOISE-02)."""

MAX_PLAINTEXT = MAX_FRAME - TAG_SIZE
"""Bytes of plaintext that one frame carries (NOISE-13)."""

LAST_COUNTER = 2**64 - 1
"""Reserved by the Noise framework: the connection ends before it would be used (NOISE-10)."""

pack_length = Struct(">H").pack


class CipherState:
    """One direction of a connection: a key, and the counter of its next frame. Given to a :class:`Transport`."""

    __slots__ = ("aead", "counter")

    def __init__(self, key: bytes, counter: int = 0) -> None:
        self.aead = aead(key)
        self.counter = counter


class Transport:
    """Both directions of a secure connection; takes over the two cipher states, which no one else may use then."""

    __slots__ = ("_decrypt", "_encrypt", "_receive_counter", "_send_counter")

    def __init__(self, send: CipherState, receive: CipherState) -> None:
        self._encrypt = send.aead.encrypt
        self._send_counter = send.counter
        self._decrypt = receive.aead.decrypt
        self._receive_counter = receive.counter

    def seal(self, plaintext: Buffer) -> bytes:
        """Return one whole frame, length included, that carries ``plaintext`` of at most 65,519 bytes.

        Raises:
            LocalError: it is longer.
            NoiseError: all counters are used up, and the connection has to end (NOISE-10).
        """
        counter = self._send_counter
        if counter >= LAST_COUNTER:
            raise NoiseError("all nonces of this connection are used up", requirement="NOISE-10")
        size = len(plaintext) + TAG_SIZE
        if size > MAX_FRAME:
            raise LocalError(f"a Noise frame carries {MAX_PLAINTEXT} bytes at most, not {len(plaintext)}")
        self._send_counter = counter + 1
        return pack_length(size) + self._encrypt(pack_nonce(counter), plaintext, None)

    def seal_all(self, data: Buffer) -> list[bytes]:
        """Return the frames that carry ``data`` of any length, cut as few times as possible (NOISE-13).

        No data makes no frame.

        Raises:
            NoiseError: as :meth:`seal`.
        """
        view = memoryview(data)
        return [self.seal(view[start : start + MAX_PLAINTEXT]) for start in range(0, len(view), MAX_PLAINTEXT)]

    def open_frames(self, view: memoryview, start: int, end: int, deliver: Callable[[bytes], None]) -> int:
        """Decrypt every whole frame in ``view[start:end]``; return where the first incomplete one starts.

        ``deliver`` gets the plaintexts in order, but no empty one: such a frame is legal and says nothing (NOISE-14).
        What ``deliver`` raises passes through; its frame counts as taken, and the connection should be closed.

        Raises:
            NoiseError: a frame is too short for its tag (NOISE-12), does not authenticate (NOISE-09), or would use the
                last counter (NOISE-10). What came before it has been delivered; nothing of it or behind it is.
        """
        decrypt = self._decrypt
        counter = self._receive_counter
        try:
            while end - start >= 2:
                stop = start + 2 + (view[start] << 8 | view[start + 1])
                if stop > end:
                    break
                if counter >= LAST_COUNTER:
                    raise NoiseError("all nonces of this connection are used up", requirement="NOISE-10")
                try:
                    plaintext = decrypt(pack_nonce(counter), view[start + 2 : stop], None)
                except InvalidTag as error:
                    raise _bad_frame(stop - start - 2) from error
                counter += 1
                start = stop
                if plaintext:
                    deliver(plaintext)
        finally:
            self._receive_counter = counter
        return start


def _bad_frame(size: int) -> NoiseError:
    if size < TAG_SIZE:
        return NoiseError(f"a frame of {size} bytes has no room for its tag", requirement="NOISE-12")
    return NoiseError("a frame does not authenticate", requirement="NOISE-09")
