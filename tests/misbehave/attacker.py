"""A peer that keeps no rules: a bare TCP socket, p2pstack's own pure machines, and every byte sent by hand.

:class:`Socket` knows nothing but bytes: it sends slowly, stops anywhere, never reads, resets. :class:`Attacker` adds
the upgrade, step by step, so that each step can be done wrong, and then any yamux frame, well-formed or not. Nothing
here is answered on its own, no ping either. Both raise TimeoutError when the victim is silent for too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from p2pstack.connection.config import NOISE_PROTOCOL, YAMUX_PROTOCOL
from p2pstack.crypto.x25519 import generate
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.multistream.messages import HEADER, encode
from p2pstack.noise import Handshake, NoiseIdentity, Transport
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, HEADER_SIZE, PING, RST, SYN, pack_header, unpack_header

PATIENCE = 8.0
"""Seconds after which a victim that says nothing counts as hung."""


class Socket:
    """A TCP connection without manners."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self._received = bytearray()

    @classmethod
    async def connect(cls, port: int, *, receive_buffer: int = 0, source: str = "127.0.0.1") -> Self:
        """Connect to a port of the loopback; ``receive_buffer`` makes the kernel take few bytes for us."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.bind((source, 0))
        found = cls(sock)
        await found.loop.sock_connect(sock, ("127.0.0.1", port))
        return found

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        async with asyncio.timeout(PATIENCE):
            await self.loop.sock_sendall(self.sock, data)

    async def trickle(self, data: bytes) -> None:
        """Send one byte a segment, and let the victim read each."""
        for value in data:
            await self.send(bytes([value]))
            for _ in range(3):
                await asyncio.sleep(0)

    async def flood(self, pieces: Iterable[bytes]) -> int:
        """Send until the victim hangs up; return how many pieces it took."""
        taken = 0
        with contextlib.suppress(OSError):
            for piece in pieces:
                await self.send(piece)
                taken += 1
        return taken

    async def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, or fewer at the end."""
        while len(self._received) < size and await self._fill():
            pass
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    async def read_to_end(self) -> bytes:
        """Return all that comes until the victim closes, in good order or by RST."""
        while await self._fill():
            pass
        data = bytes(self._received)
        self._received.clear()
        return data

    async def _fill(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                data = await self.loop.sock_recv(self.sock, 65_536)
        except (ConnectionResetError, BrokenPipeError):
            return False
        self._received += data
        return bool(data)

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Send RST."""
        if self.sock.fileno() >= 0:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def close(self) -> None:
        """Send FIN, or RST where something is unread."""
        self.sock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def leave_by_fin(attacker: Socket) -> None:
    """Half-close, and wait for the victim's close."""
    attacker.half_close()
    await attacker.read_to_end()


async def leave_by_rst(attacker: Socket) -> None:
    """Reset the connection."""
    attacker.abort()


@dataclass(frozen=True, slots=True)
class Frame:
    """A yamux frame that the victim sent."""

    kind: int
    flags: int
    stream_id: int
    length: int
    body: bytes = b""


def frame(kind: int, flags: int, stream_id: int, length: int | None = None, body: bytes = b"") -> bytes:
    """A yamux frame; ``length`` says something else than the body's, or is the value where there is no body."""
    return pack_header(0, kind, flags, stream_id, len(body) if length is None else length) + body


def proposal(protocol: str) -> bytes:
    """What opens a stream or a connection: the header and one protocol."""
    return HEADER + encode(protocol)


class Attacker(Socket):
    """A socket that can also do it right, as far as a test wants it to.

    As initiator its streams have odd ids, else even ones. ``identity.muxers`` go into the handshake; where there are
    none yamux is agreed by multistream.
    """

    def __init__(self, sock: socket.socket, *, initiator: bool = True) -> None:
        super().__init__(sock)
        self.initiator = initiator
        self.identity = NoiseIdentity(PrivateKey.generate(), [YAMUX_PROTOCOL])
        self.expected_peer: PeerId | None = None
        self.transport: Transport | None = None
        self._plaintext = bytearray()
        self._streams: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._next_id = 1 if initiator else 2
        self._ping = 0

    @property
    def peer_id(self) -> PeerId:
        """Who the victim believes us to be."""
        return self.identity.peer_id

    # -- the upgrade, step by step

    def new_handshake(self) -> Handshake:
        """Return a handshake that keeps the rules."""
        return Handshake(
            initiator=self.initiator,
            local=self.identity,
            expected_peer=self.expected_peer,
            ephemeral=generate(secrets.token_bytes),
        )

    async def agree_on_noise(self) -> None:
        """Do the first negotiation."""
        await self.send(proposal(NOISE_PROTOCOL))
        assert await self.read(len(proposal(NOISE_PROTOCOL))) == proposal(NOISE_PROTOCOL)

    async def send_message(self, message: bytes) -> None:
        """Send a handshake message behind its length."""
        await self.send(struct.pack(">H", len(message)) + message)

    async def read_message(self) -> bytes:
        """Return the victim's next handshake message."""
        (size,) = struct.unpack(">H", await self.read(2))
        return await self.read(size)

    async def begin_handshake(self) -> Handshake:
        """Do everything up to our last message, which is left to the caller."""
        await self.agree_on_noise()
        handshake = self.new_handshake()
        if self.initiator:
            await self.send_message(handshake.write_message())
        handshake.read_message(await self.read_message())
        return handshake

    async def respond(self) -> None:
        """Do our side of the handshake where the victim has dialled, and nothing behind it."""
        handshake = await self.begin_handshake()
        await self.send_message(handshake.write_message())
        handshake.read_message(await self.read_message())
        self.secure(handshake)

    async def upgrade(self) -> Self:
        """Do the whole upgrade as it should be."""
        if not self.initiator:
            await self.respond()
        else:
            handshake = await self.begin_handshake()
            await self.send_message(handshake.write_message())
            self.secure(handshake)
        if not self.identity.muxers:
            await self.send_plain(proposal(YAMUX_PROTOCOL))
            assert await self.read_plain(len(proposal(YAMUX_PROTOCOL))) == proposal(YAMUX_PROTOCOL)
        return self

    # -- the secure channel

    def secure(self, handshake: Handshake) -> None:
        """Encrypt from now on with the keys of a complete handshake."""
        self.transport = Transport(*handshake.split())

    def seal(self, plaintext: bytes) -> bytes:
        """Encrypt, for those who want to send it otherwise."""
        assert self.transport is not None
        return b"".join(self.transport.seal_all(plaintext))

    def seal_empty(self) -> bytes:
        """A frame that carries nothing."""
        assert self.transport is not None
        return self.transport.seal(b"")

    async def send_plain(self, plaintext: bytes) -> None:
        """Send bytes through the secure channel."""
        await self.send(self.seal(plaintext))

    async def read_plain(self, size: int) -> bytes:
        """Return ``size`` decrypted bytes, or fewer at the end."""
        self._decrypt()
        while len(self._plaintext) < size and await self._fill():
            self._decrypt()
        data = bytes(self._plaintext[:size])
        del self._plaintext[:size]
        return data

    def _decrypt(self) -> None:
        assert self.transport is not None
        view = memoryview(bytes(self._received))
        used = self.transport.open_frames(view, 0, len(view), self._plaintext.extend)
        del self._received[:used]

    # -- frames

    async def send_frames(self, *frames: bytes) -> None:
        """Send frames, all in one message where they fit."""
        await self.send_plain(b"".join(frames))

    async def next_frame(self) -> Frame | None:
        """Return the victim's next frame, None when it has closed. Its pings are passed over."""
        while True:
            header = await self.read_plain(HEADER_SIZE)
            if len(header) < HEADER_SIZE:
                return None
            _, kind, flags, stream_id, length = unpack_header(header, 0)
            body = await self.read_plain(length) if kind == DATA else b""
            if kind != PING or flags & ACK:
                return Frame(kind, flags, stream_id, length, body)

    async def rest(self) -> list[Frame]:
        """Return all frames until the victim closes."""
        frames = []
        while (found := await self.next_frame()) is not None:
            frames.append(found)
        return frames

    async def barrier(self) -> list[Frame]:
        """Wait until the victim has taken all that was sent before; return what it sent in the meantime.

        Twice there and back: what the first ping finds in the same read is answered behind its pong.
        """
        frames = []
        for _ in range(2):
            self._ping += 1
            await self.send_frames(frame(PING, SYN, 0, self._ping))
            while True:
                found = await self.next_frame()
                assert found is not None, f"the victim has closed; it said {frames[-3:]}"
                if found.kind == PING and found.length == self._ping:
                    break
                frames.append(found)
        return frames

    # -- streams

    def new_id(self) -> int:
        """Return the id of the next stream of ours."""
        stream_id = self._next_id
        self._next_id += 2
        return stream_id

    async def open_stream(self, protocol: str, data: bytes = b"", *, fin: bool = False) -> int:
        """Open a stream as it should be, with its first bytes; wait for the answer and return the stream's id."""
        stream_id = self.new_id()
        flags = SYN | FIN if fin else SYN
        await self.send_frames(frame(DATA, flags, stream_id, body=proposal(protocol) + data))
        assert await self.read_stream(stream_id, len(proposal(protocol))) == proposal(protocol)
        return stream_id

    async def ask_stream(self, protocol: str, data: bytes = b"") -> int:
        """As :meth:`open_stream`, but wait for no answer: a handler that starts eagerly may fail before it leaves."""
        stream_id = self.new_id()
        await self.send_frames(frame(DATA, SYN, stream_id, body=proposal(protocol) + data))
        return stream_id

    async def read_stream(self, stream_id: int, size: int) -> bytes:
        """Return the next ``size`` bytes of a stream; frames of other streams that come meanwhile are lost."""
        kept = self._streams[stream_id]
        while len(kept) < size:
            found = await self.next_frame()
            assert found is not None, "the victim has closed"
            if found.stream_id == stream_id:
                assert not found.flags & RST, f"the stream was reset with {found.length:#x}"
                kept += found.body
        data = bytes(kept[:size])
        del kept[:size]
        return data

    async def await_reset(self, stream_id: int) -> int:
        """Return the code with which the victim resets a stream."""
        while True:
            found = await self.next_frame()
            assert found is not None, "the victim has closed"
            if found.stream_id == stream_id and found.flags & RST:
                return found.length


def goaway_codes(frames: Iterable[Frame]) -> list[int]:
    """The codes of the GoAway frames among ``frames``."""
    return [found.length for found in frames if found.kind == GO_AWAY]


def reset_codes(frames: Iterable[Frame]) -> dict[int, int]:
    """The codes of the resets among ``frames``, by stream."""
    return {found.stream_id: found.length for found in frames if found.flags & RST}
