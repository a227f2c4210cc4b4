"""Requests to peers, over streams that are kept for the next one (KAD-07, KAD-09; specs/kad.md). Hot path.

Guarded by the row group ``kad`` of ``python -m benchmarks``. A stream carries one request at a time; where several are
under way to a peer each has its own. A peer may end an idle stream at any time: the request is repeated once then.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DecodeError, LimitExceeded, ProtocolViolation, RelayedOnly, StreamError
from p2pstack.host.host import BaseHost
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType, decode, encode
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.wire import uvarint

__all__ = ["Messenger", "frame_of"]


def frame_of(message: Message) -> bytes:
    """Return a message as it stands on a stream."""
    data = encode(message)
    return uvarint.encode(len(data)) + data


_SHORT = 65_536
"""Answers up to this size are read in any case: honest ones have a tenth of it."""

_SENT = {kind: f"sent.{kind.name}" for kind in MessageType}
"""How the requests are counted."""


class _Line:
    """The streams on one connection: those that wait for a request, those that carry one, and room for more."""

    __slots__ = ("busy", "idle", "slots")

    def __init__(self, limit: int) -> None:
        self.idle: list[Stream] = []
        self.busy = 0
        self.slots = asyncio.Semaphore(limit)


class Messenger:
    """Asks peers, and tells them. ``counters`` counts what is sent, by type."""

    def __init__(self, host: BaseHost, config: KademliaConfig, counters: Counter[str]) -> None:
        self._host = host
        self._config = config
        self._counters = counters
        self._lines: dict[Connection, _Line] = {}
        self.collecting = 0
        """Bytes of long answers that have come in part, of all peers: as many as they announce (KAD-22)."""

    async def request(self, contact: Contact, kind: MessageType, frame: bytes) -> Message:
        """As :meth:`ask`, for at most ``peer_timeout`` seconds, dialling included.

        Raises:
            DeadlineExceeded: there was no answer in this time.
            P2PError: as for :meth:`ask`.
        """
        seconds = self._config.kad.peer_timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self.ask(contact, kind, frame)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"{contact.peer} did not answer within {seconds:g} s") from error

    async def ask(self, contact: Contact, kind: MessageType, frame: bytes) -> Message:
        """Return a peer's answer to ``frame``; dials the peer if need be. HOT PATH.

        The caller cancels it in time: a lookup knows its deadlines, and a timer costs as much as all else in here.

        Raises:
            ProtocolViolation: the answer does not parse.
            LimitExceeded: kad.max_answer_memory, too much is being read of others.
            DialError: the peer can't be reached.
            RelayedOnly: it can, but only through a relay.
            ProtocolNotSupported: it does not speak the protocol.
            StreamError: it has refused, or is gone.
        """
        connection = await self.reach(contact)
        self._counters[_SENT[kind]] += 1
        return await self._ask(connection, frame)

    async def tell(self, contact: Contact, kind: MessageType, frame: bytes) -> None:
        """Send what has no answer, on a stream of its own; return when the peer has read it (KAD-09).

        The peer's end of the stream follows ours once it has.

        Raises:
            P2PError: as for :meth:`request`; a reset is a refusal.
        """
        seconds = self._config.kad.peer_timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                connection = await self.reach(contact)
                self._counters[_SENT[kind]] += 1
                async with self._line(connection).slots:
                    stream = await connection.open_stream(self._config.protocol, lazy=True, timeout=seconds)
                    async with stream:
                        stream.write(frame)
                        stream.close_write()
                        if await stream.read():
                            raise ProtocolViolation("kad", "an announcement was answered", requirement="KAD-09")
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"{contact.peer} did not take it within {seconds:g} s") from error

    async def reach(self, contact: Contact) -> Connection:
        """Return a connection to a peer that passes no relay.

        Raises:
            DialError: it can't be reached.
            RelayedOnly: it can, but only through a relay.
        """
        connection = self._host.network.best(contact.peer)
        if connection is None:
            connection = await self._host.connect(contact.peer, contact.addresses, routed=False)
        if connection.relayed:
            raise RelayedOnly(f"{contact.peer} is connected through a relay alone")
        return connection

    async def _ask(self, connection: Connection, frame: bytes) -> Message:
        line = self._line(connection)
        async with line.slots:
            while line.idle:
                stream = line.idle.pop()
                if stream.failure is not None or stream.eof or stream.received:
                    stream.reset()
                    continue
                try:
                    return await self._exchange(line, stream, frame)
                except StreamError:
                    break
            stream = await connection.open_stream(self._config.protocol, lazy=True)
            return await self._exchange(line, stream, frame)

    async def _exchange(self, line: _Line, stream: Stream, frame: bytes) -> Message:
        """Send a request, and read the answer; keep the stream where all went well."""
        reserved = 0

        def reserve(size: int) -> None:
            nonlocal reserved
            if size <= _SHORT:
                return
            if self.collecting + size > self._config.max_answer_memory:
                raise LimitExceeded("kad.max_answer_memory", self._config.max_answer_memory)
            self.collecting += size
            reserved = size

        line.busy += 1
        try:
            stream.write(frame)
            answer = decode(await stream.read_frame(self._config.kad.max_received, reserve), self._config.kad)
        except DecodeError as error:
            stream.reset()
            raise ProtocolViolation("kad", str(error), requirement=error.requirement) from error
        except BaseException:
            stream.reset()
            raise
        finally:
            line.busy -= 1
            self.collecting -= reserved
        if len(line.idle) < self._config.max_idle_streams:
            line.idle.append(stream)
        else:
            stream.finish()
        return answer

    def _line(self, connection: Connection) -> _Line:
        line = self._lines.get(connection)
        if line is None:
            line = self._lines[connection] = _Line(self._config.max_outbound_streams)
        return line

    def is_asking(self, connection: Connection) -> bool:
        """Whether an answer is waited for on a connection."""
        line = self._lines.get(connection)
        return line is not None and line.busy > 0

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        self._lines.pop(connection, None)

    def forget_the_closed(self) -> None:
        """Some connections have ended, and nobody knows which."""
        for connection in [each for each in self._lines if each.closed]:
            del self._lines[connection]

    def close(self) -> None:
        """End all streams that wait."""
        for line in self._lines.values():
            for stream in line.idle:
                stream.finish()
        self._lines.clear()
