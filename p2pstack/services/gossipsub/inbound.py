"""What comes in: a peer's stream, cut into RPCs, verified, judged. Hot path (GS10-03, GS10-05; specs/gossipsub.md).

A handler a stream. It never writes or ends its side while the peer's is open, which peers take for the end of pubsub.
What one read brought is verified together; the next read waits for that, so that a peer is held back by its window
where we are slow. Guarded by the row ``gossip`` of ``python -m benchmarks``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from p2pstack.aio.stream import Stream
from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.services.gossipsub.engine import Engine
from p2pstack.services.gossipsub.validation import Validators
from p2pstack.services.gossipsub.verifier import Verifier
from p2pstack.wire.framing import FrameReader

__all__ = ["MAX_STREAMS", "Receiver"]

MAX_STREAMS = 4
"""Streams of a peer that are served at once on a connection, all but the newest of them about to end."""

_READ = 65_536
"""Bytes that are taken in one read: other peers get their turn after that."""


class Receiver:
    """Serves the streams of all peers."""

    def __init__(self, engine: Engine, verifier: Verifier, validators: Validators) -> None:
        self._engine = engine
        self._verifier = verifier
        self._validators = validators

    async def serve(self, stream: Stream) -> None:
        """Receive RPCs until the stream ends.

        Raises:
            ProtocolViolation: an RPC is too long, or can't be read; the stream is reset then.
            StreamError: the stream was reset, by the peer or because there is a newer one.
        """
        stream.timeout = None
        link = self._engine.links.get(stream.peer_id)
        if link is None or not await link.take(stream):
            stream.reset()
            return
        reader = FrameReader(self._engine.config.router.max_rpc)
        first = True
        while data := await stream.read(_READ):
            try:
                frames = reader.receive_data(data)
            except DecodeError as error:
                raise _violation(stream, error) from error
            for frame in frames:
                if not frame:
                    frames = [each for each in frames if each]
                    break
            if frames:
                await self._receive(stream, frames, first=first)
                first = False
            if len(data) == _READ:
                await asyncio.sleep(0)

    async def _receive(self, stream: Stream, frames: Sequence[bytes], *, first: bool) -> None:
        """Act on some RPCs; where one can't be read those before it still count."""
        engine = self._engine
        router, config, on_rpc = engine.router, engine.config.router, engine.config.on_rpc
        peer = stream.peer_id
        now = monotonic()
        incoming: list[Incoming] = []
        failure: DecodeError | None = None
        for frame in frames:
            try:
                rpc = decode_rpc(frame, config)
            except DecodeError as error:
                failure = error
                break
            if on_rpc is not None:
                on_rpc(peer, rpc)
            incoming += router.receive_rpc(peer, rpc, now, first=first)
            first = False
        engine.flush()
        if incoming:
            await self._check(incoming)
        if failure is not None:
            engine.counters["undecodable"] += 1
            raise _violation(stream, failure) from failure

    async def _check(self, incoming: Sequence[Incoming]) -> None:
        """Have messages verified, then judged, in order."""
        router = self._engine.router
        done = 0
        try:
            for batch in self._verifier.start(incoming):
                outcomes = await batch.outcomes()
                now = monotonic()
                good = [
                    each
                    for each, outcome in zip(batch.messages, outcomes, strict=True)
                    if router.verified(each, outcome, now)
                ]
                done += len(outcomes)
                if self._validators.any:
                    self._engine.flush()  # what tells others not to send it, too, must not wait (GS12-02)
                await self._validators.judge(good)
                self._engine.flush()
        finally:
            # Only where the host closes meanwhile.
            for each in incoming[done:]:
                router.drop(each, monotonic())


def _violation(stream: Stream, error: DecodeError) -> ProtocolViolation:
    return ProtocolViolation(stream.protocol or "gossipsub", str(error), requirement=error.requirement)
